"""What came in, for people to look at: events in the order of their arrival, and bodies that could not be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from tidings.store.paging import encode_place
from tidings.store.postgres.driver import Connection, Row
from tidings.store.values import (
    EventFilter,
    EventPage,
    EventSummary,
    RejectedBody,
    RejectedPage,
)

NEWEST: Final = 2**63 - 1
"""Later than any row: where the first page starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A body to keep, and what may stay beside it."""

    rejected: RejectedBody
    keep: int
    not_before: int


async def keep_rejected(connection: Connection, requests: Sequence[Keeping]) -> list[None]:
    """Keep bodies, and let go of those past their time or number."""
    bodies = [each.rejected for each in requests]
    await connection.change(
        "keep_rejected",
        {
            "ids": [each.id for each in bodies],
            "received": [each.received_at for each in bodies],
            "intakes": [each.intake for each in bodies],
            "reasons": [each.reason for each in bodies],
            "bodies": [each.body for each in bodies],
        },
    )
    for request in requests[-1:]:
        await connection.change("drop_rejected", {"keep": request.keep, "not_before": request.not_before})
    return [None] * len(requests)


async def rejected_pages(connection: Connection, requests: Sequence[tuple[int, int]]) -> list[RejectedPage]:
    """Return pages of rejected bodies by page size and where the page before ended."""
    return [await _rejected_page(connection, size, before) for size, before in requests]


async def event_pages(connection: Connection, requests: Sequence[tuple[EventFilter, int, int]]) -> list[EventPage]:
    """Return pages of events by filter, page size and where the page before ended."""
    return [await _event_page(connection, *request) for request in requests]


async def _rejected_page(connection: Connection, size: int, before: int) -> RejectedPage:
    rows = await connection.rows("list_rejected", {"before": before, "limit": size + 1})
    bodies = tuple(
        RejectedBody(
            id=row["id"],
            received_at=row["received_at"],
            intake=row["intake"],
            reason=row["reason"],
            body=row["body"],
        )
        for row in rows[:size]
    )
    return RejectedPage(bodies=bodies, next_token=_next_token(rows, size, RejectedBody))


async def _event_page(connection: Connection, wanted: EventFilter, size: int, before: int) -> EventPage:
    values = {"before": before, "limit": size + 1, "org_id": wanted.org_id, "name": wanted.name}
    rows = await connection.rows("list_events", values)
    events = tuple(
        EventSummary(
            org_id=row["org_id"],
            event_id=row["event_id"],
            name=row["name"],
            received_at=row["received_at"],
            revision=row["revision"],
            customer_id=row["customer_id"],
            matched_rules=tuple(orjson.loads(row["matched_rules"])),
        )
        for row in rows[:size]
    )
    return EventPage(events=events, next_token=_next_token(rows, size, wanted))


def _next_token(rows: Sequence[Row], size: int, listing: object) -> str:
    """Return the token of the page after ``size`` of these rows, empty when no row is left for it."""
    return encode_place(rows[size - 1]["seq"], listing) if len(rows) > size else ""
