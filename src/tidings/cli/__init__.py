"""The command line. Exit codes: 0 fine, 1 found problems, 2 wrong use.

A command's module is imported only when that command is asked for: checking a rulebook needs no gRPC, and
should not wait for it.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import typer

__all__ = ["COMMANDS", "application", "main"]

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
    application([asked] if asked in COMMANDS else COMMANDS)()


def application(names: Iterable[str]) -> typer.Typer:
    """Build the command line with the commands of these names."""
    application = typer.Typer(
        name="tidings",
        help="A rules-driven notification gateway for loyalty programmes.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    # A callback makes typer ask for the command's name even where only one is registered.
    application.callback()(lambda: None)
    for name in names:
        command = _load(COMMANDS[name])
        if isinstance(command, typer.Typer):
            application.add_typer(command, name=name)
        else:
            application.command(name)(command)
    return application


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(f"tidings.cli.{module}"), attribute)
