"""What everybody asks of an event who takes it in, read off its message once.

Asking protobuf which member of a oneof is set costs three times as much as reading a field, and so does reading a
message within the message; validating, identifying and deciding an event all asked.
"""

from typing import Final, NamedTuple

from google.protobuf.message import Message

from tidings.events.catalog import CatalogEvent, catalog
from tidings.events.direct import ScalarReader, scalar_reader
from tidings.events.v1.event_pb2 import Event

_new: Final = tuple.__new__


class Facts(NamedTuple):
    """What is known of an event at one look. As it was then: who changes the event looks again."""

    org_id: int
    event_id: str
    """Empty when it has none."""
    name: str
    """The catalog's name, or a generic event's own. Empty when the event has no data."""
    data: Message | None
    """The message that is set, if all there is to the event stands in messages that the catalog knows."""
    customer: str
    """Whom it concerns, where that stands plainly in the data; empty where ``customer_of`` alone can tell."""


def facts_of(event: Event) -> Facts:
    """Return what is known of an event at one look; whoever made it, for nothing but its messages is read."""
    field = event.WhichOneof("data")
    if field not in KINDS:
        name = "" if field is None else event.generic.name
        return Facts(event.org_id, event.event_id, name, data=None, customer="")
    name, customer_in = KINDS[field]
    data, customer = None, ""
    if not event.unmodelled:
        data = getattr(event, field)  # type: ignore[arg-type]  # a kind of events has a field
        # What reads as zero may be absent.
        if customer_in is not None and (number := customer_in(data)):
            customer = str(number)
    # As the class would make it, at half the cost: it is made for every event that comes in.
    return _new(Facts, (event.org_id, event.event_id, name, data, customer))


def event_name(event: Event) -> str:
    """Return the event's name: the catalog's, or a generic event's own. Empty when the event has no data."""
    field = event.WhichOneof("data")
    if field in KINDS:
        return KINDS[field][0]
    return "" if field is None else event.generic.name


def _customer_in(known: CatalogEvent) -> ScalarReader | None:
    if known.customer_id_path[:1] != ("data",):
        return None
    return scalar_reader(known.field, known.customer_id_path, (int, str))


KINDS: Final[dict[str | None, tuple[str, ScalarReader | None]]] = {
    known.field.name: (known.name, _customer_in(known)) for known in catalog()
}
"""By member of the oneof: the event's name, and what reads its customer off the data where no view is needed."""
