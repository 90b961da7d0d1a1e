"""Does every template come out for the events it is for? Each is rendered, before it goes live, with their samples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from tidings.events import ConversionError, convert, native_view, samples
from tidings.events.v1.event_pb2 import Event
from tidings.links import Links, Reader, sample_links
from tidings.model import Brand, Contact, Problem, Severity
from tidings.render import RenderError, TemplateSet, hazards
from tidings.rulebook.compose import template_context
from tidings.rules import EmailAction, Pace, Rule, RuleSet, decide, unhurried


class _Attributes(Mapping[str, str]):
    """Has every attribute that is asked for: which ones a brand gives its contacts is not known here."""

    def __getitem__(self, name: str) -> str:
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_KNOWN = Contact(
    org_id=0,
    customer_id="1",
    email="asha@example.com",
    name="Asha Rao",
    locale="en",
    time_zone="Asia/Kolkata",
    attributes=_Attributes(),
)
_UNKNOWN = Contact(org_id=0, customer_id="1", email="asha@example.com")
_LINKS: Final = sample_links(Reader(org_id=0, customer_id="1"), address="asha@example.com")
_LINK_NAMES: Final = frozenset({"unsubscribe_url", "preferences_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """One rule that sends a template."""

    rule: Rule
    to_customer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """One message to try: a template in one language on a sample, in one brand's look."""

    template: str
    locale: str
    event_name: str
    number: int
    """Which of the event's samples it is."""
    event: Event
    view: Mapping[str, Any]
    brand: Brand


def failing_templates(rules: RuleSet, templates: TemplateSet, *, pace: Pace = unhurried) -> Iterator[Problem]:
    """Yield a problem for each way in which a template does not come out for a sample of an event it is sent for.

    It is an error when a rule matches that sample, or when the message would do harm; a warning when no rule does,
    or when it is a customer of whom nothing is known that it fails for. A message to somebody else than the customer
    is tried like one to the customer: its template sees the contact all the same.
    """
    found: dict[tuple[object, ...], Problem] = {}
    for template, uses in _uses(rules).items():
        for scene in _scenes(rules, templates, template, uses):
            pace()
            for problem in _rehearse(rules, templates, scene, uses):
                found.setdefault((problem.file, problem.line, problem.code, _matter(problem)), problem)
    yield from found.values()


def _matter(problem: Problem) -> str:
    """Return the message without the event it was seen on first."""
    return problem.message.partition(": ")[2]


def _uses(rules: RuleSet) -> dict[str, list[_Use]]:
    uses: dict[str, list[_Use]] = {}
    for rule in rules.rules:
        for action in rule.actions:
            if isinstance(action, EmailAction):
                uses.setdefault(action.template, []).append(_Use(rule=rule, to_customer=action.to == "customer"))
    return uses


def _scenes(rules: RuleSet, templates: TemplateSet, template: str, uses: Sequence[_Use]) -> Iterator[_Scene]:
    locales = templates.locales(template)
    read = {use.path[1] for use in templates.variables(template) if use.path[0] == "brand" and len(use.path) > 1}
    tried: set[tuple[str, bool, bool]] = set()
    for use, brand, name in _performances(rules, uses) if locales else ():
        # Brands differ, for a template, in what they lack of what it reads.
        look = (name, "logo" in read and brand.logo is None, "address" in read and brand.address is None)
        if look in tried or use.rule.mode == "off":
            continue
        tried.add(look)
        for number, (event, view) in enumerate(_sample_views(name)):
            for locale in locales:
                yield _Scene(
                    template=template,
                    locale=locale,
                    event_name=name,
                    number=number,
                    event=event,
                    view=view,
                    brand=brand,
                )


def _performances(rules: RuleSet, uses: Sequence[_Use]) -> Iterator[tuple[_Use, Brand, str]]:
    kinds: dict[frozenset[int] | None, list[Brand]] = {}
    for use in uses:
        orgs = use.rule.orgs
        if orgs not in kinds:
            kinds[orgs] = _one_of_each_kind(rules, rules.brands if orgs is None else sorted(orgs))
        for brand in kinds[orgs]:
            for name in use.rule.events:
                yield use, brand, name


def _one_of_each_kind(rules: RuleSet, orgs: Iterable[int]) -> list[Brand]:
    brands = [rules.brands[org] for org in orgs if org in rules.brands]
    return list({(brand.logo is None, brand.address is None): brand for brand in reversed(brands)}.values())


@cache
def _sample_views(name: str) -> tuple[tuple[Event, Mapping[str, Any]], ...]:
    """Return the samples of an event with what templates see of them; none for an unknown name."""
    try:
        events = [each.event for payload in samples(name) for each in convert(payload, org_id=1).events]
    except (KeyError, ConversionError):
        return ()
    return tuple((event, native_view(event)) for event in events)


def _rehearse(rules: RuleSet, templates: TemplateSet, scene: _Scene, uses: Sequence[_Use]) -> Iterator[Problem]:
    """Yield what is wrong with one message, as severe as the rules make it."""
    for problem in _outcome(templates, scene):
        if problem.code == "template-fails" and not _is_sent(rules, scene, uses):
            yield replace(problem, severity=Severity.WARNING)
        elif problem.code != "unknown-contact" or any(use.to_customer for use in uses):
            yield problem


def _outcome(templates: TemplateSet, scene: _Scene) -> tuple[Problem, ...]:
    """Return what is wrong with one message; from memory, if all that makes it is as it was before."""
    brand = template_context({}, scene.brand, None)["brand"]
    digest = templates.digest(scene.template, scene.locale)
    key = (digest, scene.locale, scene.event_name, scene.number, repr(brand))
    found = _OUTCOMES.get(key)
    if found is None:
        if len(_OUTCOMES) >= _REMEMBERED:
            _OUTCOMES.clear()
        found = _OUTCOMES[key] = tuple(_faults(templates, scene))
    return found


_REMEMBERED: Final = 50_000
_OUTCOMES: Final[dict[tuple[str, str, str, int, str], tuple[Problem, ...]]] = {}
"""What came of messages tried before: a reload tries only what has changed."""


def _faults(templates: TemplateSet, scene: _Scene) -> Iterator[Problem]:
    """Try one message: first for a customer well known, as what fails there always fails.

    A template that reads the links is tried without them too: a message of service has none.
    """
    reads = {use.path[0] for use in templates.variables(scene.template)}
    try:
        html = _render(templates, scene, _KNOWN, _LINKS)
        if reads & _LINK_NAMES:
            _render(templates, scene, _KNOWN, Links())
    except RenderError as error:
        yield _problem(error, code="template-fails", what=f"fails on the sample of {scene.event_name}")
        return
    file = templates.file(scene.template, scene.locale)
    for hazard in hazards(html or ""):
        message = f"on the sample of {scene.event_name}: {hazard}"
        yield Problem(file=file, line=1, column=1, code="unsafe-message", message=message, hint="leave it out")
    if "contact" not in reads:
        return
    try:
        _render(templates, scene, _UNKNOWN, _LINKS)
    except RenderError as error:
        problem = _problem(error, code="unknown-contact", what="fails for a customer of whom only the address is known")
        yield replace(problem, severity=Severity.WARNING)


def _problem(error: RenderError, *, code: str, what: str) -> Problem:
    message = f"{what}: {error.detail}"
    return Problem(file=error.file, line=max(1, error.line), column=1, code=code, message=message, hint=error.hint)


def _render(templates: TemplateSet, scene: _Scene, contact: Contact, links: Links) -> str | None:
    context = template_context(scene.view, scene.brand, contact, links)
    return templates.render(scene.template, locales=[scene.locale], context=context).html


def _is_sent(rules: RuleSet, scene: _Scene, uses: Sequence[_Use]) -> bool:
    """Say whether a rule that uses the template matches the sample, so that the failure would be met."""
    event = Event()
    event.CopyFrom(scene.event)
    event.org_id = scene.brand.org_id
    decision = decide(rules, event, now=event.created_at, event_id="rehearsal")
    matching = {match.rule_id for match in decision.matches}
    return any(use.rule.id in matching for use in uses)
