"""A real gateway in a process of its own, for tests over the real wire."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.any_pb2 import Any as PackedMessage
from grpc_status import rpc_status

from prepared_kit import Program, fork_tidings, read_pipe
from tidings.app import open_gateway
from tidings.config import load_settings
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact, UpsertContactsRequest
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.gateway.v1.delivery_service_pb2 import (
    Delivery,
    DeliveryState,
    GetDeliveryRequest,
    GetDeliveryResponse,
    ListDeliveriesRequest,
)
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.gateway.v1.event_service_pb2 import PublishRequest, PublishResponse
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

TIDINGS = str(Path(sys.executable).parent / "tidings")
CRM_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OPEN = frozenset({"WAITING", "HELD", "SENDING"})
_PATIENCE = 30.0
_START_PATIENCE = 90.0
"""Seconds; starting from nothing takes two of CPU, which can be long in coming beside other work."""
_NOTHING = os.open(os.devnull, os.O_RDWR)

T = TypeVar("T")


@dataclass(slots=True)
class RunningGateway:
    """A gateway process and the means to talk to it."""

    _process: Program | None
    channel: grpc.aio.Channel
    grpc_port: int
    http_port: int
    log: list[dict[str, object]] = field(default_factory=list)

    @property
    def process(self) -> Program:
        """Return its process; a gateway of this process has none of its own."""
        assert self._process is not None
        return self._process

    async def publish(self, event: Event, *, timeout: float = 30) -> PublishResponse:  # noqa: ASYNC109 (gRPC's own)
        return await EventServiceStub(self.channel).Publish(PublishRequest(event=event), timeout=timeout)

    async def upsert(self, *contacts: Contact) -> None:
        await ContactServiceStub(self.channel).UpsertContacts(UpsertContactsRequest(contacts=contacts))

    async def delivery(self, name: str) -> GetDeliveryResponse:
        return await DeliveryServiceStub(self.channel).GetDelivery(GetDeliveryRequest(delivery_id=name))

    async def deliveries(self) -> list[Delivery]:
        stub = DeliveryServiceStub(self.channel)
        found: list[Delivery] = []
        token = ""
        while True:
            page = await stub.ListDeliveries(ListDeliveriesRequest(page_size=1000, page_token=token))
            found.extend(page.deliveries)
            token = page.next_page_token
            if not token:
                return found

    async def ended(self, name: str) -> Delivery:
        """Wait until a delivery has ended; return it."""

        async def look() -> Delivery | None:
            delivery = (await self.delivery(name)).delivery
            return None if state_of(delivery) in OPEN else delivery

        return await eventually(look)

    async def stop(self) -> int:
        """Ask for a graceful stop and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), _PATIENCE)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self.process.kill()
        await self.process.wait()


def details_of(error: grpc.aio.AioRpcError) -> Sequence[PackedMessage]:
    """Return the details that the gateway attached to an error."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs know the blocking calls only
    assert status is not None
    return list(status.details)


def state_of(delivery: Delivery) -> str:
    return DeliveryState.Name(delivery.state).removeprefix("DELIVERY_STATE_")


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until the answer is neither None nor false; fail when patience ends."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        if answer := await look():
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


def write_config(folder: Path, **sections: object) -> Path:
    """Write a configuration (JSON is YAML) with ports of the system's choice and short leases."""
    settings: dict[str, object] = {
        "store": f"sqlite:///{folder}/tidings.db",
        "grpc": {"listen": "127.0.0.1:0"},
        "http": {"listen": "127.0.0.1:0"},
        "email": {"timeout": "2s"},
        "webhook": {"allow_networks": ["127.0.0.0/8"], "timeout": "2s"},
        "dispatch": {"lease": "3s"},
        "log": {"form": "json"},
    }
    file = folder / "tidings.yaml"
    file.write_text(json.dumps(settings | sections))
    return file


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "EXAMPLE_CRM_SECRET": CRM_SECRET, **(extra or {})}


async def start_tidings(
    arguments: Sequence[str], files: tuple[int, int, int], *, env: Mapping[str, str], cwd: Path | None
) -> Program:
    """Start ``tidings`` with these standard files: forked in tests, from nothing where it is measured."""
    if "PYTEST_VERSION" in os.environ and sys.platform == "linux":
        return await fork_tidings(arguments, files, env=env, cwd=cwd)
    stdin, stdout, stderr = files
    return await asyncio.create_subprocess_exec(
        TIDINGS, *arguments, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd
    )


@asynccontextmanager
async def running_gateway(config: Path, *, arguments: Sequence[str] = ()) -> AsyncIterator[RunningGateway]:
    """Run ``tidings serve`` until the block ends; whatever happened in it, the process is gone afterwards."""
    reading, writing = os.pipe()
    serve = ["serve", "--config", str(config), *arguments]
    with os.fdopen(writing, "wb"):
        process = await start_tidings(serve, (_NOTHING, _NOTHING, writing), env=environment(), cwd=config.parent)
    lines = await read_pipe(reading)
    log: list[dict[str, object]] = []
    further: asyncio.Task[None] | None = None
    try:
        started = await asyncio.wait_for(_started(lines, log), _START_PATIENCE)
        further = asyncio.create_task(_read_log(lines, log))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{started['grpc_port']}") as channel:
            if started["grpc_port"]:  # a process that only dispatches has none
                await asyncio.wait_for(channel.channel_ready(), _PATIENCE)
            yield RunningGateway(process, channel, int(str(started["grpc_port"])), int(str(started["http_port"])), log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await (further if further is not None else lines.read())


@asynccontextmanager
async def open_test_gateway(config: Path) -> AsyncIterator[RunningGateway]:
    """Run a gateway in this process, for tests that need no signal, no kill and no log: it starts in a moment.

    Everything still goes over the wire.
    """
    os.environ.setdefault("EXAMPLE_CRM_SECRET", CRM_SECRET)
    async with open_gateway(load_settings(config)) as gateway:
        await gateway.start_serving()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
            yield RunningGateway(None, channel, gateway.grpc_port, gateway.http_port)


async def _started(lines: asyncio.StreamReader, log: list[dict[str, object]]) -> dict[str, object]:
    plain: list[str] = []
    async for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            plain.append(line.decode())
            continue
        log.append(entry)
        if entry["event"] == "gateway.started":
            return dict(entry)
    raise AssertionError(f"the gateway did not start: {''.join(plain)} {log}")


async def _read_log(lines: asyncio.StreamReader, log: list[dict[str, object]]) -> None:
    async for line in lines:
        try:
            log.append(json.loads(line))
        except ValueError:  # a traceback, say
            log.append({"event": "plain", "text": line.decode(errors="replace").rstrip()})


async def run_tidings(*arguments: str, stdin: bytes | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run the command line to its end; return exit code, standard output, standard error."""
    with ExitStack() as closing:
        given, out, err = (closing.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(stdin or b"")
        given.seek(0)
        process = await start_tidings(
            arguments,
            (given.fileno(), out.fileno(), err.fileno()),
            env=environment({"COLUMNS": "200", "NO_COLOR": "1"}),
            cwd=cwd,
        )
        try:
            code = await asyncio.wait_for(process.wait(), 2 * _PATIENCE)
        except TimeoutError:
            process.kill()
            raise
        for file in (out, err):
            file.seek(0)
        return code, out.read().decode(), err.read().decode()
