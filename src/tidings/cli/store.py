"""``tidings store``: the tables of the database, and moving to another one."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tidings.cli.terminal import MISUSE, PROBLEMS, Format, FormatOption, err, fail, out, print_json
from tidings.config import load_settings
from tidings.errors import TidingsError
from tidings.store.copying import Copied, CopyDiffers, copy_store
from tidings.store.versions import bring_up_to_date, version_of_store

T = TypeVar("T")

store = typer.Typer(no_args_is_help=True, help="The tables of the database, and moving to another one.")

_DEFAULT: Final = Path("tidings.yaml")

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; tidings.yaml here when there is one.")
]


@store.command("status")
def status(config: Config = None, form: FormatOption = Format.TEXT) -> None:
    """Say at which version the tables are, and which one this release needs; ends with 1 where they differ.

    Example: tidings store status --config tidings.yaml
    """
    version = _run(version_of_store(_configured(config)))
    if form is Format.JSON:
        print_json({"version": version.at, "newest": version.newest})
    elif version.at == version.newest:
        out.print(f"the tables are at version {version.at}, the newest", highlight=False)
    else:
        out.print(f"the tables are at version {version.at}, this release is at {version.newest}", highlight=False)
    if version.at != version.newest:
        raise typer.Exit(PROBLEMS)


@store.command("migrate")
def migrate(config: Config = None) -> None:
    """Bring the tables to the version of this release. A gateway that starts does the same.

    Example: tidings store migrate --config tidings.yaml
    """
    url = _configured(config)
    before = _run(version_of_store(url))
    _run(bring_up_to_date(url))
    err.print(f"the tables were at version {before.at} and are at {before.newest}", highlight=False)


@store.command("copy")
def copy(
    source: Annotated[str, typer.Argument(help="The SQLite store, as in the configuration.")],
    target: Annotated[str, typer.Argument(help="The PostgreSQL store; its database must be empty.")],
    form: FormatOption = Format.TEXT,
) -> None:
    """Copy a SQLite store into PostgreSQL and compare every row; stop the gateway first. All arrives, or nothing.

    Example: tidings store copy sqlite:///tidings.db postgresql://tidings@db.example.com/tidings
    """
    try:
        copied = _run(_copy(source, target))
    except CopyDiffers as error:
        fail(f"nothing was copied: {error}", code=PROBLEMS)
    if form is Format.JSON:
        print_json({"tables": [{"table": each.table, "rows": each.rows, "digest": each.digest} for each in copied]})
        return
    table = Table("table", "rows", "digest on both sides")
    for each in copied:
        table.add_row(each.table, str(each.rows), each.digest[:16])
    out.print(table)


async def _copy(source: str, target: str) -> list[Copied]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("copying")
        return await copy_store(
            source,
            target,
            moved=lambda table, done, total: bar.update(
                task, description=f"copying {table}", completed=done, total=total
            ),
        )


def _configured(config: Path | None) -> str:
    try:
        return load_settings(config or (_DEFAULT if _DEFAULT.exists() else None)).store
    except TidingsError as error:
        fail(str(error), code=MISUSE)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except CopyDiffers:
        raise
    except TidingsError as error:
        fail(str(error), code=MISUSE)
