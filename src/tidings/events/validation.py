"""What an event must be before it is accepted, whoever built it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from tidings.errors import FieldViolation
from tidings.events.catalog import catalog
from tidings.events.facts import Facts, facts_of
from tidings.events.pointers import look_up, place
from tidings.events.reading import Unreadable, read_exactly
from tidings.events.v1.event_pb2 import Event, UnmodelledField
from tidings.events.view import modelled_view

MAX_EVENT_BYTES: Final = 1 << 20
"""Largest event accepted, in bytes of its binary form."""

MAX_EVENT_ID: Final = 256
"""Longest event id, in characters."""

_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+", re.DOTALL)
_SPELLINGS: Final = frozenset({"/eventName", "/eventId"})
"""Paths where an unmodelled value tells how a field was written, beside the field itself."""


def validate(event: Event, *, size: int | None = None, facts: Facts | None = None) -> tuple[FieldViolation, ...]:
    """Return everything that keeps the event from being accepted; empty when it is fine.

    Args:
        event: whoever built it.
        size: how many bytes its binary form has, for those who know.
        facts: what is known of it, for those who have looked.
    """
    size = event.ByteSize() if size is None else size
    org_id, event_id, _, data, _ = facts_of(event) if facts is None else facts
    null, empty = event.sent_null, event.sent_empty
    if (  # most events are recognised as fine at a glance; what this leaves may still be fine
        data is not None
        and org_id > 0
        and size <= MAX_EVENT_BYTES
        and ((0 < len(event_id) <= MAX_EVENT_ID and event_id.isprintable()) or not event.HasField("event_id"))
        and (not null or are_plain_pointers(null[:]))
        and (not empty or are_plain_pointers(empty[:]))
    ):
        return ()
    return tuple(FieldViolation(field=field, description=text) for field, text in _findings(event, size))


def are_plain_pointers(texts: Sequence[str]) -> bool:
    """Say whether all are JSON Pointers, at a glance; those for which it does not may be such all the same.

    Without a tilde, the slash at the beginning is all it takes; asked of all at once, in a line each.
    """
    lines = "\n".join(texts)
    return lines[:1] == "/" and "~" not in lines and lines.count("\n") == lines.count("\n/")


def _findings(event: Event, size: int) -> Iterator[tuple[str, str]]:
    if size > MAX_EVENT_BYTES:
        yield "event", f"{size} bytes; at most {MAX_EVENT_BYTES} are accepted"
        return
    if not event.HasField("org_id"):
        yield "event.org_id", "name the organisation the event belongs to"
    elif event.org_id < 0:
        yield "event.org_id", "an organisation's number is not negative"
    if event.HasField("event_id") and not is_event_id(event.event_id):
        yield "event.event_id", f"must be 1 to {MAX_EVENT_ID} printable characters, or absent"
    field = event.WhichOneof("data")
    if field is None:
        yield "event.data", "set the message that says what happened"
    elif field == "generic":
        yield from _generic_findings(event.generic.name)
    if event.unmodelled:
        yield from _unmodelled_findings(event)
    yield from _pointer_findings("sent_null", event.sent_null)
    yield from _pointer_findings("sent_empty", event.sent_empty)


def is_event_id(text: str) -> bool:
    """Say whether a text can be an event's id."""
    return 0 < len(text) <= MAX_EVENT_ID and text.isprintable()


def _generic_findings(name: str) -> Iterator[tuple[str, str]]:
    if not name.strip():
        yield "event.generic.name", "name the event"
    elif known := catalog().find(name):
        yield "event.generic.name", f"{known.name} has a message of its own: set event.{known.field.name} instead"


def _unmodelled_findings(event: Event) -> Iterator[tuple[str, str]]:
    view = modelled_view(event)
    for number, each in enumerate(event.unmodelled):
        for field, text in _one_unmodelled(each, view):
            yield f"event.unmodelled[{number}].{field}", text


def _one_unmodelled(each: UnmodelledField, view: dict[str, Any]) -> Iterator[tuple[str, str]]:
    readable = True
    try:
        value = read_exactly(each.json.encode(), _ignore)
    except Unreadable as error:
        readable = False
        yield "json", f"must be JSON text: {error}"
    if not _POINTER.fullmatch(each.path):
        yield "path", "must be a JSON Pointer such as /data/note"
    elif each.path == "/orgId" or (each.path not in _SPELLINGS and look_up(view, each.path) not in (None, {})):
        yield "path", "a field of the message stands there already"
    elif readable and not place(view, each.path, value):
        yield "path", "leads through a value that is no object, or past the end of a list"


def _pointer_findings(field: str, pointers: Sequence[str]) -> Iterable[tuple[str, str]]:
    return [
        (f"event.{field}[{number}]", "must be a JSON Pointer such as /data/note")
        for number, pointer in enumerate(pointers)
        if not _POINTER.fullmatch(pointer)
    ]


def _ignore(_path: str, _done: str) -> None:
    """Let mended text pass: the value is not kept."""
