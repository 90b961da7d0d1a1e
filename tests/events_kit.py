"""What the tests of events share: the published payloads, leaves of JSON, and ways to spoil a payload."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from tidings.events import MAX_EVENT_BYTES, MAX_EVENT_ID, catalog, convert_one, samples, to_vendor_json
from tidings.events.v1.event_pb2 import Event, GenericEvent, UnmodelledField
from tidings.events.v1.tiers_pb2 import TierUpgraded

ORG = 50750
"""The organisation of events whose publisher names none."""

PAYLOADS = [
    (f"{event.name}.{number}", event.name, payload)
    for event in catalog()
    for number, payload in enumerate(samples(event.name), 1)
]
"""Every published payload: an id for the test, the event's catalog name, the payload."""


def flat_of(payload: Any) -> dict[str, Any]:
    """The flat form of a payload of one event."""
    return to_vendor_json(convert_one(payload, org_id=ORG).event)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every scalar of a JSON value but null, with its keys and indices."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*path, str(place)))
    elif value is not None:
        yield path, value


def meanings(value: Any) -> set[tuple[tuple[str, ...], Any]]:
    """The leaves as a tolerant reader takes them: keys without blanks and case, numbers by value, even in text."""
    return {(tuple("".join(key.split()).casefold() for key in path), meaning(leaf)) for path, leaf in leaves(value)}


def meaning(leaf: Any) -> Any:
    """A scalar's meaning; true is not 1."""
    if isinstance(leaf, bool):
        return ("flag", leaf)
    if isinstance(leaf, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", leaf):
        return float(leaf) if "." in leaf else int(leaf)
    return leaf


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**53) - 2, 2**53 + 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["", "0", "-1", "12", "1.5", "14.000", "007", "true", "null", "9223372036854775808", "1e3", "/", "~1"]
    ),
)
"""Scalars of JSON, those that types trip over among them."""

values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
"""Values of JSON."""


def containers(value: Any) -> list[Any]:
    """Every object and list of a value, itself included."""
    found = [value] if isinstance(value, dict | list) else []
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found.extend(containers(each))
    return found


@st.composite
def spoiled(draw: st.DrawFn, *, flat: bool = True) -> dict[str, Any]:
    """A published payload, in the flat form or as published, with one to four things done to it."""
    payload: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(PAYLOADS))[2])
    payload = flat_of(payload) if flat else payload
    for _ in range(draw(st.integers(1, 4))):
        spoil(draw, payload)
    return payload


def spoil(draw: st.DrawFn, payload: dict[str, Any]) -> None:
    """Drop, null, retype, rename, add or nest somewhere in a payload."""
    node = draw(st.sampled_from([each for each in containers(payload) if each] or [payload]))
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    how = draw(st.sampled_from(["drop", "retype", "rename", "add", "nest", "text"]))
    if how == "drop":
        del node[key]
    elif how == "retype":
        node[key] = draw(values)
    elif how == "text":
        node[key] = str(node[key])
    elif how == "nest":
        for _ in range(draw(st.integers(1, 40))):
            node[key] = {"within": node[key]} if draw(st.booleans()) else [node[key]]
    elif isinstance(node, dict):
        name = draw(st.sampled_from([str(key).upper(), f" {key}", f"{key} ", f"x{key}", f"{key}/~"]))
        node.setdefault(name, node.pop(key) if how == "rename" else draw(values))


def published() -> list[Event]:
    """Every published payload as an event of one organisation, made anew; half of them with an id of their own."""
    events = [convert_one(payload, org_id=ORG).event for _, _, payload in PAYLOADS]
    for number, event in enumerate(events):
        event.org_id = ORG
        event.ClearField("event_id")
        if number % 2:
            event.event_id = f"e-{number}"
    return events


def _id(text: str) -> Callable[[Event], None]:
    return lambda event: setattr(event, "event_id", text)


def _org(number: int) -> Callable[[Event], None]:
    return lambda event: setattr(event, "org_id", number)


def _pointer(text: str) -> Callable[[Event], None]:
    def point(event: Event) -> None:
        event.sent_null.append(text)
        event.sent_empty.append(f"{text}x")

    return point


def _unmodelled(path: str, text: str) -> Callable[[Event], None]:
    return lambda event: event.unmodelled.append(UnmodelledField(path=path, json=text))


def _become(made: Event) -> Callable[[Event], None]:
    return lambda event: event.CopyFrom(made)


SPOILINGS: Mapping[str, Callable[[Event], None]] = {
    "no id": lambda event: event.ClearField("event_id"),
    "empty id": _id(""),
    "longest id": _id("x" * MAX_EVENT_ID),
    "long id": _id("x" * (MAX_EVENT_ID + 1)),
    "unprintable id": _id("a\x00b"),
    "id with a line break": _id("a\nb"),
    "foreign id": _id("é" * MAX_EVENT_ID),
    "no org": lambda event: event.ClearField("org_id"),
    "org nought": _org(0),
    "negative org": _org(-1),
    "other org": _org(60860),
    "no data": lambda event: event.ClearField(event.WhichOneof("data") or "ref_id"),
    "generic": _become(Event(org_id=ORG, event_id="g", generic=GenericEvent(name="somethingNew"))),
    "nameless generic": _become(Event(org_id=ORG, generic=GenericEvent())),
    "generic of the catalog": _become(Event(org_id=ORG, generic=GenericEvent(name="tierUpgraded"))),
    "nothing": _become(Event()),
    "empty data": _become(Event(org_id=ORG, event_id="t", tier_upgraded=TierUpgraded())),
    "unmodelled": _unmodelled("/data/furtherThing", '"x"'),
    "unmodelled without a path": _unmodelled("", "1"),
    "unmodelled that is no JSON": _unmodelled("/data/furtherThing", "{"),
    "plain pointer": _pointer("/data/further/0"),
    "pointer with a tilde": _pointer("/data/a~1b"),
    "pointer with a bad tilde": _pointer("/data/a~2b"),
    "pointer with a line break": _pointer("/data/a\nb"),
    "two pointers in one": _pointer("/data/a\n/b"),
    "no pointer": _pointer("data"),
    "empty pointer": _pointer(""),
    "oversized": lambda event: setattr(event, "ref_id", "x" * MAX_EVENT_BYTES),
    "traced": lambda event: event.trace_attributes.update({"b": "2", "a": "1", "traceparent": "x"}),
}
"""What makes an event another, or one that is to be refused, by what it is called."""
