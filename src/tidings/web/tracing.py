"""Takes the trace context of an HTTP request out of its headers; installed only where tracing is configured."""

from aiohttp import web

from tidings.telemetry.caller import TRACEPARENT, caller_trace
from tidings.web.admission import Handler


@web.middleware
async def caller_tracing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep what the caller sent as ``traceparent``. A connection's requests share a task: each sets its own."""
    caller_trace.set(request.headers.get(TRACEPARENT, ""))
    return await handler(request)
