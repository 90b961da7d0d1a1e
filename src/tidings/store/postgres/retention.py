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

_FIRST: Final = -(2**63)
_START: Final = (_FIRST, 0)


class Purger:
    """Deletes batches; part of a lane that writes.

    Remembers how far it got until there is nothing left to do: not to look again at what must stay, nor at what is
    gone and stands in the indexes for as long as somebody, a backup say, reads the tables as they were.
    """

    def __init__(self) -> None:
        self._place = _START
        self._settled_at = _FIRST

    async def purge(self, connection: Connection, requests: Sequence[tuple[Retention, int]]) -> list[int]:
        """Delete up to a number of deliveries, events, revisions and reservations each; how many went.

        None go while another process is at it.
        """
        ours = await connection.row("only_one_purges")
        if ours is None or not ours["ours"]:
            return [0] * len(requests)
        return [await self._purge(connection, *request) for request in requests]

    async def _purge(self, connection: Connection, retention: Retention, limit: int) -> int:
        gone = await self._deliveries(connection, retention.deliveries_before, limit)
        if gone < limit:
            gone += await self._events(connection, retention.events_before, limit - gone)
        if gone < limit:
            values = {"before": retention.events_before, "limit": limit - gone}
            gone += await connection.change("drop_revisions", values)
        if gone < limit:
            values = {"before": retention.reservations_before, "limit": limit - gone}
            gone += await connection.change("drop_old_reservations", values)
        if not gone and self._settled_at != _FIRST:  # some may have ended before this place and been told of since
            self._settled_at = _FIRST
            gone = await self._deliveries(connection, retention.deliveries_before, limit)
        return gone

    async def _deliveries(self, connection: Connection, before: int, limit: int) -> int:
        values = {"before": before, "settled_at": self._settled_at, "limit": limit}
        row = await connection.row("drop_deliveries", values)
        if row is None or not row["gone"]:
            return 0
        self._settled_at = row["last"]
        gone: int = row["gone"]
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
