"""A web server for tests that says exactly the bytes it is told to, and a client to post to it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tidings.channels import WebhookSettings, system_resolve
from tidings.channels.http_client import HttpAnswer, HttpClient, HttpFault, open_http_client

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection, whose first request is still to be read."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(slots=True)
class RawServer:
    """What a test sees of the server."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    """Each request's head and body, as they came."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?a=b%20c"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request and keep it."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request


@asynccontextmanager
async def raw_server(say: "Callable[[RawServer], Say]") -> AsyncIterator[RawServer]:
    """Serve each connection with what ``say`` returns; what is still open at the end is closed."""
    server = RawServer()
    serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        serving[writer] = asyncio.get_running_loop().create_task(serve(reader, writer))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await say(server)(reader, writer)
        writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, limit=16 * 1024**2)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.sleep(0.01)  # whoever connected and left at once is not yet in the list
        for writer, task in serving.items():
            task.cancel()
            writer.transport.abort()
        faults = await asyncio.gather(*serving.values(), return_exceptions=True)
        assert not [each for each in faults if isinstance(each, Exception)]


def saying(*replies: bytes, then_close: bool = False) -> Callable[[RawServer], Say]:
    """Answer a connection's requests with these bytes, one after the other, the last one for all that follow."""

    def for_server(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            left = list(replies)
            while True:
                await server.read(reader)
                writer.write(left.pop(0) if len(left) > 1 else left[0])
                if then_close:
                    return

        return say

    return for_server


@asynccontextmanager
async def a_client(resolve: Any = system_resolve, **settings: Any) -> AsyncIterator[HttpClient]:
    """Lend a client that may reach this machine."""
    options = WebhookSettings(**{"allow_networks": ("127.0.0.0/8",), "timeout": 5, "resolve_ttl": 0, **settings})
    async with open_http_client(options, context=ssl.create_default_context(), resolve=resolve) as client:
        yield client


async def post(client: HttpClient, url: str, body: bytes = b"{}") -> HttpAnswer | str:
    """Post and return the answer, or the words of the fault."""
    try:
        return await client.post(client.target(url), body, {"webhook-id": "dlv_example"})
    except HttpFault as fault:
        return str(fault)


def answers(*statuses: int, body: bytes = b"ok") -> Sequence[HttpAnswer]:
    return [HttpAnswer(status=status, retry_after=None, body=body) for status in statuses]
