"""``tidings ready``: for health checks of containers and scripts, which need not bring a client of their own."""

import http.client
from typing import Annotated, Final

import typer

from tidings.cli.terminal import PROBLEMS, fail

_TIMEOUT_SECONDS: Final = 4.0


def ready(
    to: Annotated[
        str, typer.Option("--to", metavar="HOST:PORT", help="The gateway's HTTP address.")
    ] = "127.0.0.1:8080",
) -> None:
    """Ask a gateway whether it is ready; exit code 0 when it is, 1 with the reason otherwise.

    Example: tidings ready --to 127.0.0.1:8080
    """
    host, _, port = to.rpartition(":")
    if not port.isdecimal():
        fail(f"--to takes HOST:PORT, such as 127.0.0.1:8080, not {to}")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        fail(f"no gateway answers at {to}: {error}", code=PROBLEMS)
    finally:
        connection.close()
    if answer.status != http.client.OK:
        fail(text, code=PROBLEMS)
    typer.echo(text)
