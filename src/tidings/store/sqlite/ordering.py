"""Keeps the deliveries of a lane in order: only the first that has not ended stands in the queue.

The others are parked: their ``wake_at`` is in ``parked_at``, so that a lease never meets them. Whoever stores,
settles or moves deliveries of a lane calls ``keep_order`` in the same transaction. A delivery in a worker's
hands is left there, also when an earlier one was requeued meanwhile.
"""

from collections.abc import Sequence

import orjson

from tidings.store.sqlite.driver import SQL, Connection


def keep_order(connection: Connection, delivery_ids: Sequence[str]) -> bool:
    """Park and release in the lanes of these deliveries; say whether something may be handed out that could not."""
    if not delivery_ids:
        return False
    touched = {"ids": orjson.dumps(delivery_ids).decode()}
    connection.execute(SQL["park_followers"], touched)
    return connection.execute(SQL["release_heads"], touched).rowcount > 0
