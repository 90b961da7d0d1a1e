"""Why nothing came of a rule, in words, for the reader of a failed case."""

import json
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from tidings.events import event_name, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import Expression, Trace, trace
from tidings.rules import Decision, Rule, RuleSet

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = 120


def why_nothing(rules: RuleSet, rule_id: str, event: Event, decision: Decision, *, now: int) -> str:
    """Say why a rule sent nothing, or no more than it did, on an event."""
    rule = rules.rule(rule_id)
    if rule is None:
        return "there is no such rule"
    if any(match.rule_id == rule_id and match.mode == "shadow" for match in decision.matches):
        return "the rule applies, but its mode is shadow: it sends nothing"
    if any(match.rule_id == rule_id for match in decision.matches):
        return "the rule applies, but sends no further one of this kind"
    return _why_no_match(rules, rule, event, now=now)


def _why_no_match(rules: RuleSet, rule: Rule, event: Event, *, now: int) -> str:
    brand = rules.brands.get(event.org_id)
    name = event_name(event)
    if rule.mode == "off":
        return "the rule's mode is off"
    if brand is None:
        return f"organisation {event.org_id} has no brand"
    if name not in rule.events:
        return f"the rule is for {' and '.join(rule.events)}, and the event is {name}"
    if rule.orgs is not None and event.org_id not in rule.orgs:
        return f"the rule is not for organisation {event.org_id}"
    if rule.when is None:
        return "the rule does not apply"
    return _why_not_true(rule.when, event, now=now, zone=brand.time_zone)


def _why_not_true(when: Expression, event: Event, *, now: int, zone: tzinfo) -> str:
    decided = trace(when, native_view(event), now=now, zone=zone).decided_by
    said = f"{_text(when, decided)} is {_shown(decided.value)}"
    parts = [part for part in decided.children if part.kind.value != "literal"]
    values = [f"{_text(when, part)} is {_shown(part.value)}" for part in parts]
    return f"its condition is not true: {said}" + (f", as {' and '.join(values)}" if values else "")


def _text(expression: Expression, part: Trace) -> str:
    return expression.text[part.offset : part.offset + part.length]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def at(milliseconds: int) -> str:
    """Write epoch milliseconds for people: ISO 8601 in UTC, without a fraction of zero."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds").replace("+00:00", "Z")
