"""What a rule that applies sends, to whom, until when."""

from collections.abc import Callable, Iterator
from datetime import time, tzinfo
from typing import Any, Final

from tidings.expressions import EvaluationError, Expression
from tidings.expressions.errors import Fault
from tidings.expressions.moments import DATE, moment
from tidings.model import Brand, Channel, DeliveryIds, PlannedDelivery, Recipient, RecipientKind, delivery_id
from tidings.rules.forms import is_address
from tidings.rules.gathering import gathered
from tidings.rules.hours import next_time
from tidings.rules.routes import AnyRoute, CustomerRoute, Route
from tidings.rules.ruleset import Action, EmailAction, Rule, RuleSet, WebhookAction

_MOST_ROUTES: Final = 10_000
"""Of how many rules and organisations routes are kept."""

Evaluate = Callable[[Expression], Any]
"""Evaluates an expression on the event of the decision."""


def expiry(rule: Rule, evaluate: Evaluate, zone: tzinfo) -> int | None:
    """Return until when the rule's messages may be sent, or None for always; raise EvaluationError."""
    if rule.expires_at is None:
        return None
    value = evaluate(rule.expires_at)
    try:
        return None if value is None else moment("expires_at", value, zone)
    except Fault as fault:
        raise fault.error(fault.message, hint=fault.hint) from None


def due(rule: Rule, evaluate: Evaluate, zone: tzinfo, *, now: int) -> int:
    """Return when the rule's messages may go at the earliest, of those decided ``now``; raise EvaluationError.

    A time of day is not reckoned in: it depends on whom a message goes to. A date means its first moment.
    """
    earliest = now + rule.timing.delay
    if not isinstance(rule.timing.send_at, Expression):
        return earliest
    value = evaluate(rule.timing.send_at)
    if isinstance(value, str) and DATE.fullmatch(value.strip()):
        value = f"{value.strip()} 00:00"
    try:
        return earliest if value is None else max(earliest, moment("send_at", value, zone))
    except Fault as fault:
        raise fault.error(fault.message, hint=fault.hint) from None


def routes(ruleset: RuleSet, rule: Rule, brand: Brand) -> tuple[AnyRoute, ...] | None:
    """Return where a rule goes for a brand, whatever the event; None where that is to be asked of ``deliveries``."""
    kept, key = ruleset.routes, (rule.id, brand.org_id)
    try:
        return kept[key]
    except KeyError:
        if len(kept) >= _MOST_ROUTES:
            kept.clear()
        found = kept[key] = _routes(rule, brand)
        return found


def _routes(rule: Rule, brand: Brand) -> tuple[AnyRoute, ...] | None:
    timing = rule.timing
    if timing.digest is not None or isinstance(timing.send_at, time):
        return None
    found: list[AnyRoute] = []
    for position, action in enumerate(rule.actions):
        is_revocable = bool(timing.cancel_on)
        if action.to == "customer" and isinstance(action, EmailAction):
            found.append(CustomerRoute(brand.org_id, rule.id, position, is_revocable))
            continue
        recipients = _standing(action, brand)
        if not recipients or None in recipients:  # what is wrong with it, each decision tells
            return None
        channel = Channel.EMAIL if isinstance(action, EmailAction) else Channel.WEBHOOK
        for recipient in dict.fromkeys(each for each in recipients if each is not None):
            ids = DeliveryIds.to(recipient, org_id=brand.org_id, rule_id=rule.id, action=position)
            lane = None if timing.is_later else _lanes(brand, recipient)
            found.append(Route(rule.id, position, channel, recipient, ids, lane, is_revocable))
    return tuple(found)


def _standing(action: Action, brand: Brand) -> list[Recipient | None]:
    """Return the recipients that an action has whatever the event; none where the event names them."""
    if isinstance(action, WebhookAction):
        return [*_endpoints(action, brand)]
    if isinstance(action.to, Expression):
        return []
    return [_by_address(each) for each in (brand.alerts_to if action.to == "brand" else (action.to,))]


def deliveries(  # noqa: PLR0913 (what a delivery is made of, by name)
    rule: Rule,
    brand: Brand,
    evaluate: Evaluate,
    *,
    event_id: str,
    customer: str | None,
    due_at: int,
    expires_at: int | None,
    failed: Callable[[str], None],
) -> Iterator[PlannedDelivery]:
    """Yield what a rule plans; an action without a recipient is told to ``failed`` and does not stop the others.

    Raises EvaluationError where it cannot be told what a digest gathers the event with.
    """
    digest = rule.timing.digest
    value = evaluate(digest.by) if digest is not None and isinstance(digest.by, Expression) else None
    for position, action in enumerate(rule.actions):
        channel = Channel.EMAIL if isinstance(action, EmailAction) else Channel.WEBHOOK
        try:
            recipients = _recipients(action, brand, evaluate, customer)
        except EvaluationError as error:
            failed(f"notify[{position}]: {error}")
            continue
        if problem := _shortfall(action, recipients):
            failed(f"notify[{position}]: {problem}")
        for recipient in dict.fromkeys(each for each in recipients if each is not None):
            planned = PlannedDelivery(
                delivery_id(
                    org_id=brand.org_id, event_id=event_id, rule_id=rule.id, action=position, recipient=recipient
                ),
                rule.id,
                position,
                channel,
                recipient,
                _due_for(rule, recipient, action, brand, due_at),
                customer,
                expires_at,
                None if rule.timing.is_later else _lane(brand, recipient, customer),
                bool(rule.timing.cancel_on),
            )
            yield planned if digest is None else gathered(planned, rule, digest, brand.time_zone, value)


def goes_to_customer(recipient: Recipient, action: Action) -> bool:
    """Say whether it is an e-mail to a customer: by the customer's id, or to an address that the event gives."""
    by_path = isinstance(action, EmailAction) and isinstance(action.to, Expression)
    return by_path or recipient.kind is RecipientKind.CUSTOMER


def _due_for(rule: Rule, recipient: Recipient, action: Action, brand: Brand, due_at: int) -> int:
    """Reckon the time of day in by the brand's clock; by a customer's, which may change, it is reckoned when due."""
    clock = rule.timing.send_at
    if not isinstance(clock, time) or goes_to_customer(recipient, action):
        return due_at
    return next_time(due_at, clock, brand.time_zone)


def _lane(brand: Brand, recipient: Recipient, customer: str | None) -> str | None:
    """Name the order a webhook stands in: that of its customer at its endpoint, where the endpoint wants one."""
    lanes = _lanes(brand, recipient) if customer else None
    return None if lanes is None else f"{lanes}{customer}"


def _lanes(brand: Brand, recipient: Recipient) -> str | None:
    """Return what the names of a recipient's lanes begin with, a customer's id follows; None: it has none."""
    endpoint = brand.endpoint(recipient.name) if recipient.kind is RecipientKind.ENDPOINT else None
    return None if endpoint is None or endpoint.ordering != "customer" else f"endpoint:{endpoint.name}/customer:"


def _shortfall(action: EmailAction | WebhookAction, recipients: list[Recipient | None]) -> str:
    """Say what is wrong with the recipients of an action; empty when nothing is."""
    if recipients and None not in recipients:
        return ""
    if isinstance(action, WebhookAction):
        return f"the brand has no endpoint for {action.to!r}"
    if isinstance(action.to, str):
        return "the brand has no alerts_to"
    return f"{action.to.text} gives {'something besides e-mail addresses' if recipients else 'no e-mail address'}"


def _recipients(
    action: EmailAction | WebhookAction, brand: Brand, evaluate: Evaluate, customer: str | None
) -> list[Recipient | None]:
    """Return the recipients of an action; None stands for something that is no address."""
    if isinstance(action, WebhookAction):
        return [*_endpoints(action, brand)]
    if action.to == "customer":
        return [Recipient(kind=RecipientKind.CUSTOMER, name=customer or "")]
    return [_by_address(each) for each in _addresses(action.to, brand, evaluate)]


def _endpoints(action: WebhookAction, brand: Brand) -> list[Recipient]:
    wanted = [each.name for each in brand.endpoints if action.to in ("all", each.name)]
    return [Recipient(kind=RecipientKind.ENDPOINT, name=name) for name in wanted]


def _addresses(to: str | Expression, brand: Brand, evaluate: Evaluate) -> list[Any]:
    if to == "brand":
        return list(brand.alerts_to)
    if isinstance(to, str):
        return [to]
    found = evaluate(to)
    listed = found if isinstance(found, list) else [found]
    return [each for each in listed if each is not None and each != ""]


def _by_address(found: Any) -> Recipient | None:
    address = found.strip() if isinstance(found, str) else ""
    return Recipient(kind=RecipientKind.ADDRESS, name=address) if is_address(address) else None
