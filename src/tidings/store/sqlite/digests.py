"""Digests: deliveries that gather events until they go.

A digest is open while it waits for its time. Whoever leases it closes it; brought back untried, as by quiet hours, it
is opened again, unless the next digest of its key has begun meanwhile. One whose lease lapsed stays closed: it may
have been sent, and what joined it afterwards would be lost. All of it happens in the one writing lane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from tidings.model import PlannedDelivery
from tidings.store.sqlite.driver import SQL, Connection, Value, insert_rows, rows_of
from tidings.store.values import (
    Gathered,
    StoredEvent,
)


@dataclass(frozen=True, slots=True)
class Joined:
    """Where an event went."""

    delivery_id: str
    opened: bool
    """Whether the digest begins with it."""


def gather(
    connection: Connection, seq: int, event: StoredEvent, planned: PlannedDelivery, row: tuple[Value, ...]
) -> Joined:
    """Let an event join the open digest of its key, or open one from the row of its own delivery."""
    found = connection.execute(SQL["open_digest"], {"org_id": event.org_id, "key": planned.digest}).fetchone()
    if found is not None:
        digest_seq, name = found
        connection.execute(SQL["stretch_expiry"], {"seq": digest_seq, "expires_at": planned.expires_at})
    else:
        before = connection.total_changes
        insert_rows(connection, "insert_deliveries", [row])
        if connection.total_changes == before:  # the same decision made again, long after its event was let go of
            return Joined(planned.id, opened=False)
        values = {"id": planned.id, "key": planned.digest}
        ((digest_seq,),) = connection.execute(SQL["insert_digest"], values).fetchall()
        connection.execute(SQL["hold_digest"], {"seq": digest_seq, "reason": _reason(planned.due_at)})
        name = planned.id
    insert_rows(
        connection, "insert_members", [(digest_seq, seq, event.event_id, event.received_at, planned.expires_at)]
    )
    return Joined(name, opened=found is None)


def take_digests(connection: Connection, seqs: Sequence[int]) -> None:
    """Let digests that are handed out take no more."""
    connection.execute(SQL["take_digests"], {"seqs": orjson.dumps(seqs).decode()})


def reopen_digests(connection: Connection, seqs: Sequence[int]) -> None:
    """Let digests that came back untried take more again."""
    if seqs:
        connection.execute(SQL["reopen_digests"], {"seqs": orjson.dumps(seqs).decode()})


def close_digests(connection: Connection, seqs: Sequence[int]) -> None:
    """Let digests that somebody moved take no more."""
    connection.execute(SQL["close_digests"], {"seqs": orjson.dumps(seqs).decode()})


def drop_members(connection: Connection, members: Sequence[tuple[int, int]]) -> list[int]:
    """Let events, given as digest and event by number, leave their digests; the numbers of these."""
    if not members:
        return []
    seqs = sorted({seq for seq, _ in members})
    connection.execute(SQL["drop_members"], {"members": orjson.dumps(members).decode()})
    connection.execute(SQL["shrink_expiry"], {"seqs": orjson.dumps(seqs).decode()})
    return seqs


def members_of(connection: Connection, statement: str, values: dict[str, Value]) -> list[tuple[int, int]]:
    """Return what a statement finds in digests, as digest and event by number."""
    return [(digest, event) for digest, event in rows_of(connection, statement, values)]


def gathered(connection: Connection, requests: Sequence[tuple[str, int, int]]) -> list[Gathered | None]:
    """Return what digests hold, given as delivery, time and how much at the most."""
    return [_gathered(connection, *request) for request in requests]


def _gathered(connection: Connection, name: str, now: int, most: int) -> Gathered | None:
    rows = connection.execute(SQL["gathered"], {"id": name, "now": now, "most": most}).fetchall()
    if not rows:
        return None
    until, total, _ = rows[0]
    return Gathered(events=tuple(content for _, _, content in reversed(rows)), more=total - len(rows), until=until)


def _reason(until: int) -> str:
    return f"gathering until {datetime.fromtimestamp(until / 1000, UTC).isoformat(timespec='seconds')[:19]}Z"
