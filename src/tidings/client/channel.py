"""A channel to a gateway: with a key, with TLS, and with one place that decides about tries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

_OPTIONS: Final = (
    # Callers decide about tries. gRPC's own retries and hedging would hide them.
    ("grpc.enable_retries", 0),
    # A gateway that restarts is found again within a second, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def open_channel(
    target: str, *, key: str | None = None, credentials: grpc.ChannelCredentials | None = None
) -> grpc.aio.Channel:
    """Open a channel.

    Args:
        target: the gateway, ``host:port``.
        key: the API key that is shown with every call.
        credentials: for TLS; None speaks plain text.
    """
    interceptors = _interceptors(key) if key else ()
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=_OPTIONS, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, options=_OPTIONS, interceptors=interceptors)


def _interceptors(key: str) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return what adds the key to calls; gRPC wants a class for each kind of call."""
    shows = _ShowsKey(f"Bearer {key}")
    return (_UnaryUnary(shows), _UnaryStream(shows), _StreamStream(shows))


@dataclass(frozen=True, slots=True)
class _ShowsKey:
    value: str

    def __call__(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata.add("authorization", self.value)
        return grpc.aio.ClientCallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )

    def __repr__(self) -> str:
        return "_ShowsKey(…)"


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, shows: _ShowsKey) -> None:
        self._shows = shows

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._shows(client_call_details), request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, shows: _ShowsKey) -> None:
        self._shows = shows

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._shows(client_call_details), request)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, shows: _ShowsKey) -> None:
        self._shows = shows

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(self._shows(client_call_details), request_iterator)
