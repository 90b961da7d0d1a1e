"""What the answer to a publication is, by what became of it: the same whichever database keeps it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tidings.store.values import (
    Publication,
    Recorded,
    RecordResult,
    StoredEvent,
)

REUSED: Final = RecordResult(recorded=Recorded.REUSED)
NOTHING: Final = RecordResult(recorded=Recorded.NEW)
"""What nearly every event comes to: new, and nothing to be sent."""


class Decided(NamedTuple):
    """What an event that is there already came to."""

    digest: bytes
    matched_rules: tuple[str, ...]
    delivery_ids: tuple[str, ...]


def repeated(known: Decided, event: StoredEvent) -> RecordResult:
    """Answer an event whose id is taken: by itself, or by another."""
    if known.digest != event.digest:
        return REUSED
    return RecordResult(recorded=Recorded.DUPLICATE, matched_rules=known.matched_rules, delivery_ids=known.delivery_ids)


def new(publication: Publication, joined: Mapping[str, str]) -> RecordResult:
    """Answer an event that was stored; ``joined`` names, by planned delivery, the digest that took it."""
    if not publication.deliveries and not publication.event.matched_rules:
        return NOTHING
    return RecordResult(
        recorded=Recorded.NEW,
        matched_rules=publication.event.matched_rules,
        delivery_ids=tuple(joined.get(each.id, each.id) for each in publication.deliveries),
    )
