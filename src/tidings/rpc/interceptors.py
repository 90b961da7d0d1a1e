"""Around every method alike: who calls and whether they may, and errors turned into statuses.

So a handler only converts and calls.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import grpc
from grpc_status import rpc_status

from tidings.access import ANYBODY, Keyring, Principal
from tidings.errors import PermissionDenied, TidingsError
from tidings.rpc.access import ACCESS, Access, check, touched
from tidings.rpc.status import status_of
from tidings.store import Store
from tidings.telemetry import events, get_logger

log = get_logger()

Context = grpc.aio.ServicerContext[Any, Any]
_OURS: Final = "/tidings."
_BEARER: Final = "Bearer "

_caller: ContextVar[Principal] = ContextVar("caller")


def caller() -> Principal:
    """Return who makes the call that is being handled."""
    return _caller.get()


class GuardInterceptor(grpc.aio.ServerInterceptor):
    """Lets in who may call; answers a TidingsError with its status, anything unforeseen with INTERNAL and an id."""

    def __init__(self, store: Store, keyring: Keyring | None) -> None:
        """Take the keys that callers need; None lets everybody do everything."""
        self._store = store
        self._keyring = keyring
        self._guarded: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        """The methods that were called so far: their handlers never change."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Wrap our methods; reflection and health keep gRPC's own handling, and anybody may ask them."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        if (known := self._guarded.get(method)) is None:
            known = self._guarded[method] = self._guard(method, handler)
        return known

    def _guard(self, method: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
        guard = _Guard(method, ACCESS.get(method), self._store, self._keyring)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                guard.answering(handler.unary_unary),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                guard.conversing(handler.stream_stream),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_stream_rpc_method_handler(
            guard.streaming(handler.unary_stream),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


@dataclass(frozen=True, slots=True)
class _Guard:
    """What stands before one method."""

    method: str
    access: Access | None
    store: Store
    keyring: Keyring | None

    def answering(self, handle: Any) -> Any:
        """Guard a method of one request and one response."""

        async def guarded(request: Any, context: Context) -> Any:
            try:
                access, principal = self._enter(context)
                if principal is ANYBODY:
                    return await handle(request, context)
                await check(access, principal, request, self.store)
                response = await handle(request, context)
                if principal.orgs is not None:
                    access.after(principal, response)
            except Exception as error:  # noqa: BLE001 (the edge of the process)
                await _answer(error, context, self.method)
            else:
                self._audit(access, principal, request)
                return response

        return guarded

    def streaming(self, handle: Any) -> Any:
        """Guard a method of one request and many responses."""

        async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                access, principal = self._enter(context)
                await check(access, principal, request, self.store)
                async for response in handle(request, context):
                    yield response
            except Exception as error:  # noqa: BLE001 (the edge of the process)
                await _answer(error, context, self.method)

        return guarded

    def conversing(self, handle: Any) -> Any:
        """Guard a method of many requests, each of which is looked at, and many responses."""

        async def guarded(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            try:
                access, principal = self._enter(context)
                async for response in handle(self._checked(requests, access, principal), context):
                    yield response
            except Exception as error:  # noqa: BLE001 (the edge of the process)
                await _answer(error, context, self.method)

        return guarded

    async def _checked(self, requests: AsyncIterator[Any], access: Access, principal: Principal) -> AsyncIterator[Any]:
        async for request in requests:
            await check(access, principal, request, self.store)
            yield request

    def _enter(self, context: Context) -> tuple[Access, Principal]:
        if self.access is None:
            raise PermissionDenied(f"nobody may call {self.method}", {})
        principal = ANYBODY if self.keyring is None else self.keyring.identify(_token(context))
        _caller.set(principal)
        return self.access, principal

    def _audit(self, access: Access, principal: Principal, request: Any) -> None:
        if access.audited:
            log.info(events.OPERATED, key=principal.name, method=self.method, **touched(access, request))


def _token(context: Context) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
            return value.removeprefix(_BEARER).strip()
    return None


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
