"""The command line. Exit codes: 0 fine, 1 found problems, 2 wrong use."""

import typer

from tidings.cli.catalog import catalog
from tidings.cli.check import check
from tidings.cli.contacts import contacts
from tidings.cli.convert import convert
from tidings.cli.deliveries import deliveries
from tidings.cli.demo import demo
from tidings.cli.events import events
from tidings.cli.explain import explain
from tidings.cli.publish import publish
from tidings.cli.schema import schema
from tidings.cli.serve import serve
from tidings.cli.test import run_cases

__all__ = ["main"]

_app = typer.Typer(
    name="tidings",
    help="A rules-driven notification gateway for loyalty programmes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_app.command()(serve)
_app.command()(demo)
_app.command()(publish)
_app.command()(convert)
_app.command()(catalog)
_app.command()(check)
_app.command("test")(run_cases)
_app.command()(explain)
_app.command()(schema)
_app.add_typer(events, name="events")
_app.add_typer(deliveries, name="deliveries")
_app.add_typer(contacts, name="contacts")


def main() -> None:
    """Run the command that the arguments name."""
    _app()
