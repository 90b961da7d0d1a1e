"""Events looked at in one go: what is said of each is what is said of it by itself."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events_kit import SPOILINGS, published
from tidings.events import Facts, facts_of, look_at, validate, wire_form
from tidings.events.v1.event_pb2 import Event

SAMPLES = published()
UNMODELLED_OR_GENERIC = 10
"""Fewer of the published payloads than this are not plain."""

POINTERS = [each for each in SPOILINGS if "pointer" in each]
"""One of these makes all pointers of its batch doubtful."""


def check(batch: Sequence[Event]) -> int:
    """Compare what is seen of events with what is said of each alone; count those that are plain."""
    plain = 0
    looks = list(look_at(batch))
    assert [look[0] for look in looks] == list(batch)
    for event, content, org_id, event_id, name, data, customer in looks:
        if data is None:
            continue
        plain += 1
        assert validate(event) == ()
        assert content == wire_form(event)
        assert Facts(org_id, event_id, name, data, customer) == facts_of(event)
    return plain


def test_nearly_all_published_payloads_are_plain() -> None:
    events = published()
    assert check(events) > len(events) - UNMODELLED_OR_GENERIC


def test_nothing_is_seen_of_nothing() -> None:
    assert list(look_at([])) == []


@pytest.mark.parametrize("spoiling", SPOILINGS)
def test_whatever_is_done_to_an_event_no_more_is_said_of_it_than_is_true(spoiling: str) -> None:
    """To one among others, which stay plain, and to all."""
    events = published()
    fine = check(events)
    SPOILINGS[spoiling](events[3])
    left = check(events)
    assert left >= fine - 1 or spoiling in POINTERS
    for number, event in enumerate(events):
        if number != 3:
            SPOILINGS[spoiling](event)
    check(events)


@pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 99])
@pytest.mark.parametrize("form", ["number", "text", "group", "fixed"])
def test_what_protobuf_does_not_know_is_nothing_that_is_seen(number: int, form: str) -> None:
    """A sender may have fields of ours with values of another kind, which protobuf keeps without knowing them."""
    text = b"\x02\x08\x05"  # a message too, and a list of numbers
    kind, value = {"number": (0, b"\x05"), "text": (2, text), "group": (3, b""), "fixed": (5, b"abcd")}[form]
    strange = _tag(number, kind) + value + (_tag(number, 4) if form == "group" else b"")
    for strip in (lambda _: None, lambda event: event.ClearField("event_id"), lambda event: event.ClearField("org_id")):
        events = published()
        for event in events[1::2]:
            strip(event)
            event.ParseFromString(event.SerializeToString() + strange)
        check(events)


def _tag(number: int, kind: int) -> bytes:
    tag = number << 3 | kind
    return bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])


@given(st.lists(st.tuples(st.integers(0, 10_000), st.lists(st.sampled_from(sorted(SPOILINGS)), max_size=3))))
def test_any_mixture_is_seen_as_each_alone(drawn: list[tuple[int, list[str]]]) -> None:
    batch: list[Event] = []
    for number, spoilings in drawn:
        event = Event()
        event.CopyFrom(SAMPLES[number % len(SAMPLES)])
        for each in spoilings:
            SPOILINGS[each](event)
        batch.append(event)
    check(batch)
