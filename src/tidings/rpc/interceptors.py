"""Turns errors into statuses, for every method alike, so that a handler only converts and calls."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_status import rpc_status

from tidings.errors import TidingsError
from tidings.rpc.status import status_of
from tidings.telemetry import events, get_logger

log = get_logger()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a TidingsError with its status, and anything unforeseen with INTERNAL and an id to ask for."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Wrap unary methods; the streaming ones there are (reflection, health) keep gRPC's own handling."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _guarded(handler.unary_unary, method=handler_call_details.method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _guarded(handle: Any, *, method: str) -> Any:
    async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await handle(request, context)
        except TidingsError as error:
            await context.abort_with_status(rpc_status.to_status(status_of(error)))
        except grpc.aio.AbortError:
            raise
        except Exception:
            ticket = secrets.token_hex(6)
            log.exception(events.REQUEST_FAULT, method=method, ticket=ticket)
            await context.abort(
                grpc.StatusCode.INTERNAL, f"the gateway failed on this request; its log tells more under {ticket}"
            )

    return guarded
