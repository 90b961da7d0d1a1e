"""Brings a database's tables up to date, each step in a transaction of its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tidings.errors import InvalidConfiguration
from tidings.store.sqlite.driver import Connection, run_script
from tidings.store.sqlite.ids import event_keys
from tidings.store.sqlite.key_runs import write_all
from tidings.store.statements import read_scripts

MIGRATIONS: Final = tuple(read_scripts(Path(__file__).with_name("migrations")).values())
"""The steps in order; the first leads from an empty database to version 1."""

_MORE: Final[Mapping[int, Callable[[Connection], None]]] = {11: lambda connection: write_all(connection, event_keys)}
"""What a step does besides its script, by the version that it leads to."""


def migrate(connection: Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Run the steps that the database lacks; raise InvalidConfiguration for one that is newer than these steps."""
    while _step(connection, migrations):
        pass


def _step(connection: Connection, migrations: Sequence[str]) -> bool:
    """Run one step, under the write lock because two processes may start together; False when none is left."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        _refuse_newer(version, len(migrations))
        if version < len(migrations):
            run_script(connection, migrations[version])
            if (more := _MORE.get(version + 1)) is not None:
                more(connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return version < len(migrations)


def _refuse_newer(version: int, known: int) -> None:
    if version > known:
        raise InvalidConfiguration(
            f"store: the database is at version {version}, written by a newer release of Tidings; this one knows "
            f"versions up to {known}. Run that release, or restore a copy made before it"
        )
