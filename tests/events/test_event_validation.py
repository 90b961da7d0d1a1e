"""What an event must be before it is accepted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.events import MAX_EVENT_BYTES, validate
from tidings.events.v1.event_pb2 import Event, GenericEvent, UnmodelledField
from tidings.events.v1.tiers_pb2 import TierUpgraded

POINTER = "must be a JSON Pointer such as /data/note"


def upgrade(**fields: Any) -> Event:
    usual: dict[str, Any] = {"org_id": 0, "tier_upgraded": TierUpgraded(notes="n")}
    return Event(**(usual | fields))


def kept(path: str, text: str = "1") -> dict[str, Any]:
    return {"unmodelled": [UnmodelledField(path=path, json=text)]}


@pytest.mark.parametrize(
    "event",
    [
        upgrade(),
        upgrade(event_id="x" * 256),
        upgrade(**kept("/data/other/0")),
        upgrade(**kept("/note", '{"a": [18446744073709551616]}')),
        upgrade(**kept("/eventName", '"TierUpgraded"')),
        upgrade(sent_null=["/refId"], sent_empty=["/data/a~1b"]),
        Event(org_id=1, generic=GenericEvent(name="somethingNew")),
    ],
)
def test_a_good_event_has_no_violations(event: Event) -> None:
    assert validate(event) == ()


@pytest.mark.parametrize(
    ("event", "field", "text"),
    [
        (Event(tier_upgraded=TierUpgraded()), "event.org_id", "name the organisation the event belongs to"),
        (upgrade(org_id=-1), "event.org_id", "an organisation's number is not negative"),
        (upgrade(event_id=""), "event.event_id", "must be 1 to 256 printable characters, or absent"),
        (upgrade(event_id="a\nb"), "event.event_id", "must be 1 to 256 printable characters, or absent"),
        (upgrade(event_id="x" * 257), "event.event_id", "must be 1 to 256 printable characters, or absent"),
        (Event(org_id=1), "event.data", "set the message that says what happened"),
        (Event(org_id=1, generic=GenericEvent(name=" ")), "event.generic.name", "name the event"),
        (
            Event(org_id=1, generic=GenericEvent(name="TierUpgraded")),
            "event.generic.name",
            "tierUpgraded has a message of its own: set event.tier_upgraded instead",
        ),
        (upgrade(**kept("data/x")), "event.unmodelled[0].path", POINTER),
        (upgrade(**kept("/data/~2")), "event.unmodelled[0].path", POINTER),
        (upgrade(**kept("/orgId")), "event.unmodelled[0].path", "a field of the message stands there already"),
        (upgrade(**kept("/data/notes")), "event.unmodelled[0].path", "a field of the message stands there already"),
        (
            upgrade(**kept("/data/notes/x")),
            "event.unmodelled[0].path",
            "leads through a value that is no object, or past the end of a list",
        ),
        (
            upgrade(**kept("/data/x", "{")),
            "event.unmodelled[0].json",
            "must be JSON text: line 1, column 2: Expecting property name enclosed in double quotes",
        ),
        (upgrade(**kept("/data/x", "NaN")), "event.unmodelled[0].json", "must be JSON text: NaN is no JSON number"),
        (upgrade(sent_null=["refId"]), "event.sent_null[0]", POINTER),
        (upgrade(sent_empty=[""]), "event.sent_empty[0]", POINTER),
        (
            upgrade(ref_id="x" * MAX_EVENT_BYTES),
            "event",
            f"{MAX_EVENT_BYTES + 12} bytes; at most {MAX_EVENT_BYTES} are accepted",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(event: Event, field: str, text: str) -> None:
    assert [(each.field, each.description) for each in validate(event)] == [(field, text)]


def test_everything_wrong_is_said_at_once() -> None:
    event = Event(event_id="", unmodelled=[UnmodelledField(path="x", json="{")])
    assert [each.field for each in validate(event)] == [
        "event.org_id",
        "event.event_id",
        "event.data",
        "event.unmodelled[0].json",
        "event.unmodelled[0].path",
    ]


@given(st.lists(st.text(alphabet="/~01a\n", max_size=6), max_size=3))
def test_pointers_are_judged_alike_alone_and_beside_a_fault(pointers: list[str]) -> None:
    """Most events are recognised as fine at a glance, which must not pass what a closer look refuses."""
    fine = Event(org_id=1, tier_upgraded=TierUpgraded(), sent_null=pointers, sent_empty=pointers)
    faulty = Event(tier_upgraded=TierUpgraded(), sent_null=pointers, sent_empty=pointers)
    assert validate(fine) == validate(faulty)[1:]
