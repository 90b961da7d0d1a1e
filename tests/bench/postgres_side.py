"""The PostgreSQL of the rows about it: a server of their own, its databases, and what its processes spend."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg
from measuring import Row
from processes import cpu_of

from postgres_kit import PROGRAMS, Cluster, a_cluster
from tidings.store import open_store

SETTINGS: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "maintenance_work_mem": "256MB"}
"""As somebody would set them who gives it a small machine of its own; what it commits is on disk."""


def with_postgres(row: str, measure: Callable[[], Sequence[Row]]) -> Sequence[Row]:
    """Measure, or say why it cannot be done here."""
    if PROGRAMS is not None:
        return measure()
    note = "PostgreSQL's server programs (a package of Debian's) are not installed"
    return [Row(row=row, ours=None, peer=None, unit="", ratio=None, goal="", met=None, spread="", note=note)]


@contextmanager
def bench_cluster(**settings: str) -> Iterator[Cluster]:
    """Run a server until the block ends; nothing of it is left then."""
    with a_cluster(durable=True, within=None, **SETTINGS | settings) as cluster:
        yield cluster


async def new_database(cluster: Cluster, name: str) -> str:
    """Make a database with the gateway's tables; return its URL."""
    async with talking(cluster.url("postgres")) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    async with open_store(cluster.url(name)):
        pass
    return cluster.url(name)


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[Any]:
    """Connect to a database beside the gateway."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def spent_by(connection: Any) -> float:
    """Return the processor time, seconds, of what serves the database of a connection, but for the connection."""
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    return sum(cpu_of(row["pid"]) for row in rows)
