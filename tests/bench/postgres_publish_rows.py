"""Recording batches on PostgreSQL, beside a bare COPY of the same rows into tables with the same indexes.

``ROWS=100000`` records more of them.
"""

import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from measuring import Row, compared
from postgres_side import bench_cluster, new_database, spent_by, talking, with_postgres
from waiting import publications, write_gateway

from postgres_kit import Cluster
from tidings.store import open_store

_COUNT: Final = int(os.environ.get("ROWS", "20000"))
_RUNS: Final = int(os.environ.get("RUNS", "5"))
_BATCH: Final = 1_000
_TABLES: Final = ("event", "delivery")

_Batch = Any
"""Publications, or rows by table."""


def postgres_publish() -> Sequence[Row]:
    """Compare batches one after the other, each committed by itself, an event and its delivery each."""
    return with_postgres("postgres-publish", _rows)


def _rows() -> Sequence[Row]:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder, bench_cluster() as cluster:
        ours, peer = uvloop.run(_measure(cluster, Path(folder)))
    note = f"{_COUNT:,} events a run, a delivery each, {_BATCH:,} a transaction; peer: COPY of the same rows"
    return [
        compared("postgres-publish", ours.rates, peer.rates, unit="events/s", goal=None, note=note),
        compared("postgres-publish", ours.server, peer.server, unit="µs of the server's CPU an event", goal=None),
        compared("postgres-publish", ours.client, peer.client, unit="µs of the client's CPU an event", goal=None),
    ]


@dataclass(slots=True)
class _Side:
    """What writing took, by run."""

    connection: Any
    """To the database, beside what writes."""
    rates: list[float] = field(default_factory=list)
    """Events a second."""
    server: list[float] = field(default_factory=list)
    """Processor time of the database for each event, µs."""
    client: list[float] = field(default_factory=list)
    """That of the process that writes to it, µs."""

    async def run(self, write: Callable[[_Batch], Awaitable[object]], batches: Sequence[_Batch]) -> None:
        """Write batches, each of them once the one before is committed."""
        server, client, began = await spent_by(self.connection), time.process_time(), time.perf_counter()
        for batch in batches:
            await write(batch)
        self.rates.append(_COUNT / (time.perf_counter() - began))
        self.client.append((time.process_time() - client) / _COUNT * 1e6)
        self.server.append((await spent_by(self.connection) - server) / _COUNT * 1e6)


async def _measure(cluster: Cluster, folder: Path) -> tuple[_Side, _Side]:
    config = write_gateway(folder)
    async with AsyncExitStack() as closing:
        urls = [await new_database(cluster, name) for name in ("ours", "peer")]
        ours, peer = [_Side(await closing.enter_async_context(talking(url))) for url in urls]
        store = await closing.enter_async_context(open_store(urls[0]))
        bare = await closing.enter_async_context(talking(urls[1]))
        for run in range(_RUNS + 1):
            published = list(publications(config, range(run * _COUNT, (run + 1) * _COUNT)))
            await ours.run(store.record, list(_batches(published)))
            rows = {table: await _rows_of(ours.connection, table, run * _COUNT) for table in _TABLES}
            copies = zip(*(_batches(each) for each in rows.values()), strict=True)
            await peer.run(partial(_copy, bare), [dict(zip(_TABLES, each, strict=True)) for each in copies])
            if run == 0:
                ours, peer = _Side(ours.connection), _Side(peer.connection)
        for table in _TABLES:
            if await _digest(ours.connection, table) != await _digest(peer.connection, table):
                raise AssertionError(f"the rows in {table} differ")
    return ours, peer


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


async def _rows_of(connection: Any, table: str, after: int) -> Sequence[tuple[Any, ...]]:
    found = await connection.fetch(f"SELECT * FROM {table} WHERE seq > $1 ORDER BY seq", after)  # noqa: S608 (a table of ours)
    return [tuple(each) for each in found]


async def _copy(connection: Any, rows: _Batch) -> None:
    async with connection.transaction():
        for table, batch in rows.items():
            await connection.copy_records_to_table(table, records=batch)


async def _digest(connection: Any, table: str) -> tuple[int, str]:
    query = f"SELECT count(*), md5(string_agg({table}::text, ',' ORDER BY seq)) FROM {table}"  # noqa: S608 (a table of ours)
    return tuple(await connection.fetchrow(query))
