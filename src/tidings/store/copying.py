"""Moves all that a SQLite store holds into an empty PostgreSQL one, and proves that it arrived.

One transaction: whoever interrupts it leaves nothing behind. The file is locked against other writers meanwhile, and
is left as it was.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from tidings.errors import InvalidConfiguration, TidingsError
from tidings.store.opening import postgres_url, sqlite_path
from tidings.store.postgres.driver import Connection, connect, escaped, misconfigured, plain, trouble
from tidings.store.postgres.migrate import migrate
from tidings.store.sqlite.driver import Connection as SqliteConnection
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.driver import connect as connect_sqlite
from tidings.store.sqlite.driver import trouble as sqlite_trouble
from tidings.store.sqlite.migrate import migrate as migrate_sqlite

_PASSING: Final = frozenset({"gateway", "endpoint_share", "endpoint_rate", "endpoint_pause"})
"""What gateways that run share from one second to the next."""
_OWN_TO_SQLITE: Final = frozenset({"event_run", "event_page", "ledger"}) | _PASSING
"""Its way of finding events, and a count of checks."""
_OWN_TO_POSTGRES: Final = frozenset({"tidings_migration", "ledger"}) | _PASSING
_ROWS: Final = 5_000
"""How many rows go at a time."""

Moved = Callable[[str, int, int], None]
"""Is told of a table how many of its rows have been copied, and how many there are."""


class CopyDiffers(TidingsError):
    """What arrived is not what was sent; nothing of it was kept."""

    reason = "COPY_DIFFERS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied of a table."""

    table: str
    rows: int
    digest: str
    """The sum of the SHA-256 of its rows: the same on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    name: str
    columns: Mapping[str, str]
    """By column, its type in PostgreSQL."""


class _Digest:
    """A digest of rows in any order."""

    def __init__(self) -> None:
        self._sum = 0
        self.rows = 0

    def add(self, row: Iterable[Any]) -> None:
        told = hashlib.sha256(repr(tuple(row)).encode("utf-8", "backslashreplace")).digest()
        self._sum = (self._sum + int.from_bytes(told, "big")) % 2**256
        self.rows += 1

    def __str__(self) -> str:
        return f"{self._sum:064x}"


async def copy_store(source_url: str, target_url: str, *, moved: Moved) -> list[Copied]:
    """Copy a SQLite database into an empty PostgreSQL one; what was copied, by table.

    Raises InvalidConfiguration for a database that cannot be used, also one that a gateway is writing to or that is
    not empty, StoreUnavailable when one cannot serve, and CopyDiffers for what arrived otherwise than it was sent.
    """
    url, settings = postgres_url(target_url)
    with closing(await asyncio.to_thread(_open_source, source_url)) as source:
        try:
            target = await connect(url, settings)
            try:
                await migrate(target)
                return await _copy_all(source, target, moved)
            finally:
                await target.close()
        except Exception as error:
            if (known := misconfigured(error) or trouble(error)) is None:
                raise
            raise known from error


def _open_source(url: str) -> SqliteConnection:
    """Open a SQLite database at the newest version, and keep everybody else from writing to it."""
    path = sqlite_path(url)
    if path is None or not Path(path).is_file():
        raise InvalidConfiguration(f"store: {url!r} is no SQLite database that is there")
    connection = connect_sqlite(path, SqliteSettings(busy_timeout_ms=100))
    try:
        migrate_sqlite(connection)
        connection.execute("BEGIN IMMEDIATE")
    except BaseException as error:
        connection.close()
        if (known := sqlite_trouble(error)) is None:
            raise
        raise known from error
    return connection


async def _copy_all(source: SqliteConnection, target: Connection, moved: Moved) -> list[Copied]:
    await target.begin()
    try:
        await target.script("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        tables = await _tables(source, target)
        copied = [await _copy(source, target, table, moved) for table in tables]
        await target.rows("set_event_seq", {"last": _last_event(source)})
        for name in ("set_delivery_seq", "set_suppression_seq", "set_rejected_seq"):
            await target.rows(name)
        await target.commit()
    except BaseException:
        if not target.closed:
            await target.roll_back()
        raise
    await target.script("ANALYZE")
    return copied


async def _tables(source: SqliteConnection, target: Connection) -> list[_Table]:
    """Return the tables to copy; raise InvalidConfiguration where the two do not match or something is there."""
    found: dict[str, dict[str, str]] = {}
    for row in await target.rows("columns_of_tables"):
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    theirs = {name: columns for name, columns in found.items() if name not in _OWN_TO_POSTGRES}
    ours = {name: _columns(source, name) for name in _table_names(source)}
    if {name: set(columns) for name, columns in theirs.items()} != {name: set(each) for name, each in ours.items()}:
        raise InvalidConfiguration("store: the tables of the two databases differ; nothing was copied")
    tables = [_Table(name=name, columns=theirs[name]) for name in sorted(theirs)]
    for table in tables:
        if await target.has_rows(table.name):
            raise InvalidConfiguration(f"store: the database to copy to is not empty: {table.name} has rows")
    return tables


def _table_names(source: SqliteConnection) -> list[str]:
    rows = source.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in rows if name not in _OWN_TO_SQLITE]


def _columns(source: SqliteConnection, table: str) -> list[str]:
    return [name for (name,) in source.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _last_event(source: SqliteConnection) -> int:
    row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return 0 if row is None else int(row[0])


async def _copy(source: SqliteConnection, target: Connection, table: _Table, moved: Moved) -> Copied:
    sent, arrived = _Digest(), _Digest()
    (total,) = source.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()  # noqa: S608 (a table of ours)
    types = list(table.columns.values())
    moved(table.name, 0, total)
    chunks = _chunks(source, table)
    while rows := await asyncio.to_thread(next, chunks, None):
        for row in rows:
            sent.add(_canonical(row, types))
        written = [tuple(map(_written, row, types)) for row in rows]
        await target.copy_rows(table.name, list(table.columns), written)
        moved(table.name, sent.rows, total)
    async for row in target.all_rows(table.name, list(table.columns)):
        arrived.add(_canonical(row, types))
    if (sent.rows, str(sent)) != (arrived.rows, str(arrived)):
        raise CopyDiffers(f"{table.name}: {sent.rows} rows were sent and {arrived.rows} arrived, not all the same")
    return Copied(table=table.name, rows=sent.rows, digest=str(sent))


def _chunks(source: SqliteConnection, table: _Table) -> Iterator[Sequence[Sequence[Any]]]:
    names = ", ".join(f'"{name}"' for name in table.columns)
    rows = source.execute(f'SELECT {names} FROM "{table.name}"')  # noqa: S608 (names of ours)
    while chunk := rows.fetchmany(_ROWS):
        yield chunk


def _written(value: Any, kind: str) -> Any:
    """Return a value of SQLite's as PostgreSQL keeps it."""
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "jsonb":
        return orjson.dumps(
            {escaped(name): _text(each, escaped) for name, each in orjson.loads(value).items()}
        ).decode()
    return _text(value, escaped)


def _canonical(row: Iterable[Any], types: Sequence[str]) -> Iterator[Any]:
    """Read the values of a row in the same way whichever database they are from."""
    for value, kind in zip(row, types, strict=True):
        if value is None:
            yield None
        elif kind == "boolean":
            yield bool(value)
        elif kind == "jsonb":
            yield sorted((plain(name), _text(each, plain)) for name, each in orjson.loads(value).items())
        else:
            yield value


def _text(value: Any, change: Callable[[str], str]) -> Any:
    return change(value) if isinstance(value, str) else value
