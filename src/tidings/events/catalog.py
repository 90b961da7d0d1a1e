"""Every event the gateway knows by name, read from the descriptors and the options on them.

There is no table beside the protos: a message with the ``event`` option, listed in the ``data`` oneof of
`Event`, is in the catalog.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tidings.events.plans import loose
from tidings.events.v1 import options_pb2
from tidings.events.v1.event_pb2 import Event

_ORGANISATION_PREFIX: Final = re.compile(r"^\d+_")
_PUBLISHERS: Final = {
    options_pb2.PUBLISHER_UNSPECIFIED: "loyalty platform",
    options_pb2.PUBLISHER_LOYALTY_PLATFORM: "loyalty platform",
    options_pb2.PUBLISHER_CARD_LINKED_NETWORK: "card-linked network",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEvent:
    """One event: how it is called, what it says, whom it concerns."""

    name: str
    aliases: tuple[str, ...]
    """Other spellings seen on the wire. ``ORG_name``, with the organisation's number, is understood for all."""
    subject: str
    """What it is about: points, tiers, rewards and so on."""
    description: str
    """What happened, in one sentence."""
    publisher: str
    """Who sends it: the loyalty platform or the card-linked network."""
    message: Descriptor
    """The message that carries its data."""
    field: FieldDescriptor
    """The member of `Event`'s oneof that holds that message."""
    customer_id_path: tuple[str, ...]
    """Where the member it concerns stands in the native view; list indices are text. Empty: nobody in particular."""

    @property
    def customer_id_expression(self) -> str:
        """The same place as a JMESPath: ``data.coupons[0].customerIdentifiers.customerId``. Empty like the path."""
        parts = [f"[{part}]" if part.isdigit() else f".{part}" for part in self.customer_id_path]
        return "".join(parts).removeprefix(".")

    @property
    def is_card_linked(self) -> bool:
        """Whether its JSON is the card-linked network's, with fields beside ``type`` instead of under ``data``."""
        return self.publisher == _PUBLISHERS[options_pb2.PUBLISHER_CARD_LINKED_NETWORK]


class Catalog:
    """The events by name, in the order of the protos."""

    def __init__(self, events: tuple[CatalogEvent, ...]) -> None:
        self._events = events
        self._by_field = {event.field.name: event for event in events}
        self._by_name = {event.name: event for event in events}
        self._by_spelling = {loose(spelling): event for event in events for spelling in (*event.aliases, event.name)}

    def __iter__(self) -> Iterator[CatalogEvent]:
        """Go through the events, subject by subject."""
        return iter(self._events)

    def __len__(self) -> int:
        """Count the events."""
        return len(self._events)

    def find(self, name: str) -> CatalogEvent | None:
        """Return the event of that name: exact, else an alias, other case, or ``ORG_name``; None if unknown."""
        return (
            self._by_name.get(name)
            or self._by_spelling.get(loose(name))
            or self._by_spelling.get(loose(_ORGANISATION_PREFIX.sub("", name.strip())))
        )

    def by_field(self, field_name: str) -> CatalogEvent | None:
        """Return the event whose message is that member of `Event`'s oneof; None for the generic event."""
        return self._by_field.get(field_name)


@cache
def catalog() -> Catalog:
    """Return the catalog, made once per process."""
    members = Event.DESCRIPTOR.oneofs_by_name["data"].fields
    found = (_read(field) for field in members)
    return Catalog(tuple(event for event in found if event is not None))


def _read(field: FieldDescriptor) -> CatalogEvent | None:
    message = field.message_type
    if message is None or not message.GetOptions().HasExtension(options_pb2.event):
        return None
    facts = message.GetOptions().Extensions[options_pb2.event]
    of_file = message.file.GetOptions()
    return CatalogEvent(
        name=facts.name,
        aliases=tuple(facts.aliases),
        subject=of_file.Extensions[options_pb2.subject],
        description=facts.description,
        publisher=_PUBLISHERS[of_file.Extensions[options_pb2.publisher]],
        message=message,
        field=field,
        customer_id_path=tuple(re.findall(r"[^.\[\]]+", facts.customer_id_path)),
    )
