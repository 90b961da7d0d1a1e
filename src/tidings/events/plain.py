"""Many events looked at in one go: the facts and the wire forms of those that are plainly fine.

For one event after the other, ``wire_form``, ``facts_of`` and ``validate`` say the same. Asking them for each took
twice as long: four calls an event, and protobuf's code and Python's driving each other out of the processor's caches.
Here one thing is done to all events before the next is, and what is true of most, that nothing is unmodelled and that
their pointers are plain, is asked once of all. Whatever is not plain is left to those functions, and tests compare the
two.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, cast

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tidings.events.facts import KINDS
from tidings.events.identity import serialized
from tidings.events.v1.event_pb2 import Event
from tidings.events.validation import MAX_EVENT_BYTES, MAX_EVENT_ID, are_plain_pointers

Look = tuple[Event, bytes, int, str, str, Message | None, str]
"""An event, its wire form, and what ``Facts`` holds. Its data is None: it may be faulty, and no more is said of it.
What has data is valid."""

_which: Final[Callable[[Event, str], str | None]] = cast("Any", Event).WhichOneof
_org_id: Final = attrgetter("org_id")
_event_id: Final = attrgetter("event_id")
_MARKS: Final = {
    "event_id": FieldDescriptorProto.TYPE_STRING,
    "unmodelled": FieldDescriptorProto.TYPE_BYTES,
    "sent_null": FieldDescriptorProto.TYPE_STRING,
    "sent_empty": FieldDescriptorProto.TYPE_STRING,
}


def _reader_of_marks() -> Callable[[bytes], Any]:
    """Return what reads the wire forms of events that stand one after the other, as if they were one message.

    That is how protobuf merges messages; each field is repeated here, so it holds what all events have of it. Asking
    each event for a field that it lacks takes a fifth of a microsecond. Only fields whose values have a length can be
    had like this: of a number in an event, another kind of value would be taken for a list of numbers.
    """
    file = FileDescriptorProto(name="tidings/events/marks.proto", package="tidings.events", syntax="proto3")
    message = file.message_type.add(name="Marks")
    for name, kind in _MARKS.items():
        number = Event.DESCRIPTOR.fields_by_name[name].number
        message.field.add(name=name, number=number, type=kind, label=FieldDescriptorProto.LABEL_REPEATED)
    pool = DescriptorPool()
    pool.Add(file)
    read: Callable[[bytes], Any] = GetMessageClass(pool.FindMessageTypeByName("tidings.events.Marks")).FromString
    return read


_marks_in: Final = _reader_of_marks()


def look_at(batch: Iterable[Event]) -> Iterator[Look]:
    """Yield what is seen of each event, in order. All are read before the first is yielded."""
    events = list(batch)
    contents = list(map(serialized, events, repeat(True)))  # noqa: FBT003 (see there)
    fields: list[Any] = list(map(_which, events, repeat("data")))
    org_ids: list[int] = list(map(_org_id, events))
    marks = _marks_in(b"".join(contents))
    event_ids = marks.event_id[:]
    if len(event_ids) != len(events):  # some have none
        event_ids = list(map(_event_id, events))
    some_unmodelled = bool(marks.unmodelled)
    pointers = marks.sent_null[:] + marks.sent_empty[:]
    doubtful = bool(pointers) and not are_plain_pointers(pointers)
    kinds = KINDS
    for event, content, field, org_id, event_id in zip(events, contents, fields, org_ids, event_ids, strict=True):
        if (
            field not in kinds
            or (some_unmodelled and event.unmodelled)
            or org_id <= 0
            or len(content) > MAX_EVENT_BYTES
            or not (event_id or not event.HasField("event_id"))
            or len(event_id) > MAX_EVENT_ID
            or not event_id.isprintable()
            or (doubtful and (event.sent_null or event.sent_empty))
        ):
            yield event, content, org_id, event_id, "", None, ""
            continue
        name, customer_in = kinds[field]
        data = getattr(event, field)
        customer = customer_in(data) if customer_in is not None else None  # what reads as zero may be absent
        yield event, content, org_id, event_id, name, data, str(customer) if customer else ""
