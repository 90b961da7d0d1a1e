"""Page tokens: where a page ended, bound to the filter that it was asked with.

Every store lists deliveries newest first by (created_at, id), so every store shares these tokens. Events and
rejected bodies are listed in the order of their arrival; a place in it is a store's own number.
"""

import base64
import dataclasses
import hashlib
import struct
from dataclasses import dataclass

from tidings.errors import FieldViolation, InvalidRequest
from tidings.store.values import (
    DeliveryFilter,
)

_HEAD = struct.Struct(">8sq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The last delivery of a page; the next page starts after it."""

    created_at: int
    id: str


def encode_token(position: Position, wanted: DeliveryFilter) -> str:
    """Return the token of the page that follows ``position``."""
    head = _HEAD.pack(_fingerprint(wanted), position.created_at)
    return base64.urlsafe_b64encode(head + position.id.encode()).decode().rstrip("=")


def decode_token(token: str, wanted: DeliveryFilter) -> Position | None:
    """Return where the page before ended, None for an empty token.

    Raises InvalidRequest for a token that ``encode_token`` did not give for this filter.
    """
    if not token:
        return None
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        fingerprint, created_at = _HEAD.unpack_from(packed)
        position = Position(created_at=created_at, id=packed[_HEAD.size :].decode())
    except (ValueError, struct.error) as error:
        raise _refused("is none that this gateway gave; leave it empty for the first page") from error
    if fingerprint != _fingerprint(wanted):
        raise _refused("was given for another filter; repeat the filter, or leave the token empty")
    return position


def encode_place(place: int, listing: object) -> str:
    """Return the token of the page that follows row number ``place`` of a listing, told apart by its ``repr``."""
    return encode_token(Position(created_at=place, id=""), _as_filter(listing))


def decode_place(token: str, listing: object) -> int | None:
    """Return the number that ``encode_place`` was given, None for an empty token; raise as ``decode_token``."""
    position = decode_token(token, _as_filter(listing))
    return None if position is None else position.created_at


def encode_customer(org_id: int, customer_id: str, listing: object) -> str:
    """Return the token of the page that follows a customer in a listing, told apart by its ``repr``."""
    return encode_token(Position(created_at=org_id, id=customer_id), _as_filter(listing))


def decode_customer(token: str, listing: object) -> tuple[int, str] | None:
    """Return what ``encode_customer`` was given, None for an empty token; raise as ``decode_token``."""
    position = decode_token(token, _as_filter(listing))
    return None if position is None else (position.created_at, position.id)


def _as_filter(listing: object) -> DeliveryFilter:
    return DeliveryFilter(rule_id=repr(listing))


def check_page_size(page_size: int) -> None:
    """Raise InvalidRequest unless a page can hold something."""
    if page_size < 1:
        raise InvalidRequest([FieldViolation(field="page_size", description=f"must be at least 1, got {page_size}")])


def _fingerprint(wanted: DeliveryFilter) -> bytes:
    fields = [getattr(wanted, each.name) for each in dataclasses.fields(wanted) if each.name != "states"]
    fields.append(sorted(wanted.states))
    return hashlib.sha256(repr(fields).encode()).digest()[:8]


def _refused(description: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation(field="page_token", description=description)])
