"""What the publishing rows set up: servers, the processes that call them, and what they say of themselves."""

import asyncio
import json
import re
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import aiohttp
import grpc
from processes import cpu_of, said, started
from publish_peer import COUNT
from rulebooks import sources

from gateway_kit import RunningGateway, running_gateway, write_config

RULES = 1_000
_HERE = Path(__file__).parent
_GENERATORS = 2
_NEW = re.compile(r'^tidings_events_total\{outcome="new"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server under load."""

    target: str
    pid: int
    count: Callable[[], Awaitable[int]]
    """Says how many events it has taken so far."""


class _Report(TypedDict):
    """What a generator says of a stretch."""

    began: float
    ended: float
    took: list[float]
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One stretch of load on one server."""

    rate: float
    """Events a second."""
    took: Sequence[float]
    """What each call took, seconds."""
    cpu: float
    """Processor time of the server for an event, seconds."""
    generators: float
    """Processor time of the generators, as a share of the time they had."""


def percentiles(runs: Sequence[Measured]) -> str:
    """Say what calls took: the median and the 99th percentile over all runs."""
    points = statistics.quantiles([each for run in runs for each in run.took], n=100)
    return f"p50 {points[49] * 1000:.1f} ms, p99 {points[98] * 1000:.1f} ms"


class Load:
    """Generator processes that call in step."""

    def __init__(
        self, processes: Sequence[asyncio.subprocess.Process], servers: dict[str, Server], *, events: int
    ) -> None:
        self._processes = processes
        self._servers = servers
        self._events = events

    async def run(self, side: str, name: str, *, seconds: float) -> Measured:
        """Call a server for a while; its own count of events must be that of the callers."""
        server = self._servers[side]
        before, spent = await server.count(), cpu_of(server.pid)
        reports = await asyncio.gather(
            *(_ordered(each, f"{side} {name}{number} {seconds}") for number, each in enumerate(self._processes))
        )
        spent = cpu_of(server.pid) - spent
        took = [each for report in reports for each in report["took"]]
        events = len(took) * self._events
        if (counted := await server.count() - before) != events:
            raise AssertionError(f"{side} took in {counted} events, and {events} were acknowledged")
        wall = max(each["ended"] for each in reports) - min(each["began"] for each in reports)
        return Measured(
            rate=events / wall,
            took=took,
            cpu=spent / events,
            generators=sum(each["cpu"] for each in reports) / (wall * len(reports)),
        )


async def _ordered(process: asyncio.subprocess.Process, order: str) -> _Report:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{order}\n".encode())
    line = await process.stdout.readline()
    if not line:
        raise AssertionError("a load generator ended; what it said stands above")
    report: _Report = json.loads(line)
    return report


@asynccontextmanager
async def open_load(method: str, servers: dict[str, Server], *, callers: int, events: int) -> AsyncIterator[Load]:
    """Start the generators, each with its share of the callers; ``events`` is how many a call carries."""
    targets = json.dumps({side: server.target for side, server in servers.items()})
    command = (sys.executable, str(_HERE / "publish_load.py"), method, str(callers // _GENERATORS), targets)
    async with AsyncExitStack() as closing:
        processes = [await closing.enter_async_context(_piped(*command)) for _ in range(_GENERATORS)]
        yield Load(processes, servers, events=events)


@asynccontextmanager
async def _piped(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 26)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def bare_server(folder: Path) -> AsyncIterator[Server]:
    """Run the peer."""
    log = folder / "peer.log"
    async with started(sys.executable, str(_HERE / "publish_peer.py"), log=log) as process:
        target = f"127.0.0.1:{(await said(log, process, 'port')).split()[-1]}"
        async with grpc.aio.insecure_channel(target) as channel:
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(COUNT)

            async def count() -> int:
                return int(await ask(b""))

            yield Server(target=target, pid=process.pid, count=count)


@asynccontextmanager
async def tidings_server(folder: Path) -> AsyncIterator[Server]:
    """Run a gateway with 1,000 rules on the folder's database, which is made if it is not there."""
    rules = folder / "rules"
    for source in sources(RULES):
        file = rules / source.path
        file.parent.mkdir(parents=True, exist_ok=True)
        # nobody listens there: its breaker opens, and what was decided for it waits
        file.write_bytes(source.data.replace(b"https://crm.example.com/hooks", b"http://127.0.0.1:9/"))
    config = write_config(folder, rules=str(rules), reload={"every": 0})
    async with running_gateway(config) as gateway, aiohttp.ClientSession() as session:

        async def count() -> int:
            return await _counted(gateway, session)

        yield Server(target=f"127.0.0.1:{gateway.grpc_port}", pid=gateway.process.pid, count=count)


async def _counted(gateway: RunningGateway, session: aiohttp.ClientSession) -> int:
    async with session.get(f"http://127.0.0.1:{gateway.http_port}/metrics") as answer:
        found = _NEW.search(await answer.text())
    return int(float(found[1])) if found else 0
