"""What a caller sees of an error: one table from our errors to gRPC status codes, and their details.

Errors follow google.rpc: ErrorInfo (reason, domain ``tidings``), BadRequest with field paths, RetryInfo.
"""

from collections.abc import Mapping
from typing import Final

from google.protobuf.any_pb2 import Any as PackedMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from tidings.errors import (
    EventIdReused,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    StoreUnavailable,
    TidingsError,
    Unauthenticated,
    WrongState,
)
from tidings.rulebook import InvalidRulebook

DOMAIN: Final = "tidings"

STATUS: Final[Mapping[type[TidingsError], StatusCode]] = {
    InvalidRequest: StatusCode.INVALID_ARGUMENT,
    EventIdReused: StatusCode.ALREADY_EXISTS,
    NotFound: StatusCode.NOT_FOUND,
    WrongState: StatusCode.FAILED_PRECONDITION,
    Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    StoreUnavailable: StatusCode.UNAVAILABLE,
    Unauthenticated: StatusCode.UNAUTHENTICATED,
    PermissionDenied: StatusCode.PERMISSION_DENIED,
    # A stored revision that this release no longer accepts.
    InvalidRulebook: StatusCode.FAILED_PRECONDITION,
}
"""Errors inherit their parent's code. The rest are INTERNAL: the caller gets an id, the log gets the story."""

_STORE_RETRY_SECONDS: Final = 1.0


def status_code(error: TidingsError) -> StatusCode:
    """Return the code of an error, its own or its nearest parent's."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return StatusCode.INTERNAL


def status_of(error: TidingsError) -> Status:
    """Build the status of an error, with its details packed."""
    return Status(
        code=status_code(error).value[0],
        message=str(error),
        details=[_packed(detail) for detail in _details(error)],
    )


def _details(error: TidingsError) -> list[Message]:
    details: list[Message] = [ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=_metadata(error))]
    if isinstance(error, InvalidRequest):
        violations = [
            BadRequest.FieldViolation(field=each.field, description=each.description) for each in error.violations
        ]
        details.append(BadRequest(field_violations=violations))
    if isinstance(error, Overloaded):
        details.append(_retry_info(error.retry_after))
    if isinstance(error, StoreUnavailable):
        details.append(_retry_info(_STORE_RETRY_SECONDS))
    return details


def _metadata(error: TidingsError) -> dict[str, str]:
    if isinstance(error, EventIdReused):
        return {"org_id": str(error.org_id), "event_id": error.event_id}
    if isinstance(error, NotFound):
        return {"kind": error.kind, "name": error.name}
    if isinstance(error, PermissionDenied):
        return error.metadata
    return {}


def _retry_info(seconds: float) -> RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(int(seconds * 1000))
    return RetryInfo(retry_delay=delay)


def _packed(message: Message) -> PackedMessage:
    packed = PackedMessage()
    packed.Pack(message)
    return packed
