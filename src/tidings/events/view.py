"""The event as its publisher documents it: what conditions and templates read, and the way back to JSON.

Written for the hot path: plans made from descriptors, one pass over the fields that are set, no use of
protobuf's JSON mapping (it turns 64-bit integers into text and costs ten times as much).
"""

import json
from math import isfinite
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from tidings.events.catalog import catalog
from tidings.events.plans import (
    MESSAGE,
    NUMBER,
    PLAIN,
    STRUCT,
    TEXT_MAP,
    MessagePlan,
    plan_of,
)
from tidings.events.pointers import place
from tidings.events.v1.event_pb2 import Event

EXACT: Final = 2**53
"""Up to here every integer has a double of its own."""

_ENVELOPE_FIELDS: Final = frozenset(
    field
    for field in Event.DESCRIPTOR.fields
    if field.containing_oneof is None or field.containing_oneof.name.startswith("_")
) - {Event.DESCRIPTOR.fields_by_name[name] for name in ("unmodelled", "sent_null", "sent_empty")}

ENVELOPE: Final = MessagePlan(Event.DESCRIPTOR, sorted(_ENVELOPE_FIELDS, key=lambda field: field.number))
"""The plan of the fields round the data."""
del ENVELOPE.by_loose_key["timestamp"]  # the card-linked network's own key, no slip for timeStamp

_BY_FIELD: Final[dict[Any, tuple[str, int, MessagePlan | None]]] = dict(ENVELOPE.by_field)
_DATA: Final = {event.field: (event.name, plan_of(event.message)) for event in catalog()}
_UNMODELLED: Final = Event.DESCRIPTOR.fields_by_name["unmodelled"]
_GENERIC: Final = Event.DESCRIPTOR.fields_by_name["generic"]


def native_view(event: Event) -> dict[str, Any]:
    """Return the event under the vendor's names: envelope fields, ``eventName`` and ``data``.

    Integers are integers, whole doubles too; what is absent is left out; a list that is absent from a
    message that is there shows as ``[]``; unmodelled values stand at their own paths. The caller owns the
    dictionary.
    """
    return _view(event, empty_lists=True)


def sent_view(event: Event) -> dict[str, Any]:
    """Return the same with nulls and empty lists exactly where the publisher's JSON had them."""
    view = _view(event, empty_lists=False)
    for pointer in event.sent_empty:
        place(view, pointer, [])
    for pointer in event.sent_null:
        place(view, pointer, None)
    return view


def modelled_view(event: Event) -> dict[str, Any]:
    """Return the native view without the unmodelled values and the lists that are absent."""
    return _view(event, empty_lists=False, unmodelled_too=False)


def _view(event: Event, *, empty_lists: bool, unmodelled_too: bool = True) -> dict[str, Any]:
    view: dict[str, Any] = {}
    unmodelled: Any = ()
    for field, value in event.ListFields():
        envelope = _BY_FIELD.get(field)
        if envelope is not None:
            view[envelope[0]] = dict(value) if envelope[1] == TEXT_MAP else value
        elif field in _DATA:
            view["eventName"], plan = _DATA[field]
            view["data"] = fill(value, plan, empty_lists)
        elif field is _GENERIC:
            view["eventName"] = value.name
            if value.HasField("data"):
                view["data"] = _open_struct(value.data)
        elif field is _UNMODELLED and unmodelled_too:
            unmodelled = value
    for each in unmodelled:
        place(view, each.path, json.loads(each.json))
    return view


def fill(message: Message, plan: MessagePlan, empty_lists: bool) -> dict[str, Any]:  # noqa: FBT001 (hot path)
    """Return the view of one message; with `empty_lists`, absent lists show as ``[]``."""
    view: dict[str, Any] = {}
    by_field = plan.by_field
    for field, value in message.ListFields():
        key, kind, within = by_field[field]
        view[key] = value if kind <= PLAIN else open_field(value, kind, within, empty_lists)
    if empty_lists:
        for key in plan.lists:
            if key not in view:
                view[key] = []
    return view


def open_field(value: Any, kind: int, within: MessagePlan | None, empty_lists: bool) -> Any:  # noqa: FBT001 (hot path)
    """Return what the view shows of a field that is no plain scalar."""
    if within is not None:
        if kind == MESSAGE:
            return fill(value, within, empty_lists)
        return [fill(each, within, empty_lists) for each in value]
    if kind == NUMBER:
        return as_number(value)
    if kind == STRUCT:
        return _open_struct(value)
    return dict(value) if kind == TEXT_MAP else list(value)


def as_number(value: float) -> int | float | None:
    """Return a double as JSON would write it: whole numbers as integers, NaN and the infinities as null."""
    if value.is_integer():
        return int(value) if -EXACT <= value <= EXACT else value
    return value if isfinite(value) else None


def _open_struct(struct: Struct) -> dict[str, Any]:
    return {key: _open_value(value) for key, value in struct.fields.items()}


def _open_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return as_number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return _open_struct(value.struct_value)
    if kind == "list_value":
        return _open_list(value.list_value)
    return None


def _open_list(values: ListValue) -> list[Any]:
    return [_open_value(each) for each in values.values]
