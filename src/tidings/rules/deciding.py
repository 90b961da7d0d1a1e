"""Which notifications an event calls for.

A decision depends on the event, the rules and the time given, and on nothing else. A rule that fails on an event is
noted and stops no other.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, NamedTuple

from tidings.events import Facts, customer_id, customer_of, facts_of
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import EvaluationError, Expression
from tidings.model import Brand, PlannedDelivery
from tidings.rules.planning import deliveries, due, expiry, routes
from tidings.rules.ruleset import Rule, RuleSet
from tidings.rules.subject import Subject

_new: Final = tuple.__new__


class Match(NamedTuple):
    """A rule that applies to the event."""

    rule_id: str
    mode: Literal["live", "shadow"]
    deliveries: tuple[PlannedDelivery, ...]
    """What it sends; nothing in shadow mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailure:
    """A rule, or one of its actions, that could not be evaluated on the event."""

    rule_id: str
    error: str


class Decision(NamedTuple):
    """What a rule set says of an event. Both parts are in the order of the rules."""

    matches: tuple[Match, ...] = ()
    failures: tuple[RuleFailure, ...] = ()

    @property
    def deliveries(self) -> tuple[PlannedDelivery, ...]:
        """Everything to send."""
        if len(self.matches) == 1:  # mostly
            return self.matches[0].deliveries
        return tuple([delivery for match in self.matches for delivery in match.deliveries])


NOTHING = Decision()


def decide(
    ruleset: RuleSet,
    event: Event,
    *,
    now: int,
    event_id: str,
    everyone: bool = False,
    facts: Facts | None = None,
) -> Decision:
    """Say which rules apply to an event and what they send.

    An organisation without a brand has nothing to send as: no rule applies to it. An ``expires_at`` or a recipient
    that cannot be worked out is a failure of the rule; a rule whose condition or expiry fails does not match.

    Args:
        ruleset: the rules and brands.
        event: what happened; it need not carry its id.
        now: epoch milliseconds, what ``now()`` is and when deliveries are due.
        event_id: the id that deliveries are derived from.
        everyone: take every customer into rollouts, as tests of rules do.
        facts: what is known of the event, for those who have looked.
    """
    org_id, _, name, data, _ = facts = facts_of(event) if facts is None else facts
    index = ruleset.index.get(name)
    if index is None:
        return NOTHING
    glance = index.glance
    if glance is not None and data is not None and glance(org_id, event, data):
        return NOTHING
    brand = ruleset.brands.get(org_id)
    if brand is None:
        return NOTHING
    subject = Subject(event, index.bound, now=now, zone=brand.time_zone, is_modelled=data is not None)
    candidates = index.candidates(org_id, subject)
    if not candidates:
        return NOTHING
    decider = _Decider(ruleset, event, facts, brand, subject, now=now, event_id=event_id, everyone=everyone)
    for _, rule in candidates:
        decider.consider(rule)
    return _new(Decision, (tuple(decider.matches), tuple(decider.failures)))


def is_in_rollout(rule: Rule, event: Event, event_id: str) -> bool:
    """Say whether a rule is for the event's customer; of events without a customer it takes the same share."""
    rollout = rule.timing.rollout
    return rollout is None or rollout.includes(event.org_id, customer_id(event) or event_id)


class _Decider:
    """One decision under way."""

    __slots__ = (
        "_brand", "_event", "_event_id", "_everyone", "_facts", "_now", "_ruleset", "_subject", "failures", "matches",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 (all that one decision is made of)
        self,
        ruleset: RuleSet,
        event: Event,
        facts: Facts,
        brand: Brand,
        subject: Subject,
        *,
        now: int,
        event_id: str,
        everyone: bool,
    ) -> None:
        self._ruleset = ruleset
        self._event = event
        self._facts = facts
        self._brand = brand
        self._now = now
        self._event_id = event_id
        self._everyone = everyone
        self._subject = subject
        self.matches: list[Match] = []
        self.failures: list[RuleFailure] = []

    def consider(self, rule: Rule) -> None:
        """Add the rule to the matches if it applies, to the failures if that cannot be told."""
        try:
            if rule.when is not None and self._subject.search(rule.when) is not True:
                return
            if self._everyone or is_in_rollout(rule, self._event, self._event_id):
                self._match(rule)
        except EvaluationError as error:
            self._fail(rule, str(error))

    def _match(self, rule: Rule) -> None:
        if rule.mode == "shadow":
            self.matches.append(Match(rule_id=rule.id, mode="shadow", deliveries=()))
            return
        throttle = rule.timing.throttle
        if throttle is not None and isinstance(throttle.by, Expression):
            self._subject.search(throttle.by)  # what cannot be counted fails here, not when it is to be sent
        search, zone = self._subject.search, self._brand.time_zone
        customer = self._facts.customer or customer_of(self._event, self._facts)
        due_at = due(rule, search, zone, now=self._now)
        expires_at = expiry(rule, search, zone)
        found = routes(self._ruleset, rule, self._brand)
        if found is not None:
            planned = tuple([each.plan(self._event_id, customer, due_at, expires_at) for each in found])
        else:
            planned = tuple(
                deliveries(
                    rule,
                    self._brand,
                    search,
                    event_id=self._event_id,
                    customer=customer,
                    due_at=due_at,
                    expires_at=expires_at,
                    failed=partial(self._fail, rule),
                )
            )
        self.matches.append(_new(Match, (rule.id, "live", planned)))

    def _fail(self, rule: Rule, error: str) -> None:
        self.failures.append(RuleFailure(rule_id=rule.id, error=error))
