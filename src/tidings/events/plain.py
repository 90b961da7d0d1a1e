"""Many events looked at in one go: the facts and the wire forms of those that are plainly fine.

For one event after the other, ``wire_form``, ``facts_of`` and ``validate`` say the same. Asking them
for each took twice as long: four calls an event, and protobuf's code and Python's driving each other out of the
processor's caches. Here one thing is done to all events before the next is, and what is true of most, that their
pointers are plain, is asked once of all. Whatever is not plain is left to those functions, and tests compare the two.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, cast

from google.protobuf.message import Message

from tidings.events.facts import KINDS
from tidings.events.identity import serialized
from tidings.events.v1.event_pb2 import Event
from tidings.events.validation import MAX_EVENT_BYTES, MAX_EVENT_ID, are_plain_pointers

Look = tuple[Event, bytes, int, str, str, Message | None, str]
"""An event, its wire form, and what ``Facts`` holds. Its data is None: it may be faulty, and nothing
more is said of it. What has data is valid."""

_which: Final[Callable[[Event, str], str | None]] = cast("Any", Event).WhichOneof
_asked: Final = attrgetter("org_id", "event_id", "unmodelled", "sent_null", "sent_empty")


def look_at(batch: Iterable[Event]) -> Iterator[Look]:
    """Yield what is seen of each event, in order. All are read before the first is yielded."""
    events = list(batch)
    contents = list(map(serialized, events, repeat(True)))  # noqa: FBT003 (see there)
    fields: list[Any] = list(map(_which, events, repeat("data")))
    asked: list[tuple[int, str, Any, Any, Any]] = list(map(_asked, events))
    doubtful = not _are_all_plain(asked)
    kinds = KINDS
    for event, content, field, (org_id, event_id, unmodelled, null, empty) in zip(
        events, contents, fields, asked, strict=True
    ):
        if (
            field not in kinds
            or unmodelled
            or org_id <= 0
            or len(content) > MAX_EVENT_BYTES
            or not (event_id or not event.HasField("event_id"))
            or len(event_id) > MAX_EVENT_ID
            or not event_id.isprintable()
            or (doubtful and (null or empty))
        ):
            yield event, content, org_id, event_id, "", None, ""
            continue
        name, customer_in = kinds[field]
        data = getattr(event, field)
        customer = customer_in(data) if customer_in is not None else None  # what reads as zero may be absent
        yield event, content, org_id, event_id, name, data, str(customer) if customer else ""


def _are_all_plain(asked: Iterable[tuple[int, str, Any, Any, Any]]) -> bool:
    """Say whether all pointers of all events are plain ones."""
    pointers: list[str] = []
    for _, _, _, null, empty in asked:
        if null:
            pointers += null[:]
        if empty:
            pointers += empty[:]
    return not pointers or are_plain_pointers(pointers)
