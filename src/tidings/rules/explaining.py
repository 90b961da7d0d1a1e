"""Why each rule does, or does not, apply to an event.

What applies is ``decide``'s word; here it is told part by part, from a trace of the condition. For people and on
request only: it costs some hundred times what deciding does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from tidings.errors import NotFound
from tidings.events import customer_id, event_name, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import EvaluationError, Expression, Trace, trace
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.values import is_true
from tidings.model import Brand, PlannedDelivery
from tidings.rules.deciding import Decision, decide
from tidings.rules.planning import expiry
from tidings.rules.ruleset import Rule, RuleSet

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LISTED: Final = 5
"""How many organisations a reason lists."""


class Verdict(StrEnum):
    """What a rule says of an event."""

    MATCHED = "matched"
    NOT_TRUE = "not_true"
    """Its condition gives something besides true."""
    FAILED = "failed"
    """Its condition, or its ``expires_at``, cannot be evaluated on this event."""
    LEFT_OUT = "left_out"
    """It would apply, but its rollout leaves the customer out."""
    OFF = "off"
    OTHER_EVENT = "other_event"
    OTHER_ORGANISATION = "other_organisation"
    NO_BRAND = "no_brand"
    """The event's organisation has no brand in the rulebook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a condition, with the values that made its own."""

    text: str
    offset: int
    """Where it stands in the condition, in characters."""
    value: Any = None
    error: str = ""
    operands: tuple[tuple[str, Any], ...] = ()
    """Of a comparison or a call: what it was made on, as written, and its value. Literals are left out."""

    def __str__(self) -> str:
        told = cut(" ".join(self.text.split()), 200)
        operands = f" with {' and '.join(brief(value) for _, value in self.operands)}" if self.operands else ""
        if self.error:
            return f"{told}{operands}: {self.error}"
        is_plain = self.value is False and self.operands
        return f"{told}{operands}" if is_plain else f"{told} is {brief(self.value)}{operands}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExplanation:
    """What one rule says of an event, and why."""

    rule: Rule
    verdict: Verdict
    reason: str
    """In one sentence."""
    trace: Trace | None = None
    """Every part of the condition with its value; None when there is none or it was not reached."""
    decided_by: Part | None = None
    """The smallest part that decided what the condition came to."""
    near_miss: Part | None = None
    """The only conjunct that kept a condition of several from being true."""
    deliveries: tuple[PlannedDelivery, ...] = ()
    """What it sends; nothing in shadow mode."""
    failures: tuple[str, ...] = ()
    """What could not be evaluated; a rule whose action fails may match all the same."""
    expires_at: int | None = None

    @property
    def matched(self) -> bool:
        """Whether the rule applies."""
        return self.verdict is Verdict.MATCHED


def explain(
    ruleset: RuleSet, event: Event, *, now: int, event_id: str, rule_id: str | None = None
) -> tuple[RuleExplanation, ...]:
    """Say what every rule that names the event says of it, in their order; with ``rule_id``, what that rule says.

    The other arguments are those of ``decide``, and what matches, what is sent and what fails is what it says.

    Raises:
        NotFound: there is no such rule.
    """
    name = event_name(event)
    rules = [rule for rule in ruleset.rules if name in rule.events] if rule_id is None else [_named(ruleset, rule_id)]
    decision = decide(ruleset, event, now=now, event_id=event_id)
    explainer = _Explainer(event, ruleset.brands.get(event.org_id), decision, now=now, event_id=event_id)
    return tuple(explainer.explain(rule) for rule in rules)


def _named(ruleset: RuleSet, rule_id: str) -> Rule:
    rule = ruleset.rule(rule_id)
    if rule is None:
        raise NotFound("rule", rule_id)
    return rule


class _Explainer:
    """The explanations of one event."""

    def __init__(self, event: Event, brand: Brand | None, decision: Decision, *, now: int, event_id: str) -> None:
        who = customer_id(event)
        self._who = f"customer {who}" if who else f"event {event_id}, which names no customer,"
        self._name = event_name(event)
        self._org = event.org_id
        self._view = native_view(event)
        self._brand = brand
        self._now = now
        self._matches = {match.rule_id: match for match in decision.matches}
        self._failures: dict[str, list[str]] = {}
        for failure in decision.failures:
            self._failures.setdefault(failure.rule_id, []).append(failure.error)

    def explain(self, rule: Rule) -> RuleExplanation:
        """Tell of one rule."""
        if self._name not in rule.events:
            reason = f"another event: it is for {_some(rule.events)}"
            return RuleExplanation(rule=rule, verdict=Verdict.OTHER_EVENT, reason=reason)
        if self._brand is None:
            reason = f"organisation {self._org} has no brand in this rulebook"
            return RuleExplanation(rule=rule, verdict=Verdict.NO_BRAND, reason=reason)
        if rule.orgs is not None and self._org not in rule.orgs:
            reason = f"another organisation: it applies to {_some(sorted(rule.orgs))}"
            return RuleExplanation(rule=rule, verdict=Verdict.OTHER_ORGANISATION, reason=reason)
        if rule.mode == "off":
            return RuleExplanation(rule=rule, verdict=Verdict.OFF, reason="mode is off")
        return self._evaluated(rule, self._brand)

    def _evaluated(self, rule: Rule, brand: Brand) -> RuleExplanation:
        told = trace(rule.when, self._view, now=self._now, zone=brand.time_zone) if rule.when else None
        decided = _part(rule.when, told.decided_by) if rule.when and told else None
        match = self._matches.get(rule.id)
        failures = tuple(self._failures.get(rule.id, ()))
        verdict = Verdict.MATCHED if match else Verdict.FAILED if failures else Verdict.NOT_TRUE
        if verdict is Verdict.NOT_TRUE and (told is None or told.value is True):
            verdict = Verdict.LEFT_OUT  # a condition that holds and no match: nothing else can be in the way
        near = self._near_miss(rule.when, brand) if verdict is Verdict.NOT_TRUE and rule.when else None
        expires_at = self._expires_at(rule, brand)
        deliveries = match.deliveries if match else ()
        return RuleExplanation(
            rule=rule,
            verdict=verdict,
            reason=self._matched(rule, deliveries, failures, expires_at)
            if match
            else f"it would apply, but {_share(rule)} leaves {self._who} out"
            if verdict is Verdict.LEFT_OUT
            else _not_matched(told, decided, near, failures),
            trace=told,
            decided_by=decided,
            near_miss=near,
            deliveries=deliveries,
            failures=failures,
            expires_at=expires_at,
        )

    def _expires_at(self, rule: Rule, brand: Brand) -> int | None:
        try:
            return expiry(
                rule, lambda each: each.search(self._view, now=self._now, zone=brand.time_zone), brand.time_zone
            )
        except EvaluationError:
            return None  # a failure of the rule, and told as such

    def _near_miss(self, when: Expression, brand: Brand) -> Part | None:
        """Return the one conjunct of several that does not hold, evaluating those too that were not needed."""
        conjuncts = list(_conjuncts(when.root))
        traces = [trace(_Rooted(each), self._view, now=self._now, zone=brand.time_zone) for each in conjuncts]
        missing = [each for each in traces[:-1] if each.error is not None or not is_true(each.value)]
        missing += [each for each in traces[-1:] if each.value is not True]
        return _part(when, missing[0]) if len(missing) == 1 < len(conjuncts) else None

    def _matched(
        self, rule: Rule, deliveries: Sequence[PlannedDelivery], failures: Sequence[str], expires_at: int | None
    ) -> str:
        sends = f"sends {len(deliveries)} {'delivery' if len(deliveries) == 1 else 'deliveries'}"
        said = ["matched", "shadow mode sends nothing" if rule.mode == "shadow" else sends, *failures]
        if rule.timing.rollout is not None:
            said.append(f"{_share(rule)} takes {self._who} in")
        if rule.timing.digest is not None and deliveries:
            until = max(each.due_at for each in deliveries)
            said.append(
                f"gathered into a digest ({rule.timing.digest.text}), which goes at {iso(until)} by the brand's clock "
                "if it begins with this event"
            )
        if expires_at is not None and expires_at <= self._now:
            said.append(f"expires_at ({iso(expires_at)}) had passed when it was decided, so nothing is sent")
        return "; ".join(said)


@dataclass(frozen=True, slots=True)
class _Rooted:
    """A part of an expression, to be traced by itself."""

    root: Node


def _conjuncts(node: Node) -> Iterator[Node]:
    if node.kind is Kind.AND:
        for child in node.children:
            yield from _conjuncts(child)
    else:
        yield node


def _part(when: Expression, told: Trace) -> Part:
    operands = told.children if told.kind in (Kind.COMPARE, Kind.CALL) else ()
    return Part(
        text=_text(when, told),
        offset=told.offset,
        value=told.value,
        error=str(told.error) if told.error else "",
        operands=tuple(
            (_text(when, each), each.value) for each in operands if each.kind is not Kind.LITERAL and each.error is None
        ),
    )


def _text(when: Expression, told: Trace) -> str:
    return when.text[told.offset : told.offset + told.length]


def _not_matched(told: Trace | None, decided: Part | None, near: Part | None, failures: Sequence[str]) -> str:
    if failures:
        at_part = decided is not None and decided.error
        return f"failed: {decided if at_part else '; '.join(failures)}"
    if near is not None:
        return f"near miss: all of the condition holds but {near}"
    if told is not None and is_true(told.value):
        return f"the condition gives {brief(told.value)}, and only true is a match"
    return f"the condition is not true: {decided}"


def _share(rule: Rule) -> str:
    rollout = rule.timing.rollout
    return "its rollout" if rollout is None else f"its rollout of {rollout.percent:g} %"


def _some(names: Sequence[object]) -> str:
    listed = ", ".join(str(each) for each in names[:_LISTED])
    return f"{listed} and {len(names) - _LISTED} more" if len(names) > _LISTED else listed


def brief(value: Any, *, limit: int = 80) -> str:
    """Write a value as JSON, cut to a length; what is beyond it is not even written."""
    written: list[str] = []
    length = 0
    for piece in json.JSONEncoder(ensure_ascii=False, default=lambda _: "an expression").iterencode(value):
        written.append(piece[: limit + 1])
        length += len(piece)
        if length > limit:
            break
    return cut("".join(written), limit)


def cut(text: str, limit: int) -> str:
    """Shorten a text to ``limit`` characters, the last of which tells that it was."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def iso(milliseconds: int) -> str:
    """Write epoch milliseconds as a time in UTC, or as they are where no calendar reaches."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
