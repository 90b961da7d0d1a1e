"""Every error of ours has a status that was meant."""

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc import StatusCode

from tidings import access, app, cli, client, errors  # noqa: F401 (importing them loads every error class there is)
from tidings.errors import (
    EventIdReused,
    FieldViolation,
    InvalidEvent,
    NotFound,
    Overloaded,
    PermissionDenied,
    StoreUnavailable,
    TidingsError,
    Unauthenticated,
)
from tidings.expressions import ExpressionError
from tidings.rpc import status_code, status_of

# Errors of expressions never reach a caller: loading turns them into problems, deciding into rule failures.
INTERNAL_ON_PURPOSE = {
    "BufferFull": "the client's own",
    "CallFailed": "the client's own",
    "ClientClosed": "the client's own",
    "ComposeFailed": "a delivery's fault, settled by dispatch",
    "ConversionError": "shown with its fields, as an InvalidEvent",
    "CopyDiffers": "the command line's, copying a store",
    "GatewayUnreachable": "the client's own",
    "InvalidConfiguration": "ends the start",
    "InvalidKeyFile": "ends the start, or is logged",
    "InvalidRulebook": "ends the start",
    "RenderError": "a delivery's fault, settled by dispatch",
}


def every_error(kind: type[TidingsError] = TidingsError) -> list[type[TidingsError]]:
    return [each for child in kind.__subclasses__() for each in (child, *every_error(child))]


def test_no_error_is_internal_by_oversight() -> None:
    plain = {kind for kind in every_error() if kind.__module__.startswith("tidings.")}
    internal = {kind for kind in plain if _code(kind) is StatusCode.INTERNAL and not issubclass(kind, ExpressionError)}
    assert {kind.__name__ for kind in internal} <= set(INTERNAL_ON_PURPOSE)


def _code(kind: type[TidingsError]) -> StatusCode:
    return status_code(kind.__new__(kind))


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidEvent([]), StatusCode.INVALID_ARGUMENT, "INVALID_EVENT"),
        (EventIdReused(org_id=1, event_id="e"), StatusCode.ALREADY_EXISTS, "EVENT_ID_REUSED"),
        (NotFound("delivery", "d"), StatusCode.NOT_FOUND, "NOT_FOUND"),
        (Overloaded("full", retry_after=2), StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (StoreUnavailable("locked"), StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (Unauthenticated("who?"), StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (PermissionDenied("no", {}), StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_carries_its_code_and_reason(error: TidingsError, code: StatusCode, reason: str) -> None:
    status = status_of(error)
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.reason, info.domain) == (code.value[0], reason, "tidings")


def test_a_bad_request_names_its_fields() -> None:
    status = status_of(InvalidEvent([FieldViolation(field="event.org_id", description="is missing")]))
    request = BadRequest()
    assert status.details[1].Unpack(request)
    assert [(each.field, each.description) for each in request.field_violations] == [("event.org_id", "is missing")]


def test_overload_says_when_to_try_again() -> None:
    retry = RetryInfo()
    assert status_of(Overloaded("full", retry_after=1.5)).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1500
