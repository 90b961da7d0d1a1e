"""The body of a webhook, as Standard Webhooks shapes it: type, timestamp, data."""

import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import orjson

from tidings.events import event_name, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import Expression
from tidings.rules.ruleset import CompiledBody, WebhookAction

_NOT_IN_TYPE: Final = re.compile(r"[^A-Za-z0-9_.]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_799_999
"""The end of the year 9999, the last moment ISO 8601 writes in four digits."""


def webhook_payload(action: WebhookAction, event: Event, *, now: int, zone: tzinfo) -> bytes:
    """Return the JSON body; the same arguments give the same bytes.

    Args:
        action: whose type and body to use.
        event: what happened.
        now: when the delivery was decided; the timestamp of an event that has no ``createdAt``, and what ``now()``
            in the body is.
        zone: of dates without a zone, the brand's.

    Raises:
        tidings.expressions.EvaluationError: an expression of the body cannot be evaluated on this event.
    """
    view = native_view(event)
    created = event.created_at if event.HasField("created_at") else now
    data = view if action.body is None else body_data(action.body, view, now=now, zone=zone)
    return to_json(
        {
            "type": action.type or _NOT_IN_TYPE.sub("_", event_name(event)),
            "timestamp": timestamp(created if 0 <= created <= _LAST else now),
            "data": data,
        }
    )


def body_data(body: CompiledBody, view: Any, *, now: int, zone: tzinfo) -> dict[str, Any]:
    """Evaluate each expression of a body on the native view of an event."""
    return {
        key: value.search(view, now=now, zone=zone)
        if isinstance(value, Expression)
        else body_data(value, view, now=now, zone=zone)
        for key, value in body.items()
    }


def timestamp(milliseconds: int) -> str:
    """Write epoch milliseconds as ISO 8601 in UTC."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(value: Any) -> bytes:
    """Write JSON; integers beyond 64 bits, which orjson refuses, are written in full."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
