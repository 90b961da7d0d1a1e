"""Publishing on PostgreSQL while retention purges, beside publishing while it rests; and what purging leaves behind.

``ROWS=50000`` stores fewer events that are past their time, ``RUNS=3`` measures fewer pairs of stretches.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from measuring import Row, costed
from postgres_side import bench_cluster, new_database, spent_by, talking, with_postgres
from waiting import publications, write_gateway

from postgres_kit import Cluster
from tidings.dispatch import RetentionSettings, purge_all
from tidings.intake import system_clock
from tidings.store import Publication, Retention, Store, open_store

_COUNT: Final = int(os.environ.get("ROWS", "100000"))
_RUNS: Final = int(os.environ.get("RUNS", "9"))
_GOAL: Final = 1.5
_MOST_GROWTH: Final = 1.05
_CYCLES: Final = 5
_MORE: Final = 2
"""How many fills more there are for the purge beside publishing, which would be through with one too soon."""
_TURNS: Final = 6
"""How often a run changes between publishing with a purge and without one."""
_STRETCH: Final = 100
"""Events published in a turn of each, one a call."""
_EVERY: Final = 0.005
"""Seconds from one to the next, whether or not that one is acknowledged."""
_BATCH: Final = 100
"""Rows a transaction where nothing else is done, as it is beside other work."""
_SETTINGS: Final = RetentionSettings()
_AGO: Final = 400 * 86_400.0
"""How long ago ended what is past its time, seconds."""
_PATIENCE: Final = 180.0

_FILL: Final = """
WITH sample AS MATERIALIZED (SELECT * FROM event ORDER BY seq LIMIT 1), events AS (
    INSERT INTO event (seq, org_id, event_id, name, received_at, revision, content, digest, matched_rules)
    SELECT nextval('event_seq'), org_id, $1 || n, name, $2::bigint + n, revision, content, digest, matched_rules
    FROM generate_series(1, $3::bigint) AS n CROSS JOIN sample
    RETURNING seq, event_id, org_id, revision, received_at
), deliveries AS (
    INSERT INTO delivery (
        seq, id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient,
        state, created_at, due_at, attempts, settled_at, fence
    ) SELECT
        nextval('delivery_seq'), 'dlv_' || md5(event_id), seq, org_id, event_id, 'pointsExpiryReminder', revision,
        'expiring', 0, 'email', 'address:team@example.com', 'delivered', received_at, received_at, 1,
        received_at + 200, 1
    FROM events
    RETURNING seq, created_at
)
INSERT INTO attempt (delivery_seq, number, started_at, duration_ms, outcome, status_code, detail)
SELECT seq, 1, created_at, 200, 'accepted', 250, '250 2.0.0 taken' FROM deliveries
"""
_ROWS: Final = "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM delivery)"
_SIZE: Final = """
SELECT sum(pg_total_relation_size(relid))::float FROM pg_stat_user_tables
WHERE relname IN ('event', 'delivery', 'attempt')
"""
_UNCLEARED: Final = (
    "SELECT coalesce(max(n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname IN ('event', 'delivery', 'attempt')"
)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What was measured."""

    beside: list[float] = field(default_factory=list)
    """The 99th percentile of publishing while it is purged, ms, by run."""
    alone: list[float] = field(default_factory=list)
    """The same while it is not."""
    gone: float = 0.0
    """Rows a second that were purged meanwhile, attempts uncounted."""
    rate: list[float] = field(default_factory=list)
    """Rows a second where nothing else is done, by cycle."""
    cost: list[float] = field(default_factory=list)
    """Processor time of the server for each, µs."""
    sizes: list[float] = field(default_factory=list)
    """What tables and indexes grew by with what is past its time, MiB, by cycle."""


def postgres_retention() -> Sequence[Row]:
    """Fill and purge in turn, then publish in stretches with and without a purge in the same process."""
    return with_postgres("postgres-retention", _rows)


def _rows() -> Sequence[Row]:
    row = "postgres-retention"
    # By default a server lets a fifth of a table lie, and that would come out as growth or not by the minute.
    settings = {"autovacuum_naptime": "1s", "autovacuum_vacuum_scale_factor": "0.02"}
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder, bench_cluster(**settings) as cluster:
        found = uvloop.run(_measure(cluster, Path(folder)))
    alone, cost = statistics.median(found.rate), statistics.median(found.cost)
    rate = f"{found.gone:,.0f} rows/s go meanwhile; alone {alone:,.0f}, {cost:.0f} µs of the server's CPU each"
    note = f"{1 / _EVERY:,.0f} events/s, one a call; peer: without the purge; {rate}"
    filled = f"{_COUNT:,} events, a delivery and an attempt each, as many kept; peer: the fill and purge before"
    return [
        costed(row, found.beside, found.alone, unit="ms, p99 of publishing", most=_GOAL, note=note),
        costed(row, found.sizes[-1:], found.sizes[-2:-1], unit="MiB of growth", most=_MOST_GROWTH, note=filled),
    ]


async def _measure(cluster: Cluster, folder: Path) -> _Found:
    config = write_gateway(folder)
    url = await new_database(cluster, "kept")
    found = _Found()
    async with AsyncExitStack() as closing:
        store = await closing.enter_async_context(open_store(url))
        connection = await closing.enter_async_context(talking(url))
        new = list(publications(config, range(1 + (_RUNS + 1) * _TURNS * 2 * _STRETCH)))
        await store.record(new[:1])
        await _fill(connection, "kept", ago=_SETTINGS.events / 2)
        before = await connection.fetchval(_SIZE)
        for cycle in range(_CYCLES):
            if cycle:
                await _purge(store, connection, found)
                await _cleared(connection)
            await _fill(connection, f"past-{cycle}", ago=_AGO)
            found.sizes.append((await connection.fetchval(_SIZE) - before) / 2**20)
        for number in range(_MORE):
            await _fill(connection, f"more-{number}", ago=_AGO)
        await _publish_in_turns(store, connection, new[1:], found)
    return found


async def _fill(connection: Any, name: str, *, ago: float) -> None:
    """Store what has ended, so many seconds ago."""
    await connection.execute(_FILL, f"{name}-", system_clock() - int(ago * 1000), _COUNT)
    await connection.execute("ANALYZE")


async def _purge(store: Store, connection: Any, found: _Found) -> None:
    """Purge without rest, as one who has nothing else to do."""
    before = system_clock() - int(_AGO / 2 * 1000)
    past = Retention(events_before=before, deliveries_before=before)
    began, spent, gone = time.perf_counter(), await spent_by(connection), 0
    while rows := await store.purge(past, limit=_BATCH):
        gone += rows
    found.rate.append(gone / (time.perf_counter() - began))
    found.cost.append((await spent_by(connection) - spent) / gone * 1e6)
    if gone != 2 * _COUNT:
        raise AssertionError(f"{gone} rows went, not {2 * _COUNT}")


async def _cleared(connection: Any) -> None:
    """Wait until the server has of itself cleared away what purging left."""
    deadline = time.monotonic() + _PATIENCE
    while await connection.fetchval(_UNCLEARED) > _COUNT / 10:
        if time.monotonic() > deadline:
            raise AssertionError(f"in {_PATIENCE:g} s the server has not cleared away what was purged")
        await asyncio.sleep(0.5)


async def _publish_in_turns(store: Store, connection: Any, new: Sequence[Publication], found: _Found) -> None:
    """Publish in short turns with a purge beside it and without; the first run is for warming up."""
    stretches = (new[start : start + _STRETCH] for start in range(0, len(new), _STRETCH))
    rows = await connection.fetchval(_ROWS)
    purging = 0.0
    for run in range(_RUNS + 1):
        beside: list[float] = []
        alone: list[float] = []
        for _ in range(_TURNS):
            began = time.perf_counter()
            async with _purging(store):
                beside += await _publish(store, next(stretches))
            purging += time.perf_counter() - began
            alone += await _publish(store, next(stretches))
        if run:
            found.beside.append(_p99_ms(beside))
            found.alone.append(_p99_ms(alone))
    found.gone = (rows + 2 * len(new) - await connection.fetchval(_ROWS)) / purging


@asynccontextmanager
async def _purging(store: Store) -> AsyncIterator[None]:
    """Purge beside the block, at the pace at which a gateway does."""
    task = asyncio.create_task(purge_all(store, _SETTINGS, clock=system_clock))
    try:
        yield
        if task.done():
            raise AssertionError("there was not enough to purge")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _publish(store: Store, new: Sequence[Publication]) -> list[float]:
    """Publish one after the other at an even pace; the seconds that each took from when it was due."""
    began = time.perf_counter()

    async def publish(number: int, publication: Publication) -> float:
        due = began + number * _EVERY
        await asyncio.sleep(due - time.perf_counter())
        await store.record([publication])
        return time.perf_counter() - due

    return await asyncio.gather(*(publish(*each) for each in enumerate(new)))


def _p99_ms(took: Sequence[float]) -> float:
    return statistics.quantiles(took, n=100)[98] * 1e3
