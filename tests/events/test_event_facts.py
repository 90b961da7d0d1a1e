"""What is known of an event at one look, and scalars read straight off its messages: the view says the same."""

from typing import Any

import pytest

from events_kit import ORG, PAYLOADS
from tidings.events import (
    catalog,
    convert_one,
    customer_id,
    event_fields,
    event_name,
    facts_of,
    native_view,
    scalar_reader,
)
from tidings.events.pointers import look_up
from tidings.events.v1.event_pb2 import Event, GenericEvent, UnmodelledField
from tidings.events.v1.tiers_pb2 import TierUpgraded

TYPES = {"text": str, "integer": int, "number": float, "boolean": bool}


@pytest.mark.parametrize(("name", "payload"), [each[1:] for each in PAYLOADS], ids=[each[0] for each in PAYLOADS])
def test_a_scalar_read_off_the_message_is_the_one_in_the_view(name: str, payload: Any) -> None:
    """Wherever a field stands; what reads as nothing is nothing in the view, or absent."""
    event = convert_one(payload, org_id=ORG).event
    event.ClearField("unmodelled")
    known = catalog().find(name)
    assert known is not None
    view, told = native_view(event), 0
    for each in event_fields(known):
        path = tuple(each.path.replace("[]", ".0").split("."))
        read = scalar_reader(known.field, path, frozenset(TYPES.values()))
        assert (read is not None) is (each.type in TYPES and path != ("eventName",))
        if read is not None:
            found = read(getattr(event, known.field.name) if path[0] == "data" else event)
            shown = look_up(view, "/" + "/".join(path))
            assert found == shown or not (found or shown)
            told += bool(found)
    assert told


def test_a_scalar_of_another_type_or_none_is_not_read() -> None:
    known = catalog().find("tierUpgraded")
    assert known is not None
    paths = ("data.notes", "data.none", "data", "data.notes.x", "data.customerIdentifiers", "eventName")
    found = [scalar_reader(known.field, tuple(path.split(".")), {int}) for path in paths]
    assert found == [None] * len(paths)


@pytest.mark.parametrize("payload", [each[2] for each in PAYLOADS], ids=[each[0] for each in PAYLOADS])
def test_the_facts_of_an_event_are_what_it_says(payload: Any) -> None:
    event = convert_one(payload, org_id=ORG).event
    facts = facts_of(event)
    assert (facts.org_id, facts.event_id, facts.name) == (event.org_id, event.event_id, event_name(event))
    assert facts.customer in ("", customer_id(event))
    field: Any = event.WhichOneof("data")
    assert facts.data == (None if event.unmodelled else getattr(event, field))


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (Event(), ""),
        (Event(generic=GenericEvent(name="new")), "new"),
        (Event(tier_upgraded=TierUpgraded(), unmodelled=[UnmodelledField(path="x", json="{")]), "tierUpgraded"),
    ],
)
def test_an_event_that_no_message_holds_wholly_has_no_data(event: Event, name: str) -> None:
    """One that is yet to be validated is read all the same."""
    facts = facts_of(event)
    assert (facts.name, facts.data, facts.customer) == (name, None, "")
