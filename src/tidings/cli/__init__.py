"""The command line. Exit codes: 0 fine, 1 found problems, 2 wrong use.

A command's module is imported only when that command is asked for: checking a rulebook needs no gRPC, and
should not wait for it. Nor should who asks what commands there are.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import typer

from tidings.cli.overview import summary_of

__all__ = ["COMMANDS", "application", "main", "overview"]

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve:serve",
    "demo": "demo:demo",
    "publish": "publish:publish",
    "convert": "convert:convert",
    "catalog": "catalog:catalog",
    "check": "check:check",
    "test": "test:run_cases",
    "explain": "explain:explain",
    "preview": "preview:preview",
    "schema": "schema:schema",
    "events": "events:events",
    "deliveries": "deliveries:deliveries",
    "endpoints": "endpoints:endpoints",
    "gateways": "gateways:gateways",
    "contacts": "contacts:contacts",
    "keys": "keys:keys",
    "suppressions": "suppressions:suppressions",
    "bounces": "bounces:bounces",
    "config": "config:config",
    "ready": "ready:ready",
    "store": "store:store",
}
"""Where each command is: the module in this package, and the function or the group of commands in it."""


def main() -> None:
    """Run the command that the arguments name."""
    asked = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    (application([asked]) if asked in COMMANDS else overview())()


def application(names: Iterable[str]) -> typer.Typer:
    """Build the command line with the commands of these names."""
    application = _empty()
    for name in names:
        _add(application, name, _load(COMMANDS[name]))
    return application


def overview() -> typer.Typer:
    """Build a command line that only tells what commands there are; it imports none of them."""
    shown = _empty()
    for name, place in COMMANDS.items():
        summary = summary_of(*_parts(place))
        if summary is None:
            _add(shown, name, _load(place))
        elif summary.is_group:
            _add(shown, name, typer.Typer(help=summary.text))
        else:
            shown.command(name, help=summary.text)(lambda: None)
    return shown


def _empty() -> typer.Typer:
    application = typer.Typer(
        name="tidings",
        help="A rules-driven notification gateway for loyalty programmes.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    # A callback makes typer ask for the command's name even where only one is registered.
    application.callback()(lambda: None)
    return application


def _add(application: typer.Typer, name: str, command: Any) -> None:
    if isinstance(command, typer.Typer):
        application.add_typer(command, name=name)
    else:
        application.command(name)(command)


def _load(place: str) -> Any:
    module, attribute = _parts(place)
    return getattr(importlib.import_module(module), attribute)


def _parts(place: str) -> tuple[str, str]:
    module, _, attribute = place.partition(":")
    return f"tidings.cli.{module}", attribute
