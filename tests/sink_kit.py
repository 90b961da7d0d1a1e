"""A real webhook receiver for tests: aiohttp on a port of the system's choosing, in the test's own loop.

It verifies every signature with the reference library, and can be told what to answer next.
"""

import asyncio
import json
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the sink does with one post."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    echo: Callable[[Mapping[str, str]], str] | None = None
    """Makes the body of the headers that came."""
    delay: float = 0.0
    """How long it takes to answer, seconds."""
    fault: Literal["", "hold", "hang", "reset-early", "reset-late", "reset-in-answer", "trickle"] = ""
    """``hold`` answers once the test sets ``release``; ``hang`` never answers; ``reset-early`` resets before the
    body is read, ``reset-late`` after it, ``reset-in-answer`` after half an answer; ``trickle`` sends the status
    and then no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedCall:
    """One post as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    verified: bool
    """Whether the reference library accepts signature and time."""
    connection: tuple[str, int]
    """The caller's address and port: the same for posts over one connection."""
    reply: Reply
    """What it was to be answered."""
    at: float = field(default_factory=time.time, compare=False)
    """When it was there whole, epoch seconds."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class HttpSink:
    """What a test sees of its receiver."""

    secrets: Sequence[str]
    scheme: str = "http"
    host: str = "127.0.0.1"
    port: int = 0
    received: list[ReceivedCall] = field(default_factory=list)
    replies: deque[Reply] = field(default_factory=deque)
    default: Reply = field(default_factory=Reply)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    """How many posts are being answered."""
    most_at_once: int = 0
    times: list[float] = field(default_factory=list)
    """When posts came, by the loop's clock."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/hooks"

    def script(self, *replies: Reply) -> None:
        """Give the next posts these replies, one each; after them ``default`` holds."""
        self.replies.extend(replies)

    def verifies(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Say whether one of the secrets verifies the post, by the reference library and the real clock."""
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, dict(headers), json_parse=False)
            except WebhookVerificationError:
                continue
            return True
        return False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.times.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        reply = self.replies.popleft() if self.replies else self.default
        if reply.fault == "reset-early":
            return await self._reset(request)
        await self._keep(request, reply)
        await asyncio.sleep(reply.delay)
        if reply.fault == "hang":
            await self.stopping.wait()
        if reply.fault == "hold":
            await self.release.wait()
        if reply.fault == "reset-late":
            return await self._reset(request)
        if reply.fault in ("reset-in-answer", "trickle"):
            return await self._half_an_answer(request, reply)
        body = reply.body if reply.echo is None else reply.echo(request.headers).encode()
        return web.Response(status=reply.status, headers=reply.headers, body=body)

    async def _keep(self, request: web.Request, reply: Reply) -> None:
        body = await request.read()
        assert request.transport is not None
        self.received.append(
            ReceivedCall(
                path=request.path_qs,
                headers=dict(request.headers),
                body=body,
                verified=self.verifies(body, {name.lower(): value for name, value in request.headers.items()}),
                connection=request.transport.get_extra_info("peername")[:2],
                reply=reply,
            )
        )

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _half_an_answer(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers={"content-length": str(len(reply.body) + 1)})
        await response.prepare(request)
        await response.write(reply.body)
        if reply.fault == "trickle":
            await self.stopping.wait()
        return await self._reset(request)


@asynccontextmanager
async def http_sink(*secrets: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpSink]:
    """Run a receiver that knows these signing secrets."""
    sink = HttpSink(secrets=secrets, scheme="https" if tls else "http")
    application = web.Application(client_max_size=64 * 1024**2)
    application.router.add_route("*", "/{tail:.*}", sink.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, sink.host, 0, ssl_context=tls)
        await site.start()
        sink.port = runner.addresses[0][1]
        yield sink
    finally:
        sink.stopping.set()
        sink.release.set()
        await runner.cleanup()
