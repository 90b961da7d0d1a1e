"""What can be asked of a store without changing it."""

from collections.abc import Sequence
from typing import Any

import orjson

from tidings.model import Attempt, Delivery, State
from tidings.store.causes import FAILED, UNFINISHED
from tidings.store.paging import Position, encode_token
from tidings.store.sqlite.driver import SQL, Connection, Value, rows_of, value_of
from tidings.store.sqlite.filters import filter_values
from tidings.store.sqlite.ids import EventIds, Identity
from tidings.store.sqlite.key_runs import seqs_of
from tidings.store.sqlite.rows import attempt_of, delivery_of, event_of
from tidings.store.values import (
    Backlog,
    DeliveryFilter,
    DeliveryPage,
    EndpointState,
    Revision,
    StoredEvent,
)


class EventReader:
    """Finds events by their identity; for whoever remembers the newest ones, or is told by those who do."""

    def __init__(self, ids: EventIds) -> None:
        self._ids = ids

    def read(self, connection: Connection, identities: Sequence[Identity]) -> list[StoredEvent | None]:
        """Return events by organisation and id."""
        return [self._event(connection, identity) for identity in identities]

    def _event(self, connection: Connection, identity: Identity) -> StoredEvent | None:
        key = self._ids.key_of(identity)
        known_seq = self._ids.last_seq  # first: an event that memory takes over meanwhile is looked for beyond it
        seqs = self._ids.glance(key)
        _, indexed_seq = connection.execute(SQL["how_far_events_go"]).fetchone()
        seqs += seqs_of(connection, [key])  # last: what was written meanwhile is there
        values: dict[str, Value] = {
            "seqs": orjson.dumps(seqs).decode(),
            "known_seq": known_seq,
            "indexed_seq": indexed_seq,
            "org_id": identity[0],
            "event_id": identity[1],
        }
        row = connection.execute(SQL["get_event"], values).fetchone()
        return None if row is None else event_of(row)


class Reader:
    """Reads for several callers at a time; part of the reading lanes."""

    def deliveries(
        self, connection: Connection, names: Sequence[str]
    ) -> list[tuple[Delivery, tuple[Attempt, ...]] | None]:
        """Return deliveries by id, with their attempts, oldest first."""
        return [_delivery(connection, name) for name in names]

    def pages(
        self, connection: Connection, requests: Sequence[tuple[DeliveryFilter, int, Position | None]]
    ) -> list[DeliveryPage]:
        """Return pages by filter, page size and where the page before ended."""
        return [_page(connection, *request) for request in requests]

    def revisions(self, connection: Connection, names: Sequence[str]) -> list[Revision | None]:
        """Return rulebook revisions by id."""
        return [_revision(connection, name) for name in names]

    def next_due(self, connection: Connection, requests: Sequence[None]) -> list[int | None]:
        """Return the earliest time at which a lease could take something."""
        return [value_of(connection, "next_due", {})] * len(requests)

    def versions(self, connection: Connection, requests: Sequence[None]) -> list[int]:
        """Return a number that changes whenever another connection, of whichever process, has committed."""
        return [connection.execute("PRAGMA data_version").fetchone()[0]] * len(requests)

    def endpoint_states(self, connection: Connection, requests: Sequence[None]) -> list[list[EndpointState]]:
        """Return what is remembered of every endpoint."""
        rows = connection.execute(SQL["endpoint_states"]).fetchall()
        states = [
            EndpointState(
                org_id=row[0],
                name=row[1],
                failing_since=row[2],
                disabled_at=row[3],
                reason=row[4],
                url_digest=row[5],
            )
            for row in rows
        ]
        return [list(states) for _ in requests]

    def backlogs(self, connection: Connection, requests: Sequence[None]) -> list[Backlog]:
        """Count what has not ended."""
        return [_backlog(connection)] * len(requests)


def _delivery(connection: Connection, name: str) -> tuple[Delivery, tuple[Attempt, ...]] | None:
    row = connection.execute(SQL["get_delivery"], {"id": name}).fetchone()
    if row is None:
        return None
    attempts = orjson.loads(f"[{row[1] or ''}]")
    return delivery_of(orjson.loads(row[0])), tuple(attempt_of(each) for each in attempts)


def _page(connection: Connection, wanted: DeliveryFilter, size: int, after: Position | None) -> DeliveryPage:
    values = filter_values(wanted) | {"limit": size + 1}  # one more tells whether another page follows
    if after is not None:
        values |= {"created_at": after.created_at, "id": after.id}
    found: list[Any] = rows_of(connection, _listing(wanted), values)
    deliveries = tuple(delivery_of(document) for document in found[:size])
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


def _revision(connection: Connection, name: str) -> Revision | None:
    row = connection.execute(SQL["get_revision"], {"id": name}).fetchone()
    return None if row is None else Revision(id=row[0], created_at=row[1], archive=row[2])


def _backlog(connection: Connection) -> Backlog:
    waiting, held, sending, oldest = connection.execute(SQL["backlog"], {}).fetchone()
    counts = {State.WAITING: waiting, State.HELD: held, State.SENDING: sending}
    return Backlog(counts=counts, oldest_due_at=oldest)
