"""Building events without knowing the names of the oneof."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache

from google.protobuf.message import Message

from tidings.events.v1.event_pb2 import Event


def event_of(
    data: Message, *, org_id: int, event_id: str | None = None, created_at: datetime | int | None = None
) -> Event:
    """Wrap a typed event message, such as ``PointsIssued``, into an event.

    Args:
        data: one of the messages of ``tidings.events.v1``; ``GenericEvent`` for an event without one of its own.
        org_id: the organisation it happened in.
        event_id: unique within the organisation; without it the gateway derives one from the content, and two equal
            events are one.
        created_at: when it happened; a datetime must be aware, a number is epoch milliseconds.

    Raises:
        TypeError: the message is not the data of any event.
        ValueError: a datetime without a zone.
    """
    field = _fields().get(data.DESCRIPTOR.full_name)
    if field is None:
        raise TypeError(f"{data.DESCRIPTOR.full_name} is not the data of an event: see the oneof of {_EVENT}")
    event = Event(org_id=org_id)
    getattr(event, field).CopyFrom(data)
    if event_id is not None:
        event.event_id = event_id
    if created_at is not None:
        event.created_at = _milliseconds(created_at)
    return event


_EVENT = Event.DESCRIPTOR.full_name


@cache
def _fields() -> Mapping[str, str]:
    """Return the field of the oneof for each message's full name."""
    oneof = Event.DESCRIPTOR.oneofs_by_name["data"]
    return {field.message_type.full_name: field.name for field in oneof.fields if field.message_type is not None}


def _milliseconds(moment: datetime | int) -> int:
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        raise ValueError("created_at needs a time zone: without one it names no moment")
    return round(moment.timestamp() * 1000)
