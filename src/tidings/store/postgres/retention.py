"""Lets go of what is past its time, a small batch at a time, in one process at a time.

An event stays while a delivery of it has not ended; a revision while something that it decided is there, and
the one in use always. Attempts go with their delivery. Tables are not split by time: that an event id is unique
within its organisation must hold over all of them, which PostgreSQL can promise only within one.
"""

from collections.abc import Sequence
from typing import Final

from tidings.store.postgres.driver import Connection
from tidings.store.values import (
    Retention,
)

_START: Final = (-(2**63), 0)


class Purger:
    """Deletes batches; part of a lane that writes. Remembers how far it got, not to look again at what must stay."""

    def __init__(self) -> None:
        self._place = _START

    async def purge(self, connection: Connection, requests: Sequence[tuple[Retention, int]]) -> list[int]:
        """Delete up to a number of deliveries, events, revisions and reservations each; how many went.

        None go while another process is at it.
        """
        ours = await connection.row("only_one_purges")
        if ours is None or not ours["ours"]:
            return [0] * len(requests)
        return [await self._purge(connection, *request) for request in requests]

    async def _purge(self, connection: Connection, retention: Retention, limit: int) -> int:
        row = await connection.row("drop_deliveries", {"before": retention.deliveries_before, "limit": limit})
        gone: int = 0 if row is None else row["gone"]
        if gone < limit:
            gone += await self._events(connection, retention.events_before, limit - gone)
        if gone < limit:
            values = {"before": retention.events_before, "limit": limit - gone}
            gone += await connection.change("drop_revisions", values)
        if gone < limit:
            values = {"before": retention.reservations_before, "limit": limit - gone}
            gone += await connection.change("drop_old_reservations", values)
        return gone

    async def _events(self, connection: Connection, before: int, limit: int) -> int:
        started = self._place
        found = await self._drop(connection, before, limit)
        if not found and started != _START:  # what had to stay before this place may go by now
            found = await self._drop(connection, before, limit)
        return found

    async def _drop(self, connection: Connection, before: int, limit: int) -> int:
        received_at, seq = self._place
        values = {"before": before, "received_at": received_at, "seq": seq, "limit": limit}
        found = await connection.rows("events_to_drop", values)
        self._place = (found[-1]["received_at"], found[-1]["seq"]) if len(found) == limit else _START
        if not found:
            return 0
        return await connection.change("drop_events", {"seqs": [row["seq"] for row in found]})
