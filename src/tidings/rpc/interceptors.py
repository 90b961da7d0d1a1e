"""Turns errors into statuses, for every method alike, so that a handler only converts and calls."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc_status import rpc_status

from tidings.errors import TidingsError
from tidings.rpc.status import status_of
from tidings.telemetry import events, get_logger

log = get_logger()

Context = grpc.aio.ServicerContext[Any, Any]
_OURS = "/tidings."


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a TidingsError with its status, and anything unforeseen with INTERNAL and an id to ask for."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Wrap our methods; reflection and health keep gRPC's own handling."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _guarded(handler.unary_unary, method=method),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                _guarded_stream(handler.stream_stream, method=method),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_stream_rpc_method_handler(
            _guarded_stream(handler.unary_stream, method=method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _guarded(handle: Any, *, method: str) -> Any:
    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await handle(request, context)
        except Exception as error:  # noqa: BLE001 (the edge of the process)
            await _answer(error, context, method)

    return guarded


def _guarded_stream(handle: Any, *, method: str) -> Any:
    async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for response in handle(request, context):
                yield response
        except Exception as error:  # noqa: BLE001 (the edge of the process)
            await _answer(error, context, method)

    return guarded


async def _answer(error: Exception, context: Context, method: str) -> None:
    """End the call with the error's status; the caller of an unforeseen one gets an id, the log gets the story."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, TidingsError):
        await context.abort_with_status(rpc_status.to_status(status_of(error)))
    ticket = secrets.token_hex(6)
    log.error(events.REQUEST_FAULT, method=method, ticket=ticket, exc_info=error)
    await context.abort(
        grpc.StatusCode.INTERNAL, f"the gateway failed on this request; its log tells more under {ticket}"
    )
