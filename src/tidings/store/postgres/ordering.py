"""Keeps the deliveries of a lane in order: only the first that has not ended stands in the queue.

The others are parked: their ``wake_at`` is in ``parked_at``, so that a lease never meets them. Whoever stores,
settles or moves deliveries of a lane holds its lock, and calls ``keep_order`` in the same transaction. Locks of
lanes are taken before any row is kept. A delivery in a worker's hands is left there, also when an earlier one was
requeued meanwhile.
"""

from collections.abc import Sequence

from tidings.store.postgres.driver import Connection


async def lock_lanes(connection: Connection, lanes: Sequence[tuple[int, str]]) -> None:
    """Wait for lanes, given with their organisations, and hold them until the transaction ends."""
    if lanes:
        values = {"org_ids": [org_id for org_id, _ in lanes], "lanes": [lane for _, lane in lanes]}
        await connection.rows("lock_lanes", values)


async def lock_lanes_of(connection: Connection, delivery_ids: Sequence[str]) -> None:
    """Wait for the lanes of deliveries, and hold them until the transaction ends."""
    if delivery_ids:
        await connection.rows("lock_lanes_of", {"ids": delivery_ids})


async def keep_order(connection: Connection, delivery_ids: Sequence[str]) -> bool:
    """Park and release in the lanes of these deliveries; say whether something may be handed out that could not."""
    if not delivery_ids:
        return False
    touched = {"ids": delivery_ids}
    await connection.change("park_followers", touched)
    return await connection.change("release_heads", touched) > 0
