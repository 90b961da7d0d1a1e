"""Which store a URL names."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from tidings.errors import InvalidConfiguration
from tidings.store.port import Store

if TYPE_CHECKING:  # who uses the one kind of database, or none, is spared the time it takes to load the other
    from tidings.store.postgres import PostgresSettings

_SUPPORTED = (
    "sqlite:///relative/path, sqlite:////absolute/path, sqlite:// for one in memory that ends with the process, "
    "or postgresql://user@host/database"
)


def open_store(url: str, *, apart: bool = False) -> AbstractAsyncContextManager[Store]:
    """Open the store that ``url`` names, bringing its tables up to date; closing it writes out what is queued.

    With ``apart`` a process of its own writes to a SQLite file, which a gateway is faster with and a command is not.

    Raises InvalidConfiguration for a URL that names no store. Entering raises InvalidConfiguration for a
    database that cannot be used as configured, and StoreUnavailable for one that cannot serve just now.
    """
    if is_postgres(url):
        from tidings.store.postgres import open_postgres  # noqa: PLC0415 (as above)

        return open_postgres(*postgres_url(url))
    from tidings.store.sqlite.store import open_sqlite  # noqa: PLC0415 (as above)

    return open_sqlite(sqlite_path(url), apart=apart)


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme in ("postgresql", "postgres")


def postgres_url(url: str) -> "tuple[str, PostgresSettings]":
    """Return what the driver reads of a URL, and what is ours; raise InvalidConfiguration for another kind."""
    if not is_postgres(url):
        raise InvalidConfiguration(f"store: {_shown(url)!r} names no PostgreSQL; write postgresql://user@host/database")
    from tidings.store.postgres import read_url  # noqa: PLC0415 (as above)

    return read_url(url)


def sqlite_path(url: str) -> str | None:
    """Return the path after the third slash, or None for a database in memory; raise InvalidConfiguration."""
    scheme, separator, rest = url.partition("://")
    if scheme != "sqlite" or not separator:
        raise InvalidConfiguration(f"store: {_shown(url)!r} names no store that is supported; write {_SUPPORTED}")
    if rest in ("", "/:memory:"):
        return None
    path = rest.removeprefix("/")
    if path == rest or not path or "?" in path:
        raise InvalidConfiguration(f"store: {url!r} gives no path of a file; write {_SUPPORTED}")
    return path


def _shown(url: str) -> str:
    """Leave a password that the URL may carry out of the message."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}…@{rest.rpartition('@')[2]}" if "@" in rest else url
