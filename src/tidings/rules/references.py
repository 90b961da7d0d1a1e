"""Whether what a rule names is there: events, organisations, templates, endpoints."""

from collections.abc import Collection, Iterable

from tidings.documents import Document, Path, Report, did_you_mean
from tidings.events import catalog
from tidings.model import Brand
from tidings.rules.brands import Brands
from tidings.rules.reading_timing import cancel_items
from tidings.rules.shapes import ActionShape, EmailShape, RuleShape, WebhookShape

_MOST_NAMED = 5
"""How many organisations or templates one message names."""


class References:
    """Checks the names in rules against the brands, templates and events there are."""

    def __init__(self, brands: Brands, templates: Collection[str] | None) -> None:
        self._brands = brands
        self._templates = templates
        self._events = [event.name for event in catalog()]
        self._known_events = frozenset(self._events)

    def check(self, document: Document, path: Path, rule: RuleShape, report: Report) -> None:
        """Report every name in a rule that names nothing."""
        self._check_events(document, path, rule, report)
        self._check_cancel_on(document, path, rule, report)
        self._check_orgs(document, path, rule, report)
        brands = self._brands_of(rule)
        for position, action in enumerate(rule.notify):
            if action is not None:
                self._check_action(document, (*path, "notify", position), action, brands, report)

    def _check_events(self, document: Document, path: Path, rule: RuleShape, report: Report) -> None:
        is_list = not isinstance(rule.event, str)
        for position, name in enumerate(rule.events):
            at: Path = (*path, "event", position) if is_list else (*path, "event")
            self._check_event(document, at, name, report)

    def _check_cancel_on(self, document: Document, path: Path, rule: RuleShape, report: Report) -> None:
        for within, item in cancel_items(rule):
            if isinstance(item, str):
                self._check_event(document, (*path, *within), item, report)
            else:
                self._check_event(document, (*path, *within, "event"), item.event, report)

    def _check_event(self, document: Document, at: Path, name: str, report: Report) -> None:
        if name not in self._known_events:
            known = catalog().find(name)
            hint = f"did you mean {known.name!r}?" if known else did_you_mean(name, self._events)
            message = f"there is no event {name!r}"
            hint = hint or "tidings catalog lists the events"
            report(document.problem(at, code="unknown-event", message=message, hint=hint))

    def _check_orgs(self, document: Document, path: Path, rule: RuleShape, report: Report) -> None:
        if not self._brands.complete:
            return
        for position, org in enumerate(rule.orgs or ()):
            if org not in self._brands.named:
                message = f"organisation {org} has no brand"
                hint = "describe it in brands/"
                report(document.problem((*path, "orgs", position), code="unknown-brand", message=message, hint=hint))

    def _brands_of(self, rule: RuleShape) -> list[Brand]:
        """Return the brands that a rule is for, as far as they are sound."""
        valid = self._brands.valid
        return list(valid.values()) if rule.orgs is None else [valid[org] for org in rule.orgs if org in valid]

    def _check_action(
        self, document: Document, path: Path, action: ActionShape, brands: list[Brand], report: Report
    ) -> None:
        if action.email is not None:
            self._check_email(document, (*path, "email"), action.email, brands, report)
        if action.webhook is not None:
            _check_webhook(document, (*path, "webhook"), action.webhook, brands, report)

    def _check_email(
        self, document: Document, path: Path, email: EmailShape, brands: list[Brand], report: Report
    ) -> None:
        if self._templates is not None and email.template not in self._templates:
            hint = did_you_mean(email.template, self._templates) or _listing("the templates are", self._templates)
            message = f"there is no template {email.template!r}"
            report(document.problem((*path, "template"), code="unknown-template", message=message, hint=hint))
        without = [brand.org_id for brand in brands if not brand.alerts_to]
        if email.to == "brand" and without:
            message = f"{_organisations(without)} no alerts_to that an e-mail to the brand could go to"
            hint = "add alerts_to to the brand"
            report(document.problem((*path, "to"), code="no-alert-addresses", message=message, hint=hint))


def _check_webhook(document: Document, path: Path, webhook: WebhookShape, brands: list[Brand], report: Report) -> None:
    at: Path = (*path, "to")
    if webhook.to == "all":
        without = [brand.org_id for brand in brands if not brand.endpoints]
        if without:
            message = f"{_organisations(without)} no endpoints"
            report(document.problem(at, code="no-endpoints", message=message, hint="add endpoints to the brand"))
        return
    without = [brand.org_id for brand in brands if brand.endpoint(webhook.to) is None]
    if without:
        names = {endpoint.name for brand in brands for endpoint in brand.endpoints}
        near = "" if webhook.to in names else did_you_mean(webhook.to, names)
        hint = near or "add it to the brand, or name the rule's orgs"
        message = f"{_organisations(without)} no endpoint {webhook.to!r}"
        report(document.problem(at, code="unknown-endpoint", message=message, hint=hint))


def _organisations(orgs: list[int]) -> str:
    names = ", ".join(str(org) for org in orgs[:_MOST_NAMED])
    more = f" and {len(orgs) - _MOST_NAMED} more" if len(orgs) > _MOST_NAMED else ""
    return f"organisation {names} has" if len(orgs) == 1 else f"organisations {names}{more} have"


def _listing(words: str, names: Iterable[str]) -> str:
    found = sorted(names)
    if not found:
        return "add it to templates/"
    return f"{words} {', '.join(found[:_MOST_NAMED])}" + (" and others" if len(found) > _MOST_NAMED else "")
