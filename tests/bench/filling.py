"""Fills SQLite databases by the million: rows as the gateway writes them, in one transaction beside it.

What is written is what the gateway wrote of a few events, with other numbers in it. ``alike`` proves it where some
of the same events have gone through the port into a database of their own: every row of both is compared.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tidings.store import Publication, Recorded, open_store
from tidings.store.sqlite.ids import event_keys
from tidings.store.sqlite.key_runs import write_all

Values = dict[str, Any]
"""A row by the names of its columns."""
Numbered = Callable[[int], Values]
"""What differs in the row of an event, or of its delivery, by the number of the event, from 0."""

_CACHE_KIB = 1_048_576
"""Memory for pages: enough for the indexes, whose pages are written once then."""


async def record(file: Path, publications: Sequence[Publication]) -> None:
    """Record publications as the gateway does, in a database that is made if it is not there."""
    async with open_store(f"sqlite:///{file}") as store:
        results = await store.record(publications)
    if any(each.recorded is not Recorded.NEW for each in results):
        raise AssertionError("not all of them were new")


async def fill(
    file: Path, count: int, samples: Sequence[Publication], *, event: Numbered, delivery: Numbered | None = None
) -> None:
    """Store ``count`` events, each with a delivery if any: the samples, and then the same again with other numbers."""
    await record(file, samples)
    with _opened(file) as connection:
        for table, changes in (("event", event), ("delivery", delivery)):
            if changes is not None:
                _repeat(connection, table, range(len(samples), count), changes)
        _cover(connection)


async def take_for_repeats(file: Path, publications: Sequence[Publication]) -> None:
    """Raise AssertionError unless a gateway finds these events in a database and what was decided for them."""
    async with open_store(f"sqlite:///{file}") as store:
        for wanted, found in zip(publications, await store.record(publications), strict=True):
            decided = (Recorded.DUPLICATE, wanted.event.matched_rules, tuple(each.id for each in wanted.deliveries))
            if tuple(found) != decided:
                raise AssertionError(f"{wanted.event.event_id} is told of as {found}")


def alike(one: Path, other: Path) -> None:
    """Raise AssertionError unless two databases hold the same events and deliveries, column by column."""
    for table in ("event", "delivery"):
        if _rows(one, table) != _rows(other, table):
            raise AssertionError(f"the table {table} is not what the gateway writes")


def _rows(file: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY seq").fetchall()  # noqa: S608 (a table of ours)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for one transaction that nobody waits for."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = off")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _repeat(connection: sqlite3.Connection, table: str, numbers: Iterable[int], changes: Numbered) -> None:
    """Write the rows of a table again, in turn, each with what its number changes."""
    found = connection.execute(f"SELECT * FROM {table} ORDER BY seq")  # noqa: S608 (a table of ours)
    names = [name for name, *_ in found.description]
    samples = [dict(zip(names, row, strict=True)) for row in found]
    rows = (tuple((samples[number % len(samples)] | changes(number)).values()) for number in numbers)
    marks = ", ".join("?" * len(names))
    with _without_indexes(connection, table):
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 (a table of ours)


@contextmanager
def _without_indexes(connection: sqlite3.Connection, table: str) -> Iterator[None]:
    """Make the indexes of a table anew after the block: they are all in the order of the rows, and as dense then."""
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in indexes:
        connection.execute(sql)


def _cover(connection: sqlite3.Connection) -> None:
    """Let the keys of all events stand in runs, as they do for a gateway once it has written them."""
    connection.execute("DELETE FROM event_page")
    connection.execute("DELETE FROM event_run")
    write_all(connection, event_keys)
