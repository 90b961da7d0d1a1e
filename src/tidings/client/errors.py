"""What a call may end in, as errors: the gateway's own, rebuilt from their details, and the client's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as PackedMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from tidings.errors import (
    EventIdReused,
    FieldViolation,
    InvalidEvent,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    StoreUnavailable,
    TidingsError,
    Unauthenticated,
)
from tidings.gateway.v1.event_service_pb2 import PublishFault

_DOMAIN: Final = "tidings"
_DETAILS: Final = "grpc-status-details-bin"
_RETRY_SECONDS: Final = 1.0

MessageT = TypeVar("MessageT", bound=Message)


class GatewayUnreachable(TidingsError):
    """The gateway did not answer for as long as the client was willing to try; whether it committed is not known.

    Publishing the event again, under the same event id, is safe.
    """

    reason = "GATEWAY_UNREACHABLE"


class BufferFull(TidingsError):
    """More events are waiting than the client may hold; wait for some, or slow down."""

    reason = "BUFFER_FULL"


class ClientClosed(TidingsError):
    """The client was closed before the event was committed, as far as it knows."""

    reason = "CLIENT_CLOSED"


class CallFailed(TidingsError):
    """The gateway answered with a status that has no error of its own here; ``code`` is gRPC's name for it."""

    reason = "CALL_FAILED"

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")


def error_of(failure: grpc.aio.AioRpcError) -> TidingsError:
    """Return the error that the gateway raised."""
    details = _details(failure)
    info = _unpack(details, ErrorInfo)
    if info is not None and info.domain == _DOMAIN and info.reason in _BUILD:
        return _BUILD[info.reason](failure.details() or "", info.metadata, details)
    if failure.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return GatewayUnreachable(f"the gateway cannot be reached: {failure.details()}")
    return CallFailed(failure.code().name, failure.details() or "")


def fault_error(fault: PublishFault, *, org_id: int, event_id: str) -> TidingsError:
    """Return the error that one event of several was refused with."""
    if fault.reason == EventIdReused.reason:
        return EventIdReused(org_id=org_id, event_id=event_id)
    if fault.reason == InvalidEvent.reason:
        return InvalidEvent([FieldViolation(field=each.field, description=each.description) for each in fault.fields])
    return CallFailed(fault.reason, fault.message)


def retry_after(failure: grpc.aio.AioRpcError) -> float | None:
    """Return how many seconds the gateway asks to wait before another try, or None when it does not say."""
    info = _unpack(_details(failure), RetryInfo)
    return None if info is None else info.retry_delay.ToMilliseconds() / 1000


def _details(failure: grpc.aio.AioRpcError) -> Sequence[PackedMessage]:
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return list(Status.FromString(value).details)
            except DecodeError:
                return ()
    return ()


def _unpack(details: Sequence[PackedMessage], kind: type[MessageT]) -> MessageT | None:
    for detail in details:
        found = kind()
        if detail.Unpack(found):
            return found
    return None


def _violations(details: Sequence[PackedMessage]) -> list[FieldViolation]:
    found = _unpack(details, BadRequest)
    return [
        FieldViolation(field=each.field, description=each.description)
        for each in (found.field_violations if found else ())
    ]


def _overloaded(message: str, _: Mapping[str, str], details: Sequence[PackedMessage]) -> TidingsError:
    asked = _unpack(details, RetryInfo)
    seconds = asked.retry_delay.ToMilliseconds() / 1000 if asked else _RETRY_SECONDS
    return Overloaded(message, retry_after=seconds)


_BUILD: Final[Mapping[str, Callable[[str, Mapping[str, str], Sequence[PackedMessage]], TidingsError]]] = {
    InvalidRequest.reason: lambda _, __, details: InvalidRequest(_violations(details)),
    InvalidEvent.reason: lambda _, __, details: InvalidEvent(_violations(details)),
    EventIdReused.reason: lambda _, metadata, __: EventIdReused(
        org_id=int(metadata.get("org_id", "0")), event_id=metadata.get("event_id", "")
    ),
    NotFound.reason: lambda _, metadata, __: NotFound(metadata.get("kind", ""), metadata.get("name", "")),
    Overloaded.reason: _overloaded,
    Unauthenticated.reason: lambda message, _, __: Unauthenticated(message),
    PermissionDenied.reason: lambda message, metadata, _: PermissionDenied(message, metadata),
    StoreUnavailable.reason: lambda message, _, __: StoreUnavailable(message),
}
