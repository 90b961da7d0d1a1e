"""On the message itself an expression gives what it gives on the message's native view."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from expressions_kit import PATIENT, Failed, Gave, events, typed_expressions, written
from tidings.events.catalog import catalog
from tidings.events.v1.event_pb2 import Event
from tidings.events.view import native_view
from tidings.expressions import EvaluationError, InvalidType, bind
from tidings.expressions import compile as compile_expression

FIELDS: Final = [event.field for event in catalog()]
ISSUED: Final = Event.DESCRIPTOR.fields_by_name["points_issued"]
NOW: Final = 1_714_521_600_000


def typed_outcome(text: str, event: Event) -> Failed | Gave:
    bound = bind(compile_expression(text), Event.DESCRIPTOR.fields_by_name[str(event.WhichOneof("data"))])
    try:
        return Gave(written(bound.search(event, now=NOW)))
    except EvaluationError as error:
        return Failed(type(error))


def untyped_outcome(text: str, event: Event) -> Failed | Gave:
    try:
        return Gave(written(compile_expression(text).search(native_view(event), now=NOW)))
    except EvaluationError as error:
        return Failed(type(error))


@PATIENT
@given(data=st.data())
def test_the_message_and_its_view_give_the_same(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(FIELDS))
    event, text = data.draw(events(field)), data.draw(typed_expressions(field))
    assert typed_outcome(text, event) == untyped_outcome(text, event)


def issued() -> Event:
    event = Event(event_id="e-1", org_id=2**53 + 1)
    data = event.points_issued
    data.customer_identifiers.customer_id = 42
    data.loyalty_program_id = 0
    data.program_current_points = 300.0
    data.triggering_activity.name = "Manual"
    for key, value in (("bill", "7"), ("till", "")):
        data.triggering_activity.identifiers.add(key=key, value=value)
    return event


ON_MESSAGES: Final[Sequence[tuple[str, Any]]] = [
    ("data.customerIdentifiers.customerId == `42`", True),
    ("data.customerIdentifiers.instore.mobile == '1'", False),
    ("data.customerIdentifiers.instore.mobile == ''", False),
    ("data.customerIdentifiers.instore.cardNumbers", None),
    ("data.customerIdentifiers.instore == `null`", True),
    ("data.triggeringActivity != `null`", True),
    ("data.loyaltyProgramId", 0),
    ("data.loyaltyProgramId == `0`", True),
    ("data.loyaltyProgramId > `-1`", True),
    ("data.totalPointsIssued > `-1`", None),
    ("data.totalPointsIssued == `0`", False),
    ("to_string(data.programCurrentPoints)", "300"),
    ("orgId", 2**53 + 1),
    ("eventName == 'pointsIssued'", True),
    ("traceAttributes", None),
    ("data.triggeringActivity.identifiers[?key == 'bill'].value | [0]", "7"),
    ("data.triggeringActivity.identifiers[-1].value", ""),
    ("data.triggeringActivity.identifiers[7].value", None),
    ("data.triggeringActivity.identifiers[*].key", ["bill", "till"]),
    ("data.triggeringActivity.identifiers[].value", ["7", ""]),
    ("length(data.triggeringActivity.identifiers[?value])", 1),
    ("length(data.triggeringActivity.additionalAttributes)", 0),
    ("data.triggeringActivity.identifiers[?key == 'x'] && orgId == `1`", []),
    ("!(data.triggeringActivity.additionalAttributes)", True),
    ("lookup(data.triggeringActivity.identifiers, 'key', 'till').value == ''", True),
    ("lookup(data.triggeringActivity.identifiers, 'key', 'x').value", None),
    ("data.triggeringActivity.name || eventId", "Manual"),
    ("{member: data.customerIdentifiers.customerId}", {"member": 42}),
    ("starts_with(data.triggeringActivity.name, 'Man') && orgId > `1`", True),
]


@pytest.mark.parametrize(("text", "expected"), ON_MESSAGES, ids=[text for text, _ in ON_MESSAGES])
def test_the_usual_shapes_need_no_view(text: str, expected: Any) -> None:
    bound = bind(compile_expression(text), ISSUED)
    assert bound.run is not None
    assert written(bound.run(issued(), NOW, None)) == written(expected)  # type: ignore[arg-type]  # needs no zone


@pytest.mark.parametrize("text", ["data", "@", "data.*", "keys(data)", "to_string(data.triggeringActivity)"])
def test_a_whole_message_as_a_value_comes_from_the_view(text: str) -> None:
    assert bind(compile_expression(text), ISSUED).run is None
    assert typed_outcome(text, issued()) == untyped_outcome(text, issued())


@pytest.mark.parametrize(
    ("pointer", "text", "expected"),
    [
        ("/data/extra", "data.extra", "x"),
        ("/data/loyaltyProgramId", "data.loyaltyProgramId", "x"),
        ("/data/triggeringActivity/identifiers/1/note", "data.triggeringActivity.identifiers[*].note", ["x"]),
        ("/data/triggeringActivity/identifiers/1/note", "data.triggeringActivity.identifiers[1].note", "x"),
        ("/data/a~1b", 'data."a/b"', "x"),
        ("/data/new/deep", "data.new.deep", "x"),
        ("/data/new", "data.new.deep", None),
        ("/eventName", "eventName", "x"),
        ("/elsewhere", "data.triggeringActivity.name", "Manual"),
    ],
)
def test_an_unmodelled_value_is_found_at_its_path(pointer: str, text: str, expected: Any) -> None:
    event = issued()
    event.unmodelled.add(path=pointer, json='"x"')
    assert bind(compile_expression(text), ISSUED).search(event) == expected


def test_only_a_value_that_is_read_needs_the_view() -> None:
    event, bound = issued(), bind(compile_expression("data.loyaltyProgramId == `0`"), ISSUED)
    event.unmodelled.add(path="/data/extra", json="1")
    assert not bound.reads_unmodelled(event)
    event.unmodelled.add(path="/data/loyaltyProgramId", json="1")
    assert bound.reads_unmodelled(event)


def test_another_event_is_searched_by_its_view() -> None:
    event = Event()
    event.points_expiry_reminder.loyalty_program_id = 7
    assert bind(compile_expression("data.loyaltyProgramId"), ISSUED).search(event) == 7


def test_a_generic_event_is_searched_by_its_view() -> None:
    event = Event()
    event.generic.name = "somethingNew"
    event.generic.data.update({"count": 3})
    bound = bind(compile_expression("[eventName, data.count]"), Event.DESCRIPTOR.fields_by_name["generic"])
    assert bound.search(event) == ["somethingNew", 3]


def test_an_error_on_a_message_has_its_place() -> None:
    with pytest.raises(InvalidType) as caught:
        bind(compile_expression("orgId > `1` && length(data.loyaltyProgramId) > `1`"), ISSUED).search(issued())
    assert (caught.value.offset, caught.value.length) == (15, 29)


@pytest.mark.parametrize("descriptor", [Event.DESCRIPTOR, Event.DESCRIPTOR.fields_by_name["org_id"]])
def test_only_an_events_data_can_be_bound_to(descriptor: FieldDescriptor) -> None:
    with pytest.raises(LookupError, match="is no event's data"):
        bind(compile_expression("a"), descriptor)
