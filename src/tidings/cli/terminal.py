"""How commands speak: results on standard output, everything else on standard error, exit codes 0, 1 and 2."""

import enum
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol

import grpc
import typer
from google.protobuf.any_pb2 import Any as PackedMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PROBLEMS = 1
"""Exit code when the command ran and found something wrong."""
MISUSE = 2
"""Exit code when the command was called wrongly or cannot reach what it needs."""

out = Console()
err = Console(stderr=True)


class Step(Protocol):
    """Moves a progress bar on."""

    def __call__(self, count: int = 1) -> None:
        """Count ``count`` more items as done."""


class Format(enum.StrEnum):
    """How data is printed."""

    TEXT = "text"
    JSON = "json"


To = Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="The gateway's gRPC address.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]
DEFAULT_TO = "127.0.0.1:50051"


def fail(message: str, *, code: int = MISUSE) -> NoReturn:
    """Print a message to standard error and end with ``code``."""
    err.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Print a JSON document to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def when(timestamp: Timestamp) -> str:
    """Write a time in UTC, to the second."""
    return timestamp.ToDatetime().isoformat(sep=" ", timespec="seconds") + "Z"


@asynccontextmanager
async def gateway_channel(to: str) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to a gateway; a failed call ends the command with a readable message.

    The environment says what command lines should not show: TIDINGS_KEY the API key, TIDINGS_CA the file of the
    authority that signed the gateway's certificate, TIDINGS_CERTIFICATE a file with our own certificate and its key.
    """
    from tidings.client import open_channel  # noqa: PLC0415 (only commands that talk to a gateway wait for it)

    async with open_channel(to, key=os.environ.get("TIDINGS_KEY"), credentials=_credentials()) as channel:
        try:
            yield channel
        except grpc.aio.AioRpcError as error:
            fail(describe(error, to=to))


def _credentials() -> grpc.ChannelCredentials | None:
    """Read what TLS needs; None where no authority is named."""
    authority, own = os.environ.get("TIDINGS_CA"), os.environ.get("TIDINGS_CERTIFICATE")
    if not authority:
        return None
    try:
        chain = Path(own).read_bytes() if own else None
        return grpc.ssl_channel_credentials(Path(authority).read_bytes(), chain, chain)
    except OSError as error:
        fail(f"{error.filename} cannot be read: {error.strerror}")


def error_details(error: grpc.aio.AioRpcError) -> Sequence[PackedMessage]:
    """Return the details that the gateway attached to an error; none when it was not the gateway that answered."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs know the blocking calls only
    return status.details if status else ()


def describe(error: grpc.aio.AioRpcError, *, to: str) -> str:
    """Say in words what a failed call means, with the field paths the gateway named."""
    if error.code() is grpc.StatusCode.UNAVAILABLE and not error_details(error):
        return f"no gateway answers at {to}; is one running there? (start it with: tidings serve)"
    lines = [f"{error.code().name}: {error.details()}"]
    if violations := violations_of(error):
        lines = [f"{error.code().name}: the gateway refused the request:"]
        lines += [f"  {each.field}: {each.description}" for each in violations]
    return "\n".join(lines)


def violations_of(error: grpc.aio.AioRpcError) -> list[BadRequest.FieldViolation]:
    """Return what the gateway said is wrong with the fields of a request; nothing where it did not."""
    found = BadRequest()
    for detail in error_details(error):
        if detail.Unpack(found):
            return list(found.field_violations)
    return []


@contextmanager
def progress(description: str, *, total: int | None) -> Iterator[Step]:
    """Show a progress bar on standard error while the block runs; nothing where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count=1: bar.advance(task, count)
