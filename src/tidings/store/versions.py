"""At which version a store's tables are, and bringing them to the newest."""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tidings.store.opening import is_postgres, open_store, postgres_url, sqlite_path
from tidings.store.postgres.driver import connect, misconfigured, trouble
from tidings.store.postgres.migrate import MIGRATIONS as POSTGRES_MIGRATIONS
from tidings.store.postgres.migrate import version_of
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.driver import connect as connect_sqlite
from tidings.store.sqlite.migrate import MIGRATIONS as SQLITE_MIGRATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """How far a store's tables are."""

    at: int
    """0: there are none yet."""
    newest: int
    """What this release brings them to."""


async def version_of_store(url: str) -> Version:
    """Look at a store without changing it; raise as ``open_store`` does."""
    if is_postgres(url):
        return Version(at=await _postgres_version(url), newest=len(POSTGRES_MIGRATIONS))
    return Version(at=await asyncio.to_thread(_sqlite_version, sqlite_path(url)), newest=len(SQLITE_MIGRATIONS))


async def bring_up_to_date(url: str) -> None:
    """Run the steps that a store lacks, as opening it does."""
    async with open_store(url):
        pass


async def _postgres_version(url: str) -> int:
    address, settings = postgres_url(url)
    try:
        connection = await connect(address, settings)
        try:
            return await version_of(connection)
        finally:
            await connection.close()
    except Exception as error:
        if (known := misconfigured(error) or trouble(error)) is None:
            raise
        raise known from error


def _sqlite_version(path: str | None) -> int:
    if path is None or not Path(path).is_file():
        return 0
    with closing(connect_sqlite(path, SqliteSettings(), read_only=True)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
