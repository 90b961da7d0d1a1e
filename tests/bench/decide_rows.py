"""Deciding, beside MessageToDict and the reference jmespath asked rule by rule."""

import gc
import statistics
from collections.abc import Callable, Sequence

import jmespath
from google.protobuf.json_format import MessageToDict
from measuring import Row, compared, in_turn, rate
from rulebooks import ORG, conditions, rulebook

from tidings.events import convert_one, event_name, sample
from tidings.events.v1.event_pb2 import Event
from tidings.rules import decide as decide_event

_SECONDS = 0.4
_NOW = 1_700_000_000_000
_MATCHES = 2
_SIZES = (10, 100, 1_000, 10_000)
_GOAL_SIZE = 1_000
_GROWTH_GOAL = 1.5


def decide() -> Sequence[Row]:
    """Compare at each size, both sides asserted to match the same two rules."""
    event = convert_one(sample("pointsExpiryReminder")).event
    event.org_id = ORG
    rows = [_compare(count, event, _peer_asking_all) for count in _SIZES]
    return [*rows, _compare(_GOAL_SIZE, event, _peer_asking_by_event, goal=None)]


def decide_growth() -> Sequence[Row]:
    """Compare ten thousand rules with ten, the matches being equal."""
    event = convert_one(sample("pointsExpiryReminder")).event
    small, large = (_ours(count, event) for count in (_SIZES[0], _SIZES[-1]))
    ours, peer = in_turn(large, small)
    slower = sorted(few / many for many, few in zip(ours, peer, strict=True))
    ratio = statistics.median(slower)
    return [
        Row(
            row="decide-growth",
            ours=statistics.median(ours),
            peer=statistics.median(peer),
            unit="events/s",
            ratio=ratio,
            goal=f"≤ {_GROWTH_GOAL:g}",
            met=ratio <= _GROWTH_GOAL,
            spread=f"{slower[0]:.2f} to {slower[-1]:.2f}",
            note="10,000 rules; peer: ours with 10; ratio: times slower",
        )
    ]


def _compare(
    count: int,
    event: Event,
    peer: Callable[[int, Event], Callable[[], float]],
    *,
    goal: float | None = 100.0,
) -> Row:
    aimed = goal if count == _GOAL_SIZE else None
    ours, theirs = in_turn(_ours(count, event), peer(count, event))
    note = f"{count:,} rules; peer: {(peer.__doc__ or '').rstrip('.')}"
    return compared("decide", ours, theirs, unit="events/s", goal=aimed, note=note)


def _ours(count: int, event: Event) -> Callable[[], float]:
    rules = rulebook(count).rules
    gc.collect()
    gc.freeze()
    matched = len(decide_event(rules, event, now=_NOW, event_id="e").matches)
    if matched != _MATCHES:
        raise AssertionError(f"{matched} rules of {count} matched, not {_MATCHES}")

    def fifty() -> int:
        for _ in range(50):
            decide_event(rules, event, now=_NOW, event_id="e")
        return 50

    return lambda: rate(fifty, seconds=_SECONDS)


def _peer_asking_all(count: int, event: Event) -> Callable[[], float]:
    """MessageToDict and jmespath on every rule."""
    return _peer([f"eventName == '{name}' && ({_as_text(condition)})" for name, condition in conditions(count)], event)


def _peer_asking_by_event(count: int, event: Event) -> Callable[[], float]:
    """MessageToDict and jmespath on the rules of the event's name."""
    own = event_name(event)
    return _peer([_as_text(condition) for name, condition in conditions(count) if name == own], event)


def _peer(texts: Sequence[str], event: Event) -> Callable[[], float]:
    expressions = [jmespath.compile(text) for text in texts]
    name = event_name(event)

    def once() -> int:
        document = MessageToDict(event)
        document["eventName"], document["data"] = name, document[name]
        matched = sum(expression.search(document) is True for expression in expressions)
        if matched != _MATCHES:
            raise AssertionError(f"the peer matched {matched} rules, not {_MATCHES}")
        return 1

    return lambda: rate(once, seconds=_SECONDS)


def _as_text(condition: str) -> str:
    """Quote the integer literals: MessageToDict writes the 64-bit integers they are compared with as text."""
    for name in ("loyaltyProgramId", "orgId"):
        head, found, tail = condition.partition(f"{name} == `")
        if found:
            number, _, rest = tail.partition("`")
            condition = f"{head}{name} == '{number}'{rest}"
    return condition
