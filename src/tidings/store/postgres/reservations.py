"""Counting deliveries against limits: exact, because whoever counts against a key holds its lock.

A reservation is made before a delivery is sent. While the delivery is under way it counts whatever the hour; from
when it was sent it counts for as long as a limit looks back; if it ends without being sent, it never counted.
"""

from collections.abc import Sequence
from typing import Final

from tidings.store.postgres.driver import Connection
from tidings.store.values import (
    Claim,
)

UNDER_WAY: Final = 2**63 - 1
"""Later than any time: what is under way is within every window."""


async def reserve(connection: Connection, claims: Sequence[Claim]) -> list[tuple[int | None, ...]]:
    """Count the deliveries of several callers, one after the other."""
    keys = sorted({(claim.org_id, limit.key) for claim in claims for limit in claim.limits})
    await connection.rows("lock_keys", {"org_ids": [org_id for org_id, _ in keys], "keys": [key for _, key in keys]})
    return [await _reserve(connection, claim) for claim in claims]


async def _reserve(connection: Connection, claim: Claim) -> tuple[int | None, ...]:
    """Count a delivery if all its limits have room: None for each, or when it will have room."""
    units = [each.unit or claim.delivery_id for each in claim.limits]
    keys = [each.key for each in claim.limits]
    rows = await connection.rows(
        "room_left",
        {
            "org_id": claim.org_id,
            "keys": keys,
            "units": units,
            "limits": [each.limit for each in claim.limits],
            "sinces": [claim.now - each.per for each in claim.limits],
        },
    )
    answers = tuple(
        None if row["last_at"] is None else min(row["last_at"], claim.now) + limit.per
        for row, limit in zip(rows, claim.limits, strict=True)
    )
    if all(each is None for each in answers):
        counted = {"org_id": claim.org_id, "keys": keys, "units": units, "delivery_id": claim.delivery_id}
        await connection.change("insert_reservations", counted | {"sent_at": UNDER_WAY})
    return answers


async def count_sent(connection: Connection, sent: Sequence[tuple[str, int]]) -> None:
    """Let deliveries, given with the time at which they were sent, count from then on."""
    if sent:
        values = {"ids": [name for name, _ in sent], "times": [at for _, at in sent]}
        await connection.change("keep_reservations", values)


async def count_no_more(connection: Connection, delivery_ids: Sequence[str]) -> None:
    """Forget deliveries that ended without being sent."""
    if delivery_ids:
        await connection.change("drop_reservations", {"ids": delivery_ids})
