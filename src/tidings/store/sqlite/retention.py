"""Lets go of what is past its time, a small batch at a time.

An event stays while a delivery of it has not ended; a revision while something that it decided is there, and
the one in use always. Attempts go with their delivery, and the way to an event with the event.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from tidings.store.sqlite.driver import SQL, Connection, rows_of
from tidings.store.sqlite.ids import EventIds
from tidings.store.sqlite.key_runs import drop_past
from tidings.store.values import (
    Retention,
)

_START: Final = (-(2**63), 0)


class Purger:
    """Deletes batches; part of the writing lane. Remembers how far it got, not to look again at what must stay."""

    def __init__(self, ids: EventIds) -> None:
        self._ids = ids
        self._place = _START

    def purge(self, connection: Connection, requests: Sequence[tuple[Retention, int]]) -> list[int]:
        """Delete up to a number of deliveries, events and revisions each; how many went."""
        return [self._purge(connection, *request) for request in requests]

    def _purge(self, connection: Connection, retention: Retention, limit: int) -> int:
        values = {"before": retention.deliveries_before, "limit": limit}
        gone = connection.execute(SQL["drop_deliveries"], values).rowcount
        if gone < limit:
            gone += self._events(connection, retention.events_before, limit - gone)
        if gone < limit:
            gone += drop_past(connection, limit=limit - gone)
        if gone < limit:
            values = {"before": retention.events_before, "limit": limit - gone}
            gone += connection.execute(SQL["drop_revisions"], values).rowcount
        if gone < limit:
            values = {"before": retention.reservations_before, "limit": limit - gone}
            gone += connection.execute(SQL["drop_old_reservations"], values).rowcount
        return gone

    def _events(self, connection: Connection, before: int, limit: int) -> int:
        started = self._place
        found = self._drop(connection, before, limit)
        if not found and started != _START:  # what had to stay before this place may go by now
            found = self._drop(connection, before, limit)
        return found

    def _drop(self, connection: Connection, before: int, limit: int) -> int:
        received_at, seq = self._place
        values = {"before": before, "received_at": received_at, "seq": seq, "limit": limit}
        found = rows_of(connection, "events_to_drop", values)
        self._place = (found[-1][0], found[-1][1]) if len(found) == limit else _START
        if found:
            connection.execute(SQL["drop_events"], {"seqs": orjson.dumps([seq for _, seq, *_ in found]).decode()})
            self._ids.forget((self._ids.key_of((org_id, event_id)), seq) for _, seq, org_id, event_id in found)
        return len(found)
