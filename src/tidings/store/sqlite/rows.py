"""Values out of rows."""

from collections.abc import Sequence
from typing import Any

import orjson

from tidings.model import Attempt, Cause, Channel, Delivery, Recipient, State
from tidings.store.values import (
    StoredEvent,
)


def delivery_of(document: Sequence[Any], *, state: State | None = None) -> Delivery:
    """Read a ``delivery_document``; ``state`` stands for one that has changed since."""
    return Delivery(
        id=document[0],
        org_id=document[1],
        event_id=document[2],
        event_name=document[3],
        rule_id=document[4],
        action=document[5],
        revision=document[6],
        channel=Channel(document[7]),
        recipient=Recipient.parse(document[8]),
        customer_id=document[9],
        state=State(document[10]) if state is None else state,
        reason=document[11],
        created_at=document[12],
        due_at=document[13],
        expires_at=document[14],
        attempts=document[15],
        settled_at=document[16],
    )


def attempt_of(row: Sequence[Any]) -> Attempt:
    """Read an attempt."""
    return Attempt(
        number=row[0],
        started_at=row[1],
        duration_ms=row[2],
        outcome=Cause(row[3]),
        status_code=row[4],
        detail=row[5],
    )


def event_of(row: Sequence[Any]) -> StoredEvent:
    """Read an event."""
    return StoredEvent(
        org_id=row[0],
        event_id=row[1],
        name=row[2],
        received_at=row[3],
        revision=row[4],
        content=row[5],
        digest=row[6],
        customer_id=row[7],
        matched_rules=tuple(orjson.loads(row[8])),
        trace=row[9] or "",
    )
