"""What an event tells of the customer it concerns, for brands that keep their directory by events. Pure.

Only what is there is taken: an event without an address says nothing about addresses.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from tidings.events.catalog import CatalogEvent, catalog
from tidings.events.identity import customer_id
from tidings.events.narrow import narrow_view
from tidings.events.pointers import step
from tidings.events.v1.event_pb2 import Event
from tidings.events.view import native_view
from tidings.model import Contact, contact_faults, is_address

_Path = tuple[str, ...]

_NAMES_AT: Final[Mapping[str, tuple[_Path, ...]]] = {
    "customerAdded": (("data", "firstName"), ("data", "lastName")),
    "customerUpdated": (("data", "firstName"), ("data", "lastName")),
}
"""Where the parts of the customer's name stand in events about customers; others tell no name."""

_SWALLOWED_AT: Final[Mapping[str, _Path]] = {
    "loyaltyCustomerMerge": ("data", "victimCustomerIdentifiers", "customerId"),
}
"""Where the customer stands who becomes one with the customer that the event concerns."""

_GENERIC_AT: Final = ("data", "customerIdentifiers")
_LONGEST_NAME: Final = 256


def contact_told(event: Event) -> Contact | None:
    """Return what an event tells of its customer, to be merged into what is known; None when that is nothing.

    Told is the first e-mail address, channel by channel, and by events about customers their name. What no directory
    would take is left out.
    """
    known = catalog().by_field(event.WhichOneof("data") or "")
    customer = customer_id(event)
    if customer is None:
        return None
    view = _view_for(known)(event)
    address = next(filter(is_address, addresses_among(_at(view, _identifiers_at(known)))), None)
    name = _full_name([_at(view, path) for path in _names_at(known)])
    if address is None and name is None:
        return None
    contact = Contact(org_id=event.org_id, customer_id=customer, email=address, name=name)
    return None if any(contact_faults(contact)) else contact


def swallowed_customer(event: Event) -> str | None:
    """Return the customer who has become one with the customer that the event concerns, or None."""
    known = catalog().by_field(event.WhichOneof("data") or "")
    path = None if known is None else _SWALLOWED_AT.get(known.name)
    found = None if path is None else _at(native_view(event), path)
    if isinstance(found, bool) or not isinstance(found, int | str):
        return None
    swallowed = str(found)
    return swallowed if swallowed and swallowed != customer_id(event) else None


def addresses_among(identifiers: Any) -> Iterator[str]:
    """Yield the e-mail addresses among a customer's identifiers, channel by channel."""
    for channel in identifiers.values() if isinstance(identifiers, dict) else ():
        address = channel.get("email") if isinstance(channel, dict) else None
        if isinstance(address, str) and "@" in address:
            yield address


def _full_name(parts: list[Any]) -> str | None:
    """Join the parts of a name; None where there are none, or they cannot be shown in one line."""
    name = " ".join(word for part in parts if isinstance(part, str) for word in part.split())
    return name if name and name.isprintable() and len(name) <= _LONGEST_NAME else None


def _at(view: Any, path: _Path) -> Any:
    for part in path:
        view = step(view, part)
    return view


@cache
def _view_for(known: CatalogEvent | None) -> Callable[[Event], dict[str, Any]]:
    return native_view if known is None else narrow_view(known.name, [_identifiers_at(known), *_names_at(known)])


def _identifiers_at(known: CatalogEvent | None) -> _Path:
    """Say what holds the customer's number, with the channels beside it."""
    return _GENERIC_AT if known is None else known.customer_id_path[:-1]


def _names_at(known: CatalogEvent | None) -> tuple[_Path, ...]:
    return () if known is None else _NAMES_AT.get(known.name, ())
