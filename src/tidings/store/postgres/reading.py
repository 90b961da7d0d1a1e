"""What can be asked of a store without changing it."""

from collections.abc import Sequence

from tidings.model import Attempt, Delivery, State
from tidings.store.causes import FAILED, UNFINISHED
from tidings.store.paging import Position, encode_token
from tidings.store.postgres.driver import Connection
from tidings.store.postgres.filters import filter_values
from tidings.store.postgres.rows import attempt_of, delivery_of, event_of
from tidings.store.values import (
    Backlog,
    DeliveryFilter,
    DeliveryPage,
    EndpointState,
    Revision,
    StoredEvent,
)


async def events_named(connection: Connection, identities: Sequence[tuple[int, str]]) -> list[StoredEvent | None]:
    """Return events by organisation and id."""
    rows = [await connection.row("get_event", {"org_id": org_id, "event_id": name}) for org_id, name in identities]
    return [None if row is None else event_of(row) for row in rows]


async def deliveries_named(
    connection: Connection, names: Sequence[str]
) -> list[tuple[Delivery, tuple[Attempt, ...]] | None]:
    """Return deliveries by id, with their attempts, oldest first."""
    return [await _delivery(connection, name) for name in names]


async def delivery_pages(
    connection: Connection, requests: Sequence[tuple[DeliveryFilter, int, Position | None]]
) -> list[DeliveryPage]:
    """Return pages by filter, page size and where the page before ended."""
    return [await _page(connection, *request) for request in requests]


async def revisions_named(connection: Connection, names: Sequence[str]) -> list[Revision | None]:
    """Return rulebook revisions by id."""
    rows = [await connection.row("get_revision", {"id": name}) for name in names]
    return [
        None if row is None else Revision(id=row["id"], created_at=row["created_at"], archive=row["archive"])
        for row in rows
    ]


async def next_due(connection: Connection, requests: Sequence[None]) -> list[int | None]:
    """Return the earliest time at which a lease could take something."""
    row = await connection.row("next_due")
    return [None if row is None else row["due"]] * len(requests)


async def endpoint_states(connection: Connection, requests: Sequence[None]) -> list[list[EndpointState]]:
    """Return what is remembered of every endpoint."""
    states = [EndpointState(**dict(row)) for row in await connection.rows("endpoint_states")]
    return [list(states) for _ in requests]


async def backlogs(connection: Connection, requests: Sequence[None]) -> list[Backlog]:
    """Count what has not ended."""
    (row,) = await connection.rows("backlog")
    counts = {State.WAITING: row["waiting"], State.HELD: row["held"], State.SENDING: row["sending"]}
    return [Backlog(counts=counts, oldest_due_at=row["oldest"])] * len(requests)


async def _delivery(connection: Connection, name: str) -> tuple[Delivery, tuple[Attempt, ...]] | None:
    row = await connection.row("get_delivery", {"id": name})
    if row is None:
        return None
    attempts = await connection.rows("attempts_of", {"seq": row["seq"]})
    return delivery_of(row), tuple(attempt_of(each) for each in attempts)


async def _page(connection: Connection, wanted: DeliveryFilter, size: int, after: Position | None) -> DeliveryPage:
    values = filter_values(wanted) | {"limit": size + 1}  # one more tells whether another page follows
    if after is not None:
        values |= {"created_at": after.created_at, "id": after.id}
    found = await connection.rows(_listing(wanted), values)
    deliveries = tuple(delivery_of(row) for row in found[:size])
    if len(found) <= size:
        return DeliveryPage(deliveries=deliveries, next_token="")
    last = Position(created_at=deliveries[-1].created_at, id=deliveries[-1].id)
    return DeliveryPage(deliveries=deliveries, next_token=encode_token(last, wanted))


def _listing(wanted: DeliveryFilter) -> str:
    """Name the statement whose index leaves the fewest deliveries to look through."""
    if wanted.event_id is not None:
        return "list_by_event"
    if wanted.states and wanted.states <= FAILED:
        return "list_failed"
    if wanted.states and wanted.states <= UNFINISHED:
        return "list_unfinished"
    return "list_all" if wanted.org_id is None else "list_by_org"
