"""Digests: deliveries that gather events until they go.

A digest is open while it waits for its time. Whoever leases it closes it; brought back untried, as by quiet hours, it
is opened again, unless the next digest of its key has begun meanwhile. One whose lease lapsed stays closed: it may
have been sent, and what joined it afterwards would be lost. Whoever fills or opens a digest holds the lock of its key;
a lease passes over those that somebody is filling just now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidings.model import PlannedDelivery
from tidings.store.postgres.driver import Connection
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


async def lock_digests(connection: Connection, keys: Sequence[tuple[int, str]]) -> None:
    """Wait for keys, given with their organisations, and hold them until the transaction ends."""
    if keys:
        values = {"org_ids": [org_id for org_id, _ in keys], "keys": [key for _, key in keys]}
        await connection.rows("lock_digests", values)


async def gather(
    connection: Connection, seq: int, event: StoredEvent, planned: PlannedDelivery, columns: Mapping[str, Any]
) -> Joined:
    """Let an event join the open digest of its key, or open one from the columns of its own delivery."""
    found = await connection.row("open_digest", {"org_id": event.org_id, "key": planned.digest})
    if found is not None:
        digest_seq, name = found["seq"], found["id"]
        await connection.change("stretch_expiry", {"seq": digest_seq, "expires_at": planned.expires_at})
    else:
        if not await connection.change("insert_deliveries", columns):
            # the same decision made again, long after its event was let go of
            return Joined(planned.id, opened=False)
        ((digest_seq,),) = await connection.rows("insert_digest", {"id": planned.id, "key": planned.digest})
        await connection.change("hold_digest", {"seq": digest_seq, "reason": _reason(planned.due_at)})
        name = planned.id
    member = {"event_seq": seq, "event_id": event.event_id, "added_at": event.received_at}
    await connection.change("insert_member", {"delivery_seq": digest_seq, "expires_at": planned.expires_at} | member)
    return Joined(name, opened=found is None)


async def being_filled(connection: Connection, seqs: Sequence[int]) -> set[int]:
    """Keep the keys of deliveries that are digests; return those whose key somebody else holds."""
    return {row["seq"] for row in await connection.rows("try_digests_of", {"seqs": seqs})}


async def take_digests(connection: Connection, seqs: Sequence[int]) -> None:
    """Let digests that are handed out take no more."""
    await connection.change("take_digests", {"seqs": seqs})


async def lock_digests_of(connection: Connection, seqs: Sequence[int]) -> None:
    """Wait for the keys of those deliveries that are digests, and hold them until the transaction ends."""
    if seqs:
        await connection.rows("lock_digests_of", {"seqs": seqs})


async def reopen_digests(connection: Connection, seqs: Sequence[int]) -> None:
    """Let digests that came back untried take more again."""
    if seqs:
        await lock_digests_of(connection, seqs)
        await connection.change("reopen_digests", {"seqs": seqs})


async def close_digests(connection: Connection, seqs: Sequence[int]) -> None:
    """Let digests that somebody moved take no more."""
    await lock_digests_of(connection, seqs)
    await connection.change("close_digests", {"seqs": seqs})


async def drop_members(connection: Connection, members: Sequence[tuple[int, int]]) -> list[int]:
    """Let events, given as digest and event by number, leave their digests; the numbers of these."""
    if not members:
        return []
    seqs = sorted({seq for seq, _ in members})
    await lock_digests_of(connection, seqs)
    leaving = {"seqs": [seq for seq, _ in members], "event_seqs": [event for _, event in members]}
    await connection.change("drop_members", leaving)
    await connection.change("shrink_expiry", {"seqs": seqs})
    return seqs


async def members_of(connection: Connection, statement: str, values: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return what a statement finds in digests, as digest and event by number."""
    return [(row["delivery_seq"], row["event_seq"]) for row in await connection.rows(statement, values)]


async def gathered(connection: Connection, requests: Sequence[tuple[str, int, int]]) -> list[Gathered | None]:
    """Return what digests hold, given as delivery, time and how much at the most."""
    return [await _gathered(connection, *request) for request in requests]


async def _gathered(connection: Connection, name: str, now: int, most: int) -> Gathered | None:
    rows = await connection.rows("gathered", {"id": name, "now": now, "most": most})
    if not rows:
        return None
    contents = tuple(row["content"] for row in reversed(rows))
    return Gathered(events=contents, more=rows[0]["total"] - len(rows), until=rows[0]["until"])


def _reason(until: int) -> str:
    return f"gathering until {datetime.fromtimestamp(until / 1000, UTC).isoformat(timespec='seconds')[:19]}Z"
