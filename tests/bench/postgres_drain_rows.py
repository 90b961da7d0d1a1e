"""Draining on PostgreSQL by two dispatch processes, beside one.

``ROWS=50000`` makes the backlog longer, ``RUNS=3`` has fewer of them.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from measuring import Row, compared, costed
from postgres_side import bench_cluster, new_database, spent_by, talking, with_postgres
from processes import cpu_of
from waiting import publications, write_gateway

from gateway_kit import RunningGateway, running_gateway
from postgres_kit import Cluster
from tidings.store import Store, open_store

_COUNT: Final = int(os.environ.get("ROWS", "6000"))
_RUNS: Final = int(os.environ.get("RUNS", "15"))
_GOAL: Final = 1.15
_DISPATCH: Final = {"concurrency": 128, "batch": 64}
"""So little in hand that it goes within two seconds, also where each of two has half of a busy machine: what cannot is
held, and leased again, which would be most of what is measured."""
_WARM: Final = 1_000
"""How many are delivered before anything is measured."""
_UNFINISHED: Final = """
SELECT EXISTS (SELECT 1 FROM delivery WHERE wake_at IS NOT NULL AND state <> 'sending')
    OR EXISTS (SELECT 1 FROM delivery WHERE state = 'sending')
"""
"""Looks into the two indexes that hold nothing else."""
_PATIENCE: Final = 300.0
_LOOK_SECONDS: Final = 0.2


@dataclass(slots=True, kw_only=True)
class _Side:
    """Gateways on a database, and how they drained, by run."""

    gateways: Sequence[RunningGateway]
    store: Store
    """What the backlog is written through."""
    connection: Any
    """Another connection to the database."""
    config: Path
    stored: int = 0
    """How many deliveries there were so far."""
    leases: float = 0.0
    """How many a delivery took: more than one where gateways had no time for what they held."""
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Processor time of the gateways for each delivery, µs."""
    server: list[float] = field(default_factory=list)
    """That of the database for it, µs."""

    def spent(self) -> float:
        """Return the processor time of all the gateways so far, seconds."""
        return sum(cpu_of(each.process.pid) for each in self.gateways)


def postgres_drain() -> Sequence[Row]:
    """Drain the same backlog by one and by two in turn, from full to empty."""
    return with_postgres("postgres-drain", _rows)


def _rows() -> Sequence[Row]:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder, bench_cluster() as cluster:
        two, one = uvloop.run(_measure(cluster, Path(folder)))
    note = (
        f"{_COUNT:,} waiting, all of them delivered once; two processes, {two.leases:.2f} leases each; "
        f"peer: one, {one.leases:.2f}"
    )
    row = "postgres-drain"
    return [
        compared(row, two.rates, one.rates, unit="deliveries/s", goal=None, note=note),
        costed(row, two.cpu, one.cpu, unit="µs of CPU a delivery", most=_GOAL, note="of the gateways"),
        compared(
            row,
            two.server,
            one.server,
            unit="µs of CPU a delivery",
            goal=None,
            note="of the database, what is written included",
        ),
    ]


async def _measure(cluster: Cluster, folder: Path) -> tuple[_Side, _Side]:
    async with AsyncExitStack() as closing:
        one = await closing.enter_async_context(_side(cluster, folder / "one", processes=1))
        two = await closing.enter_async_context(_side(cluster, folder / "two", processes=2))
        for side in (one, two):
            await _drain(side, _WARM)
        for run in range(_RUNS):
            for side in (one, two) if run % 2 else (two, one):
                await _measured(side)
    return two, one


@asynccontextmanager
async def _side(cluster: Cluster, folder: Path, *, processes: int) -> AsyncIterator[_Side]:
    """Run dispatching processes on a database of their own; in the end every delivery has had one attempt."""
    url = await new_database(cluster, folder.name)
    config = write_gateway(folder, store=url)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dispatch": _DISPATCH}))
    async with AsyncExitStack() as closing:
        started = [running_gateway(config, arguments=["--role", "dispatch"]) for _ in range(processes)]
        side = _Side(
            config=config,
            gateways=[await closing.enter_async_context(each) for each in started],
            store=await closing.enter_async_context(open_store(url)),
            connection=await closing.enter_async_context(talking(url)),
        )
        yield side
        attempts = await side.connection.fetchval("SELECT count(*) FROM attempt WHERE number = 1")
        side.leases = await side.connection.fetchval("SELECT sum(fence)::float / count(*) FROM delivery")
        if attempts != side.stored:
            raise AssertionError(f"there were {attempts} attempts for {side.stored} deliveries")


async def _measured(side: _Side) -> None:
    before, server = side.spent(), await spent_by(side.connection)
    took = await _drain(side, _COUNT)
    side.rates.append(_COUNT / took)
    side.cpu.append((side.spent() - before) / _COUNT * 1e6)
    side.server.append((await spent_by(side.connection) - server) / _COUNT * 1e6)


async def _drain(side: _Side, count: int) -> float:
    """Let so many wait, all in one moment; seconds until every one of them has ended."""
    stored = list(publications(side.config, range(side.stored, side.stored + count)))
    await side.store.record(stored)
    side.stored += count
    began = time.perf_counter()
    while await side.connection.fetchval(_UNFINISHED):
        if time.perf_counter() > began + _PATIENCE:
            raise AssertionError(f"{count} were not delivered in {_PATIENCE:g} s")
        await asyncio.sleep(_LOOK_SECONDS)
    return time.perf_counter() - began
