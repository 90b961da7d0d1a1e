"""The brand's side of the demo: a real HTTP server that verifies what it is sent before it answers."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tidings.channels import verify


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """One webhook whose signature was right."""

    delivery_id: str
    body: str


@dataclass(slots=True)
class WebhookSink:
    """A listening sink and what it has received."""

    secret: str
    port: int = 0
    received: dict[str, ReceivedWebhook] = field(default_factory=dict)
    rejected: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer 204 to a webhook that verifies, 401 to one that does not."""
        body = await request.read()
        name = request.headers.get("webhook-id", "")
        if not self._verified(request, body):
            self.rejected += 1
            return web.Response(status=401)
        self.received[name] = ReceivedWebhook(delivery_id=name, body=body.decode())
        return web.Response(status=204)

    def _verified(self, request: web.Request, body: bytes) -> bool:
        headers = request.headers
        return verify(
            self.secret,
            headers.get("webhook-id", ""),
            int(headers.get("webhook-timestamp", "0")),
            body,
            signatures=headers.get("webhook-signature", ""),
            now=int(time.time()),
        )


@asynccontextmanager
async def open_sink(secret: str) -> AsyncIterator[WebhookSink]:
    """Listen on a free loopback port."""
    sink = WebhookSink(secret)
    application = web.Application()
    application.router.add_post("/{path:.*}", sink.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sink.port = runner.addresses[0][1]
        yield sink
    finally:
        await runner.cleanup()
