"""What a lease costs on PostgreSQL with 5,000,000 deliveries stored, beside 10,000; as many wait in both.

``ROWS=500000`` makes the long history shorter.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from measuring import Row, costed
from postgres_side import bench_cluster, new_database, spent_by, talking, with_postgres
from waiting import publications, write_gateway

from postgres_kit import Cluster
from tidings.intake import system_clock
from tidings.model import Cause
from tidings.store import Leased, Settlement, Store, open_store

_MANY: Final = int(os.environ.get("ROWS", "5000000"))
_FEW: Final = 10_000
_WAITING: Final = 5_120
_LIMIT: Final = 256
_RUNS: Final = 7
_GOAL: Final = 1.2
_LEASE_MS: Final = 90_000

_HISTORY: Final = """
INSERT INTO delivery (
    seq, id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient,
    state, created_at, due_at, attempts, settled_at, fence
) SELECT
    n, 'dlv_' || md5('d' || n), n, 50750, md5('e' || n), 'pointsExpiryReminder', md5('r'), 'expiring', 0, 'email',
    'address:team@example.com', 'delivered', now + n, now + n, 1, now + n + 200, 1
FROM generate_series(1, $1::bigint) AS n, (
    SELECT extract(epoch FROM now())::bigint * 1000 - $1::bigint AS now
) AS clock
"""
_INDEXES: Final = """
SELECT
    coalesce(
        'ALTER TABLE delivery DROP CONSTRAINT ' || conname, 'DROP INDEX ' || indexrelid::regclass
    ) AS dropped,
    coalesce(
        'ALTER TABLE delivery ADD CONSTRAINT ' || conname || ' ' || pg_get_constraintdef(pg_constraint.oid),
        pg_get_indexdef(indexrelid)
    ) AS made
FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND contype = 'u'
WHERE indrelid = 'delivery'::regclass AND NOT indisprimary
"""


@dataclass(slots=True)
class _Side:
    """A database, and what leasing from it took, by run."""

    store: Store
    connection: Any
    """Another connection to it."""
    wall: list[float] = field(default_factory=list)
    """Seconds a delivery that the caller waited: the median of a run's leases."""
    cpu: list[float] = field(default_factory=list)
    """Seconds a delivery that the server's processes were busy, over all of a run's leases."""


def postgres_lease() -> Sequence[Row]:
    """Compare what one lease after the other takes, each in turn with one from the other database."""
    return with_postgres("postgres-lease", _rows)


def _rows() -> Sequence[Row]:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder, bench_cluster() as cluster:
        many, few = uvloop.run(_measure(cluster, Path(folder)))
    note = f"{_MANY:,} deliveries stored, all settled but {_WAITING:,}; {_LIMIT} a lease; peer: ours with {_FEW:,}"
    return [
        costed(
            "postgres-lease",
            [each * 1e6 for each in mine],
            [each * 1e6 for each in theirs],
            unit=unit,
            most=_GOAL,
            note=note,
        )
        for unit, mine, theirs in (
            ("µs a delivery", many.wall, few.wall),
            ("µs of the server's CPU", many.cpu, few.cpu),
        )
    ]


async def _measure(cluster: Cluster, folder: Path) -> tuple[_Side, _Side]:
    config = write_gateway(folder)
    async with AsyncExitStack() as closing:
        sides = []
        for name, count in (("many", _MANY), ("few", _FEW)):
            url = await new_database(cluster, name)
            connection = await closing.enter_async_context(talking(url))
            await _write_history(connection, count - _WAITING)
            store = await closing.enter_async_context(open_store(url))
            await store.record(list(publications(config, range(_WAITING))))
            await connection.execute("VACUUM ANALYZE")
            sides.append(_Side(store, connection))
        many, few = sides
        await many.connection.execute("CHECKPOINT")
        for run in range(_RUNS + 1):
            await _run(many, few, is_warm=run > 0)
    return many, few


async def _write_history(connection: Any, count: int) -> None:
    """Store so many deliveries that were delivered; their events have been let go of. Indexes are made afterwards."""
    indexes = await connection.fetch(_INDEXES)
    async with connection.transaction():
        await connection.execute("TRUNCATE delivery CASCADE")
        for each in indexes:
            await connection.execute(each["dropped"])
        await connection.execute(_HISTORY, count)
        for each in indexes:
            await connection.execute(each["made"])
        await connection.execute("SELECT setval('delivery_seq', $1), setval('event_seq', $1)", count)


async def _run(*sides: _Side, is_warm: bool) -> None:
    """Lease all that waits, each side in turn, and give it back."""
    walls: list[list[float]] = [[] for _ in sides]
    leased: list[list[Leased]] = [[] for _ in sides]
    before = [await spent_by(each.connection) for each in sides]
    for _ in range(_WAITING // _LIMIT):
        for side, wall, found in zip(sides, walls, leased, strict=True):
            now = system_clock()
            began = time.perf_counter()
            found.extend(await side.store.lease(now=now, until=now + _LEASE_MS, limit=_LIMIT))
            wall.append(time.perf_counter() - began)
    spent = [await spent_by(each.connection) for each in sides]
    for number, side in enumerate(sides):
        if len({each.delivery.id for each in leased[number]}) != _WAITING:
            raise AssertionError(f"{len(leased[number])} deliveries were leased, not {_WAITING}")
        await _give_back(side.store, leased[number])
        if is_warm:
            side.wall.append(statistics.median(walls[number]) / _LIMIT)
            side.cpu.append((spent[number] - before[number]) / _WAITING)


async def _give_back(store: Store, leased: Sequence[Leased]) -> None:
    now = system_clock()
    settlements = [
        Settlement(delivery_id=each.delivery.id, fence=each.fence, cause=Cause.RELEASED, due_at=now, settled_at=now)
        for each in leased
    ]
    for start in range(0, len(settlements), _LIMIT):
        if not all(await store.settle(settlements[start : start + _LIMIT])):
            raise AssertionError("a lease was lost")
