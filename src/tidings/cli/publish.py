"""``tidings publish``: JSON payloads to a gateway."""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import grpc
import typer

from tidings.cli.patience import patiently
from tidings.cli.terminal import (
    DEFAULT_TO,
    PROBLEMS,
    Step,
    To,
    describe,
    err,
    fail,
    gateway_channel,
    progress,
)
from tidings.gateway.v1.event_service_pb2 import PublishJsonRequest, PublishJsonResult
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

if TYPE_CHECKING:  # the stub's type for an asynchronous channel exists in the generated stubs only
    from tidings.gateway.v1.event_service_pb2_grpc import EventServiceAsyncStub

_UNDER_WAY = 64
"""How many calls are open at once."""
_LINES = frozenset({".jsonl", ".ndjson"})


@dataclass(frozen=True, slots=True)
class Payload:
    """One body to publish, and where it came from in words: a file, or a file and a line."""

    origin: str
    body: bytes


@dataclass(slots=True)
class Tally:
    """What became of the events."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    deliveries: int = 0
    lenient: int = 0

    def __str__(self) -> str:
        parts = [f"{self.accepted} accepted", f"{self.duplicates} duplicates", f"{self.refused} refused"]
        parts.append(f"{self.deliveries} deliveries")
        if self.lenient:
            parts.append(f"{self.lenient} read leniently (tidings convert FILE says how)")
        return ", ".join(parts)


def publish(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON or JSON lines; - is standard input.")],
    to: To = DEFAULT_TO,
    org: Annotated[
        int | None, typer.Option(help="The organisation, for payloads that name none (the card-linked network's).")
    ] = None,
) -> None:
    """Publish JSON payloads in any of the vendors' envelopes, one a file or one a line.

    Each event that fails has a line of its own on standard error, and the exit code is 1.

    Example: tidings publish event.json more-events.jsonl
    """
    total = _count(files)
    with progress("publishing", total=total) as step:
        tally = asyncio.run(_publish(_payloads(files), to=to, org=org, step=step))
    err.print(str(tally), highlight=False, soft_wrap=True)
    if tally.refused:
        raise typer.Exit(PROBLEMS)


async def _publish(payloads: Iterator[Payload], *, to: str, org: int | None, step: Step) -> Tally:
    tally = Tally()
    under_way: set[asyncio.Task[None]] = set()
    async with gateway_channel(to) as channel:
        stub = EventServiceStub(channel)
        try:
            for payload in payloads:
                under_way.add(asyncio.create_task(_send(stub, payload, org=org, tally=tally, step=step)))
                if len(under_way) >= _UNDER_WAY:
                    under_way = await _settled(under_way)
            while under_way:
                under_way = await _settled(under_way)
        finally:
            for task in under_way:
                task.cancel()
    return tally


async def _settled(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for one call at least; raise what it raised; return those still open."""
    done, still_open = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return still_open


async def _send(stub: "EventServiceAsyncStub", payload: Payload, *, org: int | None, tally: Tally, step: Step) -> None:
    request = PublishJsonRequest(body=payload.body, org_id=org)
    try:
        answer = await patiently(lambda: stub.PublishJson(request))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        tally.refused += 1
        _complain(f"{payload.origin}: {describe(error, to='')}")
    else:
        for result in answer.results:
            _count_result(result, payload, tally)
    step()


def _count_result(result: PublishJsonResult, payload: Payload, tally: Tally) -> None:
    tally.lenient += bool(result.warnings)
    if result.HasField("fault"):
        tally.refused += 1
        faults = "; ".join(f"{each.field or 'event'}: {each.description}" for each in result.fault.fields)
        _complain(f"{payload.origin}: {result.fault.reason}: {faults or result.fault.message}")
        return
    tally.duplicates += result.published.duplicate
    tally.accepted += not result.published.duplicate
    tally.deliveries += 0 if result.published.duplicate else len(result.published.delivery_ids)


def _complain(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def _payloads(files: Sequence[str]) -> Iterator[Payload]:
    for name in files:
        if name == "-":
            yield from _split("standard input", sys.stdin.buffer, lines=False)
            continue
        try:
            with Path(name).open("rb") as opened:
                yield from _split(name, opened, lines=Path(name).suffix in _LINES)
        except OSError as error:
            fail(f"{name} cannot be read: {error.strerror}")


def _split(name: str, stream: BinaryIO, *, lines: bool) -> Iterator[Payload]:
    """Yield one payload a line when the stream holds JSON lines, else the whole stream as one."""
    first = next((line for line in stream if line.strip()), b"")
    if lines or _is_whole(first):
        second = next((line for line in stream if line.strip()), None)
        if not lines and second is None:
            yield Payload(name, first)
            return
        rest: Iterable[bytes] = chain((first,), () if second is None else (second,), stream)
        yield from (Payload(f"{name}:{number}", line) for number, line in enumerate(rest, 1) if line.strip())
        return
    yield Payload(name, first + stream.read())


def _is_whole(line: bytes) -> bool:
    """Say whether a line is a JSON document by itself."""
    try:
        return isinstance(json.loads(line), dict | list)
    except ValueError:
        return False


def _count(files: Sequence[str]) -> int | None:
    """Count the payloads for the progress bar; None where only reading to the end would tell."""
    if "-" in files:
        return None
    total = 0
    for name in files:
        try:
            with Path(name).open("rb") as opened:
                first = next((line for line in opened if line.strip()), b"")
                is_lines = Path(name).suffix in _LINES or _is_whole(first)
                total += 1 + sum(1 for line in opened if line.strip()) if is_lines else 1
        except OSError as error:
            fail(f"{name} cannot be read: {error.strerror}")
    return total
