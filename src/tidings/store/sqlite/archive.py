"""What came in, for people to look at: events in the order of their arrival, and bodies that could not be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tidings.store.paging import encode_place
from tidings.store.sqlite.driver import SQL, Connection, insert_rows
from tidings.store.values import (
    EventFilter,
    EventPage,
    EventSummary,
    RejectedBody,
    RejectedPage,
)

NEWEST = 2**63 - 1
"""Later than any row: where the first page starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A body to keep, and what may stay beside it."""

    rejected: RejectedBody
    keep: int
    not_before: int


def keep_rejected(connection: Connection, requests: Sequence[Keeping]) -> list[None]:
    """Keep bodies, and let go of those past their time or number."""
    bodies = [each.rejected for each in requests]
    insert_rows(
        connection,
        "keep_rejected",
        [(each.id, each.received_at, each.intake, each.reason, each.body) for each in bodies],
    )
    for request in requests[-1:]:
        connection.execute(SQL["drop_rejected"], {"keep": request.keep, "not_before": request.not_before})
    return [None] * len(requests)


def rejected_pages(connection: Connection, requests: Sequence[tuple[int, int]]) -> list[RejectedPage]:
    """Return pages of rejected bodies by page size and where the page before ended."""
    return [_rejected_page(connection, size, before) for size, before in requests]


def event_pages(connection: Connection, requests: Sequence[tuple[EventFilter, int, int]]) -> list[EventPage]:
    """Return pages of events by filter, page size and where the page before ended."""
    return [_event_page(connection, *request) for request in requests]


def _rejected_page(connection: Connection, size: int, before: int) -> RejectedPage:
    rows = connection.execute(SQL["list_rejected"], {"before": before, "limit": size + 1}).fetchall()
    bodies = tuple(
        RejectedBody(id=row[1], received_at=row[2], intake=row[3], reason=row[4], body=row[5]) for row in rows[:size]
    )
    return RejectedPage(bodies=bodies, next_token=_next_token(rows, size, RejectedBody))


def _event_page(connection: Connection, wanted: EventFilter, size: int, before: int) -> EventPage:
    values = {"before": before, "limit": size + 1, "org_id": wanted.org_id, "name": wanted.name}
    rows = connection.execute(SQL["list_events"], values).fetchall()
    events = tuple(
        EventSummary(
            org_id=row[1],
            event_id=row[2],
            name=row[3],
            received_at=row[4],
            revision=row[5],
            customer_id=row[6],
            matched_rules=tuple(orjson.loads(row[7])),
        )
        for row in rows[:size]
    )
    return EventPage(events=events, next_token=_next_token(rows, size, wanted))


def _next_token(rows: Sequence[Sequence[Any]], size: int, listing: object) -> str:
    """Return the token of the page after ``size`` of these rows, empty when no row is left for it."""
    return encode_place(rows[size - 1][0], listing) if len(rows) > size else ""
