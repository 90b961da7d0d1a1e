"""Rules as compiled: frozen values that deciding, composing and explaining read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from tidings.expressions import Expression
from tidings.model import SERVICE, Brand
from tidings.rules.index import EventIndex
from tidings.rules.pace import Pace, unhurried
from tidings.rules.routes import AnyRoute
from tidings.rules.subject import BoundExpressions
from tidings.rules.timing import Timing

Mode = Literal["live", "shadow", "off"]

CompiledBody = Mapping[str, "Expression | CompiledBody"]
"""Data of a webhook: keys with expressions, nested as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailAction:
    """An e-mail to send."""

    to: str | Expression
    """``customer``, ``brand``, a literal address, or where the addresses stand in the event."""
    template: str

    @property
    def asks_consent(self) -> bool:
        """Whether its reader is somebody the event concerns: not the brand, and nobody the rule itself names."""
        return not isinstance(self.to, str) or self.to == "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAction:
    """A webhook to send."""

    to: str
    """An endpoint's name, or ``all``."""
    type: str | None = None
    body: CompiledBody | None = None


Action = EmailAction | WebhookAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which event, on which condition, notifies whom by what."""

    id: str
    description: str
    events: tuple[str, ...]
    orgs: frozenset[int] | None
    """None: every brand."""
    when: Expression | None
    """None: always."""
    mode: Mode
    category: str
    expires_at: Expression | None
    actions: tuple[Action, ...]
    file: str
    line: int
    """Where the rule stands."""
    retry: tuple[int, ...] | None = None
    """Pauses between attempts, milliseconds; None: the endpoint's, or the channel's."""
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What an event calls off."""

    bound: BoundExpressions
    """The conditions, compiled for this event's message."""
    rules: tuple[tuple[Rule, Expression | None], ...]
    """Rules, each with its condition or None for always, in their order."""


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules and brands of a rulebook."""

    rules: tuple[Rule, ...]
    """In order of file and place, which is the order of matches in a decision."""
    brands: Mapping[int, Brand] = field(default_factory=lambda: MappingProxyType({}))
    """By organisation."""

    @cached_property
    def index(self) -> Mapping[str, EventIndex[Rule]]:
        """Rules that are not off, by event name and arranged for finding."""
        return _arrange(self.rules, unhurried)

    def arrange(self, pace: Pace) -> None:
        """Build the index now, rather than while the first event waits."""
        self.__dict__["index"] = _arrange(self.rules, pace)

    @cached_property
    def _bound(self) -> dict[str, BoundExpressions]:
        return {}

    def bound(self, event_name: str) -> BoundExpressions:
        """Return the expressions bound to events of a name so far; it must be a name that a rule has."""
        found = self._bound.get(event_name)
        return self._bound.setdefault(event_name, BoundExpressions(event_name)) if found is None else found

    @cached_property
    def routes(self) -> dict[tuple[str, int], tuple[AnyRoute, ...] | None]:
        """Where rules go, by rule and organisation, as far as planning has met them; None: each event has a say."""
        return {}

    @cached_property
    def cancelled_by(self) -> Mapping[str, Cancelled]:
        """Rules whose waiting messages an event calls off, by its name."""
        found: dict[str, list[tuple[Rule, Expression | None]]] = {}
        for rule in self.rules:
            for each in rule.timing.cancel_on:
                found.setdefault(each.event, []).append((rule, each.when))
        return {name: Cancelled(BoundExpressions(name), tuple(rules)) for name, rules in found.items()}

    @cached_property
    def _by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule of that id, or None."""
        return self._by_id.get(rule_id)

    def categories_of(self, brand: Brand) -> tuple[str, ...]:
        """Return the categories of which a brand's customers may get e-mails and need none: those it names first."""
        used = {
            rule.category
            for rule in self.rules_for(brand.org_id)
            if rule.mode != "off" and any(isinstance(each, EmailAction) and each.asks_consent for each in rule.actions)
        } - {SERVICE}
        named = tuple(each for each in brand.categories if each in used)
        return (*named, *sorted(used.difference(named)))

    def rules_for(self, org_id: int) -> Iterable[Rule]:
        """Yield the rules that apply to an organisation, whatever their mode; none without a brand."""
        if org_id in self.brands:
            yield from (rule for rule in self.rules if rule.orgs is None or org_id in rule.orgs)


def _arrange(rules: Iterable[Rule], pace: Pace) -> Mapping[str, EventIndex[Rule]]:
    by_event: dict[str, list[tuple[int, Rule]]] = {}
    for position, rule in enumerate(rules):
        if rule.mode != "off":
            for name in dict.fromkeys(rule.events):
                by_event.setdefault(name, []).append((position, rule))
    index = {}
    for name, of_event in by_event.items():
        index[name] = EventIndex(name, of_event)
        pace()
    return index
