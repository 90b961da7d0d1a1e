"""Around every method alike: who calls and whether they may, and errors turned into statuses.

So a handler only converts and calls.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc
from grpc_status import rpc_status

from tidings.access import ANYBODY, Keyring, Principal
from tidings.errors import PermissionDenied, TidingsError
from tidings.rpc.access import ACCESS, Access, check, touched
from tidings.rpc.status import status_of
from tidings.store import Store
from tidings.telemetry import events, get_logger
from tidings.telemetry.caller import TRACEPARENT, caller_trace

log = get_logger()

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]
_BEARER: Final = "Bearer "
_HEARING: Final = 1.0
"""How long who is refused may take for a first request, seconds."""

_caller: ContextVar[Principal] = ContextVar("caller")


def caller() -> Principal:
    """Return who makes the call that is being handled."""
    return _caller.get()


class GuardedServer:
    """Takes services as a gRPC server does, and passes their methods on with a guard before each.

    The guard lets in who may call, and answers a TidingsError with its status, anything unforeseen with INTERNAL and
    an id. It stands in the handlers and not in an interceptor, which would be asked again for each call and cost more
    than the guard itself.
    """

    def __init__(
        self, server: grpc.aio.Server, *, store: Store, keyring: Keyring | None = None, traced: bool = False
    ) -> None:
        """Take the keys that callers need, None lets everybody do everything; with traces, their context is kept."""
        self._server = server
        self._store = store
        self._keyring = keyring
        self._traced = traced
        if keyring is None:
            _caller.set(ANYBODY)  # the tasks of calls inherit it from whoever starts the server, and need not set it

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leave out what is registered by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Take a service's methods, guarded."""
        guarded = {name: self._guard(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, guarded)

    def _guard(self, method: str, handler: Handler) -> Handler:
        guard = _Guard(method, ACCESS.get(method), self._store, self._keyring, self._traced)
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
    traced: bool

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
                try:
                    access, principal = self._enter(context)
                except TidingsError:
                    await _hear(requests)
                    raise
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
        if self.traced:
            _note_trace(context)
        principal = ANYBODY if self.keyring is None else self.keyring.identify(_token(context))
        if _caller.get(None) is not principal:
            _caller.set(principal)
        return self.access, principal

    def _audit(self, access: Access, principal: Principal, request: Any) -> None:
        if access.audited:
            log.info(events.OPERATED, key=principal.name, method=self.method, **touched(access, request))


async def _hear(requests: AsyncIterator[Any]) -> None:
    """Wait a moment for the first request: who is cut off while sending it would be told of that, and not why."""
    with suppress(Exception):  # whatever else is wrong with it, it is refused for the reason there is already
        async with asyncio.timeout(_HEARING):
            async for _ in requests:
                return


def _token(context: Context) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
            return value.removeprefix(_BEARER).strip()
    return None


def _note_trace(context: Context) -> None:
    """Keep the context of a trace for whoever handles the call, which is a task of its own."""
    for name, value in context.invocation_metadata() or ():
        if name == TRACEPARENT and isinstance(value, str):
            caller_trace.set(value)


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
