"""Picks what a lease hands out: each organisation's queue from its beginning, as far as its share goes.

Nothing here reads further into a queue than it takes from it, so that the cost depends on the room and on the
number of organisations, never on how much waits.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from tidings.store.fairness import Shares
from tidings.store.sqlite.driver import SQL, Connection, Value, rows_of

_WINDOW: Final = 32
"""How many organisations compete for the room of one lease; where more have something due, they take turns."""
_FIRST: Final = -(2**63)
_LAST: Final = 2**63 - 1

_Due = tuple[int, int]
"""When a delivery was due or its lease lapsed, and its seq."""


class Queues:
    """Remembers whose turn it is; one for the writing lane."""

    def __init__(self) -> None:
        self._shares = Shares()
        self._first = _FIRST

    def take(self, connection: Connection, *, now: int, room: int, weights: Mapping[int, int]) -> list[int]:
        """Return the seqs of up to ``room`` deliveries that are due; they stay in the queue until they are taken."""
        most = max(room, _WINDOW)
        window, lapsed = self._window(connection, now=now, room=room, most=most)
        competing = list(dict.fromkeys([*lapsed, *window]))
        picked: dict[int, list[_Due]] = {}
        left = room
        while left and competing:
            quotas = self._shares.divide(left, competing, weights)
            sought = {org_id: len(picked.get(org_id, ())) + quota for org_id, quota in quotas.items()}
            taken: dict[int, int] = {}
            for org_id, waiting in _heads(connection, now, sought).items():
                due = sorted([*lapsed[org_id], *waiting]) if org_id in lapsed else waiting
                before = len(picked.get(org_id, ()))
                picked[org_id] = due[: sought[org_id]]
                taken[org_id] = len(picked[org_id]) - before
            self._shares.charge(taken, weights)
            left -= sum(taken.values())
            competing = [each for each in competing if taken.get(each, 0) == quotas.get(each, 0)]
        self._first = _FIRST if len(window) < most else _after_the_last(window, picked)
        return [seq for due in picked.values() for _, seq in due]

    def _window(
        self, connection: Connection, *, now: int, room: int, most: int
    ) -> tuple[list[int], dict[int, list[_Due]]]:
        """Return organisations with something due, from the one whose turn it is, and lapsed leases by organisation."""
        found, lapsed = _due(connection, {"now": now, "first": self._first, "organisations": most, "lapsed": room})
        if len(found) < most and self._first != _FIRST:
            wrapped, _ = _due(connection, {"now": now, "first": _FIRST, "organisations": most, "lapsed": 0})
            found = list(dict.fromkeys([*found, *wrapped]))[:most]
        return found, lapsed


def _after_the_last(window: Sequence[int], picked: Mapping[int, Sequence[_Due]]) -> int:
    """Return where the next window begins: after the last organisation that got something from this one."""
    served = [org_id for org_id in window if picked.get(org_id)]
    return served[-1] + 1 if served and served[-1] != _LAST else _FIRST


def _due(connection: Connection, values: Mapping[str, Value]) -> tuple[list[int], dict[int, list[_Due]]]:
    """Return organisations of which something waits that is due, and lapsed leases by organisation."""
    org_ids, leases = connection.execute(SQL["due_organisations"], values).fetchone()
    lapsed: dict[int, list[_Due]] = {}
    for org_id, wake_at, seq in orjson.loads(f"[{leases or ''}]"):
        lapsed.setdefault(org_id, []).append((wake_at, seq))
    return orjson.loads(f"[{org_ids or ''}]"), lapsed


def _heads(connection: Connection, now: int, sought: Mapping[int, int]) -> dict[int, list[_Due]]:
    """Return the beginning of each queue; those looked into about as far share a statement."""
    alike: dict[int, list[int]] = {}
    for org_id, count in sought.items():
        alike.setdefault(count.bit_length(), []).append(org_id)
    found: dict[int, list[_Due]] = {}
    for org_ids in alike.values():
        most = max(sought[org_id] for org_id in org_ids)
        values: dict[str, Value] = {"org_ids": orjson.dumps(org_ids).decode(), "now": now, "most": most}
        for org_id, flat in rows_of(connection, "queue_heads", values):
            found[org_id] = list(zip(flat[::2], flat[1::2], strict=True))
    return found
