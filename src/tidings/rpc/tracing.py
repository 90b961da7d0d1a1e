"""Takes the trace context of a gRPC call out of its metadata; installed only where tracing is configured."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from tidings.telemetry.caller import TRACEPARENT, caller_trace


class CallerTraceInterceptor(grpc.aio.ServerInterceptor):
    """Keeps what the caller sent as ``traceparent`` for whoever handles the call."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Note the context; a call is looked up and handled in one task, so that its handler finds it there."""
        for name, value in handler_call_details.invocation_metadata or ():
            if name == TRACEPARENT and isinstance(value, str):
                caller_trace.set(value)
        return await continuation(handler_call_details)
