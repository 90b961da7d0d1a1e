"""Which waiting messages an event makes pointless."""

from dataclasses import dataclass

from tidings.events import customer_id, event_name
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import EvaluationError, Expression
from tidings.rules.deciding import RuleFailure
from tidings.rules.ruleset import Rule, RuleSet
from tidings.rules.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Rules whose waiting messages to a customer are to be called off."""

    customer_id: str = ""
    rule_ids: tuple[str, ...] = ()
    failures: tuple[RuleFailure, ...] = ()
    """Rules whose ``cancel_on`` could not be evaluated on the event; they call nothing off."""


NOTHING = Revocation()


def revocation(ruleset: RuleSet, event: Event, *, now: int) -> Revocation:
    """Say which rules name the event in ``cancel_on``, for the customer it concerns; whatever their mode.

    Costs one look into a mapping where none does.
    """
    named = ruleset.cancelled_by.get(event_name(event))
    brand = ruleset.brands.get(event.org_id)
    customer = customer_id(event) if named and brand is not None else None
    if not named or brand is None or not customer:
        return NOTHING
    subject = Subject(event, named.bound, now=now, zone=brand.time_zone)
    found: dict[str, None] = {}
    failures: list[RuleFailure] = []
    for rule, when in named.rules:
        try:
            if _is_for(rule, event) and _holds(when, subject):
                found[rule.id] = None
        except EvaluationError as error:
            failures.append(RuleFailure(rule_id=rule.id, error=f"cancel_on: {error}"))
    return Revocation(customer_id=customer, rule_ids=tuple(found), failures=tuple(failures))


def _is_for(rule: Rule, event: Event) -> bool:
    return rule.orgs is None or event.org_id in rule.orgs


def _holds(when: Expression | None, subject: Subject) -> bool:
    return when is None or subject.search(when) is True
