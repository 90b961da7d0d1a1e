"""The one module that names sqlite3: connections, what its errors mean, and rows in bulk.

Every call into SQLite gives the interpreter's lock away, and a busy event loop may keep it for
milliseconds. So statements work on whole sets: rows go in together in one statement, however many they are, and
come out as one JSON text.
"""

import functools
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final, cast
from urllib.parse import quote

import orjson

from tidings.errors import InvalidConfiguration, StoreUnavailable
from tidings.store.statements import load_statements

__all__ = [
    "MOST_ROWS",
    "SQL",
    "Connection",
    "SqliteSettings",
    "change_together",
    "connect",
    "copy_log",
    "empty_log",
    "insert_rows",
    "insert_together",
    "is_locked",
    "leave_log",
    "log_pages",
    "never_wait",
    "read_together",
    "rows_of",
    "run_script",
    "trouble",
    "value_of",
]

SQL: Final[Mapping[str, str]] = load_statements(Path(__file__).with_name("sql"))

Value = int | str | bytes | None
Row = tuple[Value, ...]

# What is no plain number or text is asked in three ways how it wants to be stored, each of which fails, unless somebody
# says it for its class, which takes a third to two thirds of the time.
sqlite3.register_adapter(type(None), cast("Callable[[None], None]", {}.get))  # a call into Python would cost more
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(bool, int)

_ROW = re.compile(r"\bVALUES \((?P<names>[^)]*)\)")
MOST_ROWS: Final = 512
"""How many rows go in together; with the widest table's columns still below SQLite's limit of 32,766 bound values."""

_FINE_ROWS: Final = 128
"""Up to how many rows a statement's room is at most an eighth too large; past it, up to a third."""

_PAGE_BYTES: Final = 8_192
"""Of files that we make: rows of half a kilobyte leave a sixth of pages half as large unused, and each page that is
written takes two calls. A file that was made with others keeps them."""

_LOG_BYTES: Final = 16_000_000
"""Of write-ahead log: long enough that a page changed often is copied to the database once."""

_LOOK_SECONDS: Final = 0.005
"""How often is looked whether others have copied the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """How the SQLite store spends time, memory and disk."""

    busy_timeout_ms: int = 5_000
    """How long a write waits for another process that holds the database."""
    queue_limit: int = 20_000
    """How many events and contacts may wait for the writer; past it callers are told to come back."""
    queue_bytes: int = 64 * 1024 * 1024
    """How large the events that wait for the writer may be together; past it callers are told to come back."""
    longest_wait: float = 2.0
    """How long events may have to wait for the writer, seconds, going by its last transactions; past it callers are
    told to come back, because most would give up before they are answered."""
    batch_limit: int = 1_024
    """How many rows one transaction takes on, give or take the last call: what comes meanwhile waits for it."""
    cache_kib: int = 24_576
    """Memory for pages of the writing connection; each reading one takes a quarter of it."""
    max_pages: int | None = None
    """The largest the database file may grow, in its pages; None leaves it to the disk."""


_MEANING: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another process holds it locked",
    sqlite3.SQLITE_LOCKED: "another connection holds it locked",
    sqlite3.SQLITE_FULL: "the disk, or the room it is allowed there, is full",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
    sqlite3.SQLITE_READONLY: "it is write-protected",
    sqlite3.SQLITE_CANTOPEN: "a file of it cannot be opened",
    sqlite3.SQLITE_NOMEM: "memory ran out",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
    sqlite3.SQLITE_PERM: "access to it is denied",
    sqlite3.SQLITE_PROTOCOL: "its lock cannot be had",
}
"""Primary result codes that are the database's trouble; every other error is a fault of ours."""


def trouble(error: BaseException) -> StoreUnavailable | None:
    """Say what a driver's error means for the caller, or None when it is a fault of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or code is None:
        return None
    meaning = _MEANING.get(code & 0xFF)
    return None if meaning is None else StoreUnavailable(f"the SQLite database cannot serve: {meaning} ({error})")


def is_locked(error: BaseException) -> bool:
    """Say whether another process that writes is why a statement failed."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def never_wait(connection: Connection) -> None:
    """Let statements fail at once where another process writes."""
    connection.execute("PRAGMA busy_timeout = 0")


def connect(path: str | None, settings: SqliteSettings, *, read_only: bool = False) -> Connection:
    """Open a connection that any one thread may use at a time; None opens a database in memory."""
    if path is not None and not read_only:
        _prepare_file(path)
    mode = "ro" if read_only else "rw"
    name = "file::memory:" if path is None else f"file:{quote(path)}?mode={mode}"
    with _opening(path):
        connection = sqlite3.connect(
            name,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            timeout=settings.busy_timeout_ms / 1000,
        )
        try:
            _configure(connection, path, settings, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare_file(path: str) -> None:
    """Create the file for this user alone: it will hold customers' addresses."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise InvalidConfiguration(f"store: there is no folder {str(folder)!r} to keep {path!r} in; create it")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise InvalidConfiguration(f"store: {path!r} cannot be opened for writing: {error.strerror}") from error


@contextmanager
def _opening(path: str | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if (known := trouble(error)) is None:
            raise
        raise StoreUnavailable(f"store: {path!r} cannot be opened: {known}") from error


def _configure(connection: Connection, path: str | None, settings: SqliteSettings, *, read_only: bool) -> None:
    connection.execute("PRAGMA temp_store = memory")
    connection.execute("PRAGMA foreign_keys = on")
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file; first, for memory is reckoned in pages
    connection.execute(f"PRAGMA cache_size = -{settings.cache_kib // 4 if read_only else settings.cache_kib}")
    if read_only:
        return
    journal = connection.execute("PRAGMA journal_mode = wal").fetchone()[0]
    if path is not None and journal != "wal":
        raise InvalidConfiguration(
            f"store: {path!r} lies where SQLite cannot keep a write-ahead log (it uses {journal!r}); use a local disk"
        )
    connection.execute("PRAGMA synchronous = full")
    # What is deleted is overwritten, so that a person who was erased is not left in pages out of use.
    connection.execute("PRAGMA secure_delete = on")
    connection.execute(f"PRAGMA wal_autocheckpoint = {log_pages(connection)}")
    if settings.max_pages is not None:
        connection.execute(f"PRAGMA max_page_count = {settings.max_pages}")


def log_pages(connection: Connection) -> int:
    """Return how many pages of the database the write-ahead log is to hold until it is copied there."""
    page_bytes: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return _LOG_BYTES // page_bytes


def leave_log(connection: Connection) -> None:
    """Let commits copy the write-ahead log only where it has become twice as long as it is to be."""
    connection.execute(f"PRAGMA wal_autocheckpoint = {2 * log_pages(connection)}")


def copy_log(connection: Connection) -> tuple[int, int]:
    """Copy into the database what nobody needs as it was; return the pages in the write-ahead log, and those copied.

    Others may read and write meanwhile. Nothing is copied while somebody else does so.
    """
    _, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return pages, copied


def empty_log(path: str, settings: SqliteSettings) -> None:
    """Copy the write-ahead log into the database and cut it to nothing: it holds pages as they were.

    Raises StoreUnavailable when others have kept it in use for as long as a write waits for them.
    """
    connection = connect(path, settings)
    until = time.monotonic() + settings.busy_timeout_ms / 1000
    try:
        while True:
            busy, pages, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if pages >= 0 or time.monotonic() >= until:
                break
            time.sleep(_LOOK_SECONDS)  # others are copying it, for whose end SQLite does not wait
    except sqlite3.Error as error:
        raise trouble(error) or error from error
    finally:
        connection.close()
    if busy:
        raise StoreUnavailable("what was erased is still in the write-ahead log, which others use; erase it again")


def insert_rows(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run a named INSERT for all rows, whose values stand in the order of its bound names; the first is never null."""
    for start in range(0, len(rows), MOST_ROWS):
        insert_together(connection, statement, rows[start : start + MOST_ROWS])


def insert_together(connection: Connection, statement: str, rows: Sequence[Row], *given: Value) -> int:
    """Run a named INSERT for up to MOST_ROWS rows, as above; return how many there are now that were not.

    ``given`` are the values of what the statement asks besides, in the order of their names.
    """
    return connection.execute(*_for_all(statement, rows, given)).rowcount


def change_together(connection: Connection, statement: str, rows: Sequence[Row], *given: Value) -> int:
    """Run a named UPDATE that opens WITH the rows, up to MOST_ROWS, likewise; return how many rows it changed."""
    before = connection.total_changes  # for a statement that opens so, a cursor's count is unknown
    connection.execute(*_for_all(statement, rows, given))
    return connection.total_changes - before


def read_together(connection: Connection, statement: str, rows: Sequence[Row]) -> list[Any]:
    """Run a named SELECT from VALUES for any number of rows, whose one value is a JSON array without its brackets."""
    found: list[Any] = []
    for start in range(0, len(rows), MOST_ROWS):
        text = connection.execute(*_for_all(statement, rows[start : start + MOST_ROWS])).fetchone()[0]
        found += orjson.loads(f"[{text or ''}]")
    return found


def _for_all(statement: str, rows: Sequence[Row], given: Sequence[Value] = ()) -> tuple[str, tuple[Value, ...]]:
    """Return a named statement with room for the rows, and its values."""
    count = len(rows)
    room = _room_for(count)
    left_out = (None, *repeat(0, len(rows[0]) - 1))  # zeros are bound in a quarter of the time that nulls take
    values = chain(chain.from_iterable(rows), chain.from_iterable(repeat(left_out, room - count)), given)
    return _repeated(statement, room), tuple(values)


def _room_for(count: int) -> int:
    """Return the next of 1, 2, 3 … 16, 18, 20 … 32, 36 … 128, 192, 256, 384, 512: few numbers, each with a statement.

    SQLite keeps them, so they are fewest where they are largest; a row left out costs two fifths of one.
    """
    bits = (count - 1).bit_length()
    step = 1 << (max(bits - 4, 0) if count <= _FINE_ROWS else bits - 2)
    return -(-count // step) * step


@functools.lru_cache(maxsize=256)
def _repeated(statement: str, room: int) -> str:
    """Return the statement with room for so many rows; those that are not needed begin with null and are left out."""
    sql = SQL[statement]
    match = _ROW.search(sql)
    if match is None:
        raise ValueError(f"statement {statement!r} has no VALUES (…)")
    row = "(" + ", ".join("?" * (match["names"].count(":"))) + ")"
    rows = "VALUES " + ", ".join([row] * room)
    if not sql[: match.start()].endswith("FROM ("):
        rows = f"SELECT * FROM ({rows}) WHERE column1 IS NOT NULL"  # noqa: S608 (of question marks)
    return sql[: match.start()] + rows + sql[match.end() :]


def rows_of(connection: Connection, statement: str, values: Mapping[str, Value]) -> list[Any]:
    """Run a named SELECT whose one value is a JSON array without its brackets; return its items."""
    text = value_of(connection, statement, values)
    return [] if text is None else orjson.loads(f"[{text}]")


def value_of(connection: Connection, statement: str, values: Mapping[str, Value]) -> Any:
    """Run a named SELECT and return its one value."""
    row = connection.execute(SQL[statement], values).fetchone()
    return None if row is None else row[0]


def run_script(connection: Connection, script: str) -> None:
    """Run every statement of a script inside the transaction that is open, which ``executescript`` would end."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
