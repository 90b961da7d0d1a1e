"""``tidings serve``."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from tidings.app import Role
from tidings.app import serve as run
from tidings.cli.terminal import MISUSE, PROBLEMS, fail
from tidings.config import load_settings
from tidings.errors import TidingsError
from tidings.rulebook import InvalidRulebook
from tidings.telemetry.logs import configure_logging

_DEFAULT = Path("tidings.yaml")
_TURN_SECONDS = 0.0005
_YOUNG_OBJECTS = 5_000


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", help="The configuration file; tidings.yaml here when there is one.")
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="Which part of the work this process does.")] = Role.ALL,
) -> None:
    """Run the gateway until SIGTERM.

    Several processes on one machine may share a store, and with grpc.reuse_port and http.reuse_port the ports too.
    Every key of the configuration can be overridden by the environment as TIDINGS_SECTION__KEY.

    Example: TIDINGS_GRPC__LISTEN=127.0.0.1:50052 tidings serve --config tidings.yaml
    """
    try:
        settings = load_settings(config or (_DEFAULT if _DEFAULT.exists() else None))
        configure_logging(level=settings.log.level, form=settings.log.form)
        # The store's threads wait for the interpreter; the default of 5 ms a turn would be most of a commit.
        sys.setswitchinterval(_TURN_SECONDS)
        # Hardly anything that serving makes is part of a cycle; looking for some every 700 objects took up to 5 %.
        gc.set_threshold(_YOUNG_OBJECTS)
        uvloop.run(run(settings, role=role))
    except InvalidRulebook as error:
        fail(f"tidings cannot start: {error}", code=PROBLEMS)
    except TidingsError as error:
        fail(f"tidings cannot start: {error}", code=MISUSE)
    except KeyboardInterrupt:
        os._exit(130)
