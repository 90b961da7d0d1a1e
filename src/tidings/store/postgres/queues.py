"""Picks what a lease hands out: each organisation's queue from its beginning, as far as its share goes.

Nothing here reads further into a queue than it takes from it, so that the cost depends on the room and on the
number of organisations, never on how much waits. What is picked is kept from all others until the transaction ends;
what others have picked is passed over without waiting for them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tidings.store.fairness import Shares
from tidings.store.postgres.driver import Connection

_WINDOW: Final = 32
"""How many organisations compete for the room of one lease; where more have something due, they take turns."""
_FIRST: Final = -(2**63)
_LAST: Final = 2**63 - 1

_Due = tuple[int, int]
"""When a delivery was due or its lease lapsed, and its seq."""


class Queues:
    """Remembers whose turn it is; one for each process."""

    def __init__(self) -> None:
        self._shares = Shares()
        self._first = _FIRST

    async def take(self, connection: Connection, *, now: int, room: int, weights: Mapping[int, int]) -> list[int]:
        """Return the seqs of up to ``room`` deliveries that are due."""
        most = max(room, _WINDOW)
        window = await self._window(connection, now=now, most=most)
        lapsed = await _lapsed(connection, now=now, room=room)
        competing = list(dict.fromkeys([*lapsed, *window]))
        picked: dict[int, list[_Due]] = {}
        left = room
        while left and competing:
            quotas = self._shares.divide(left, competing, weights)
            sought = {org_id: len(picked.get(org_id, ())) + quota for org_id, quota in quotas.items()}
            heads = await _heads(connection, now, sought)
            taken: dict[int, int] = {}
            for org_id, count in sought.items():
                due = sorted([*lapsed.get(org_id, ()), *heads.get(org_id, ())])[:count]
                taken[org_id] = len(due) - len(picked.get(org_id, ()))
                picked[org_id] = due
            self._shares.charge(taken, weights)
            left -= sum(taken.values())
            competing = [each for each in competing if taken.get(each, 0) == quotas.get(each, 0)]
        self._first = _FIRST if len(window) < most else _after_the_last(window, picked)
        return [seq for due in picked.values() for _, seq in due]

    async def _window(self, connection: Connection, *, now: int, most: int) -> list[int]:
        """Return organisations with something due, from the one whose turn it is."""
        found = await _due_organisations(connection, now=now, first=self._first, limit=most)
        if len(found) < most and self._first != _FIRST:
            wrapped = await _due_organisations(connection, now=now, first=_FIRST, limit=most)
            found = list(dict.fromkeys([*found, *wrapped]))[:most]
        return found


def _after_the_last(window: Sequence[int], picked: Mapping[int, Sequence[_Due]]) -> int:
    """Return where the next window begins: after the last organisation that got something from this one."""
    served = [org_id for org_id in window if picked.get(org_id)]
    return served[-1] + 1 if served and served[-1] != _LAST else _FIRST


async def _due_organisations(connection: Connection, *, now: int, first: int, limit: int) -> list[int]:
    rows = await connection.rows("due_organisations", {"now": now, "first": first, "limit": limit})
    return [row["org_id"] for row in rows]


async def _lapsed(connection: Connection, *, now: int, room: int) -> dict[int, list[_Due]]:
    """Return lapsed leases by organisation."""
    return _by_org(await connection.rows("lapsed_leases", {"now": now, "limit": room}))


async def _heads(connection: Connection, now: int, sought: Mapping[int, int]) -> dict[int, list[_Due]]:
    """Return the beginning of each queue."""
    values = {"org_ids": list(sought), "counts": list(sought.values()), "now": now}
    return _by_org(await connection.rows("queue_heads", values))


def _by_org(rows: Sequence[Mapping[str, int]]) -> dict[int, list[_Due]]:
    found: dict[int, list[_Due]] = {}
    for row in rows:
        found.setdefault(row["org_id"], []).append((row["wake_at"], row["seq"]))
    return found
