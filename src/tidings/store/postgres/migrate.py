"""Brings a database's tables up to date, each step in a transaction of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tidings.errors import InvalidConfiguration
from tidings.store.postgres.driver import Connection
from tidings.store.statements import read_scripts

MIGRATIONS: Final = tuple(read_scripts(Path(__file__).with_name("migrations")).values())
"""The steps in order; the first leads from an empty database to version 1."""


async def version_of(connection: Connection) -> int:
    """Return the version that the tables are at; 0 where there are none of ours."""
    there = await connection.row("migrations_table")
    if there is None or not there["there"]:
        return 0
    newest = await connection.row("newest_migration")
    return 0 if newest is None else int(newest["version"])


async def migrate(connection: Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Run the steps that the database lacks; raise InvalidConfiguration for one that is newer than these steps."""
    while await _step(connection, migrations):
        pass


async def _step(connection: Connection, migrations: Sequence[str]) -> bool:
    """Run one step, under a lock because several processes may start together; False when none is left."""
    await connection.begin()
    try:
        await connection.rows("lock_migrations")
        version = await version_of(connection)
        _refuse_newer(version, len(migrations))
        if version < len(migrations):
            await connection.script("SET LOCAL statement_timeout = 0")  # a step may rewrite a table
            await connection.script(migrations[version])
            await connection.rows("make_migrations_table")
            await connection.change("note_migration", {"version": version + 1})
        await connection.commit()
    except BaseException:
        if not connection.closed:
            await connection.roll_back()
        raise
    return version < len(migrations)


def _refuse_newer(version: int, known: int) -> None:
    if version > known:
        raise InvalidConfiguration(
            f"store: the database is at version {version}, written by a newer release of Tidings; this one knows "
            f"versions up to {known}. Run that release, or restore a copy made before it"
        )
