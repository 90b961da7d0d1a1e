"""The one module that names asyncpg: connections, what its errors mean, and named statements.

Nothing is left behind in a session but prepared statements, and not even these where the cache's size is 0:
limits of time are set by the transaction, and locks end with it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from tidings.errors import InvalidConfiguration, StoreUnavailable
from tidings.store.postgres.hosts import by_host
from tidings.store.postgres.settings import PostgresSettings
from tidings.store.statements import load_statements

__all__ = [
    "SQL",
    "Connection",
    "Row",
    "Statement",
    "connect",
    "escaped",
    "is_passing",
    "misconfigured",
    "named",
    "plain",
    "translated",
    "trouble",
]

Row = Mapping[str, Any]

_NAME = re.compile(r"(?<!:):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with numbered parameters, and the name of each."""

    text: str
    names: tuple[str, ...]


def named(sql: str) -> Statement:
    """Number the bound names of a statement."""
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return Statement(_NAME.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names)


SQL: Final[Mapping[str, Statement]] = {
    name: named(sql) for name, sql in load_statements(Path(__file__).with_name("sql")).items()
}

_ESCAPED: Final = {"\0": "\x100", "\x10": "\x101"}
_PLAIN: Final = {escaped: plain for plain, escaped in _ESCAPED.items()}
_TO_ESCAPE = re.compile("[\0\x10]")
_TO_READ = re.compile("\x10[01]")


def escaped(text: str) -> str:
    """Write a text without NUL, which PostgreSQL cannot keep; ``plain`` reads it again."""
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], text) if "\0" in text or "\x10" in text else text


def plain(text: str) -> str:
    """Read what ``escaped`` wrote."""
    return _TO_READ.sub(lambda found: _PLAIN[found[0]], text) if "\x10" in text else text


def _decode_text(content: bytes) -> str:
    return plain(bytes(content).decode())


_PASSING: Final = frozenset({"40001", "40P01"})
"""A deadlock, or two transactions that cannot both be: whoever tries again gets through."""

_MEANING: Final[Mapping[str, str]] = {
    "08": "the connection to it failed",
    "25006": "it is a standby, or takes no writes just now",
    "25P03": "the transaction stood still for too long",
    "28": "it refuses our name or password",
    "3D": "there is no such database",
    "40": "others were in the way again and again",
    "55000": "it takes no connections just now",
    "53": "it is out of something that it needs",
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "53300": "it has as many connections as it allows",
    "55P03": "another transaction holds a lock",
    "57": "it is starting, stopping, or has ended the statement",
    "58": "its disk failed",
    "XX001": "its files are damaged",
    "XX002": "an index of it is damaged",
}
"""Classes and codes of SQLSTATE that are the database's trouble; every other error is a fault of ours."""


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when it is tried again at once."""
    if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError):
        return True  # a newer release has added to a table since the statement was prepared
    return getattr(error, "sqlstate", None) in _PASSING


def trouble(error: BaseException) -> StoreUnavailable | None:
    """Say what a driver's error means for the caller, or None when it is a fault of ours."""
    if isinstance(error, StoreUnavailable):
        return error
    said = _meaning_of(error)
    return None if said is None else StoreUnavailable(f"the PostgreSQL database cannot serve: {said}")


def _meaning_of(error: BaseException) -> str | None:
    """Say what the database's trouble is and in which words it told of it; None when there is none."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return _MEANING["25006"]
    meaning: str | None
    if isinstance(error, TimeoutError):
        meaning = "it did not answer in time"
    elif isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        meaning = "it cannot be reached"
    else:
        state = getattr(error, "sqlstate", None) or ""
        meaning = _MEANING.get(state) or _MEANING.get(state[:2])
    return None if meaning is None else f"{meaning} ({str(error) or type(error).__name__})"


def misconfigured(error: BaseException) -> InvalidConfiguration | None:
    """Say what is wrong with the configuration when a connection was refused for it."""
    state = getattr(error, "sqlstate", None) or ""
    return InvalidConfiguration(f"store: {_MEANING[state[:2]]}: {error}") if state[:2] in ("28", "3D") else None


def translated(error: BaseException) -> BaseException:
    """Return what callers should see of an error: for a value that does not fit, what Python says of it."""
    if isinstance(error, asyncpg.DataError) and isinstance(error.__cause__, OverflowError | UnicodeError):
        return error.__cause__
    return trouble(error) or error


_READING: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class Connection:
    """A connection to the database; used by one task at a time."""

    def __init__(self, raw: Any, settings: PostgresSettings) -> None:
        self._raw = raw
        self._warnings: list[str] = []
        raw.add_log_listener(self._note)
        self._begin = (
            f"BEGIN; SET LOCAL statement_timeout = {settings.statement_timeout_ms};"
            f"SET LOCAL idle_in_transaction_session_timeout = {settings.idle_timeout_ms};"
            # What we look up has been written a moment ago: by its usual price for a page, which is a disk's, the
            # planner would rather read a table of 16,000 deliveries from end to end for each batch of 256.
            "SET LOCAL random_page_cost = 1.1;"
        )

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        closed: bool = self._raw.is_closed()
        return closed

    async def begin(self, *, read_only: bool = False) -> None:
        """Begin a transaction; one that writes is on disk when it is committed, whatever the server's default."""
        await self._raw.execute(self._begin + (_READING if read_only else "SET LOCAL synchronous_commit = on"))

    async def commit(self) -> None:
        """Commit; when this fails it may or may not have happened.

        One that the server warns of fails too: somebody cancelled it while it waited for a standby, which may lack it.
        """
        self._warnings.clear()
        await self._raw.execute("COMMIT")
        if self._warnings:
            raise StoreUnavailable(f"the PostgreSQL database cannot serve: {'; '.join(self._warnings)}")

    def _note(self, _connection: Any, message: Any) -> None:
        if message.severity_en == "WARNING":
            self._warnings.append(str(message))

    async def roll_back(self) -> None:
        """Undo the transaction."""
        await self._raw.execute("ROLLBACK")

    async def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Run a named statement; its rows, read by the names of their columns."""
        known = SQL[statement]
        found: Sequence[Row] = await self._raw.fetch(known.text, *_bound(known, values))
        return found

    async def row(self, statement: str, values: Mapping[str, Any] | None = None) -> Row | None:
        """Run a named statement; its first row."""
        found = await self.rows(statement, values)
        return found[0] if found else None

    async def change(self, statement: str, values: Mapping[str, Any] | None = None) -> int:
        """Run a named statement; how many rows it changed."""
        known = SQL[statement]
        status: str = await self._raw.execute(known.text, *_bound(known, values))
        return int(status.rpartition(" ")[2])

    async def script(self, text: str) -> None:
        """Run statements without parameters."""
        await self._raw.execute(text)

    async def has_rows(self, table: str) -> bool:
        """Whether there is a row in a table."""
        found: bool = await self._raw.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{table}")')  # noqa: S608 (a table of ours)
        return found

    async def copy_rows(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows in bulk, their texts ``escaped`` already."""
        await self._raw.copy_records_to_table(table, columns=columns, records=rows)

    async def all_rows(self, table: str, columns: Sequence[str]) -> AsyncIterator[tuple[Any, ...]]:
        """Read a table from end to end inside the transaction that is open."""
        names = ", ".join(f'"{each}"' for each in columns)
        async for row in self._raw.cursor(f'SELECT {names} FROM "{table}"', prefetch=5_000):  # noqa: S608 (names of ours)
            yield tuple(row)

    async def listen(self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Call ``heard`` with the payload of what is told on a channel, and ``lost`` when nothing can be any more."""
        self._raw.add_termination_listener(lambda _connection: lost())
        await self._raw.add_listener(channel, lambda _connection, _pid, _channel, payload: heard(payload))

    async def close(self) -> None:
        """Take leave, at once if the server does not answer."""
        try:
            await self._raw.close(timeout=1)
        except Exception:  # noqa: BLE001 (whatever it is, it is gone)
            self.drop()

    def drop(self) -> None:
        """Give the connection up without a word."""
        self._raw.terminate()


def _bound(statement: Statement, values: Mapping[str, Any] | None) -> list[Any]:
    return [] if values is None else [_storable(values[name]) for name in statement.names]


def _storable(value: Any) -> Any:
    """Return a value with its texts written so that they can be kept, in a column of them as well."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, list | tuple):
        return _storable_column(value)
    return value


def _storable_column(values: Sequence[Any]) -> Sequence[Any]:
    """Do the same for a column, of texts or of something else; nearly always nothing in it has to be rewritten."""
    if not any(issubclass(each, str) for each in set(map(type, values))):
        return values
    together = "".join(filter(None, values))
    return values if escaped(together) is together else [each and escaped(each) for each in values]


async def connect(url: str, settings: PostgresSettings) -> Connection:
    """Connect to the first of the URL's hosts that takes writes; raise as the driver does, or InvalidConfiguration.

    Each host has ``connect_timeout_ms`` for itself. When none of several serves, StoreUnavailable says what is wrong
    with each.
    """
    said: dict[str, Exception] = {}
    for host, only in by_host(url):
        try:
            return await _connect(only, settings)
        except Exception as error:
            if trouble(error) is None:
                raise
            said[host] = error
    if len(said) == 1:
        raise said.popitem()[1]
    raise StoreUnavailable(
        "none of the PostgreSQL hosts can serve: "
        + "; ".join(f"{host}: {_meaning_of(error)}" for host, error in said.items())
    )


async def _connect(url: str, settings: PostgresSettings) -> Connection:
    seconds = settings.connect_timeout_ms / 1_000
    async with asyncio.timeout(seconds):
        try:
            raw = await asyncpg.connect(
                url,
                timeout=seconds,
                statement_cache_size=settings.statement_cache_size,
                max_cached_statement_lifetime=0,
                target_session_attrs="read-write",
            )
        except OSError:  # one whose certificate is wrong is a ValueError as well
            raise
        except ValueError as error:
            raise InvalidConfiguration(f"store: the URL cannot be used: {error}") from error
        try:
            await _configure(raw)
        except BaseException:
            raw.terminate()
            raise
    return Connection(raw, settings)


async def _configure(raw: Any) -> None:
    """Teach the connection to read what ``_storable`` wrote; in a transaction, for a pooler may stand between."""
    async with raw.transaction():
        await raw.set_type_codec("text", schema="pg_catalog", encoder=str.encode, decoder=_decode_text, format="binary")
