"""The body of a webhook, as Standard Webhooks shapes it: type, timestamp, data."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

import orjson

from tidings.events import event_name, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import Expression
from tidings.rules.ruleset import CompiledBody, WebhookAction
from tidings.rules.subject import BoundExpressions, Subject

_NOT_IN_TYPE: Final = re.compile(r"[^A-Za-z0-9_.]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_799_999
"""The end of the year 9999, the last moment ISO 8601 writes in four digits."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a digest tells of."""

    events: tuple[Event, ...]
    """The latest events, oldest first, at least one."""
    more: int = 0
    """How many earlier ones there are beside these."""

    def view(self) -> dict[str, Any]:
        """Return the native view of the latest event, with ``events``, the views of all, and ``more``."""
        views = [native_view(each) for each in self.events]
        return {**views[-1], "events": views, "more": self.more}


def webhook_payload(
    action: WebhookAction,
    event: Event,
    *,
    now: int,
    zone: tzinfo,
    bound: BoundExpressions | None = None,
    gathered: Gathered | None = None,
) -> bytes:
    """Return the JSON body; the same arguments give the same bytes.

    Args:
        action: whose type and body to use.
        event: what happened.
        now: when the delivery was decided; the timestamp of an event that has no ``createdAt``, and what ``now()``
            in the body is.
        zone: of dates without a zone, the brand's.
        gathered: of a digest, whose latest event is ``event``: its body reads ``events`` and ``more``, too, and without
            a body these are what it sends.
        bound: expressions bound to events of this name before, of ``RuleSet.bound``; it saves time alone.

    Raises:
        tidings.expressions.EvaluationError: an expression of the body cannot be evaluated on this event.
    """
    subject = Subject(event, bound or BoundExpressions(event_name(event)), now=now, zone=zone)
    created = event.created_at if event.HasField("created_at") else now
    return to_json(
        {
            "type": action.type or _NOT_IN_TYPE.sub("_", event_name(event)),
            "timestamp": timestamp(created if 0 <= created <= _LAST else now),
            "data": _data(action, subject) if gathered is None else _digest_data(action, gathered, now=now, zone=zone),
        }
    )


def _data(action: WebhookAction, subject: Subject) -> Any:
    return subject.view if action.body is None else _body_data(action.body, subject.search)


def _digest_data(action: WebhookAction, gathered: Gathered, *, now: int, zone: tzinfo) -> dict[str, Any]:
    view = gathered.view()
    if action.body is None:
        return {"events": view["events"], "more": view["more"]}
    return _body_data(action.body, lambda each: each.search(view, now=now, zone=zone))


def _body_data(body: CompiledBody, search: Callable[[Expression], Any]) -> dict[str, Any]:
    return {
        key: search(value) if isinstance(value, Expression) else _body_data(value, search)
        for key, value in body.items()
    }


def timestamp(milliseconds: int) -> str:
    """Write epoch milliseconds as ISO 8601 in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_to_the_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    """Write a moment without its fraction; what is sent at one time mostly happened at one time."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="seconds")


def to_json(value: Any) -> bytes:
    """Write JSON; integers beyond 64 bits, which orjson refuses, are written in full."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
