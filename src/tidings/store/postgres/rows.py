"""Values out of rows."""

import orjson

from tidings.model import Attempt, Cause, Channel, Delivery, Recipient, State
from tidings.store.postgres.driver import Row
from tidings.store.values import (
    StoredEvent,
)


def delivery_of(row: Row) -> Delivery:
    """Read a delivery."""
    return Delivery(
        id=row["id"],
        org_id=row["org_id"],
        event_id=row["event_id"],
        event_name=row["event_name"],
        rule_id=row["rule_id"],
        action=row["action"],
        revision=row["revision"],
        channel=Channel(row["channel"]),
        recipient=Recipient.parse(row["recipient"]),
        customer_id=row["customer_id"],
        state=State(row["state"]),
        reason=row["reason"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        attempts=row["attempts"] - row["earlier_attempts"],
        settled_at=row["settled_at"],
    )


def attempt_of(row: Row) -> Attempt:
    """Read an attempt."""
    return Attempt(
        number=row["number"],
        started_at=row["started_at"],
        duration_ms=row["duration_ms"],
        outcome=Cause(row["outcome"]),
        status_code=row["status_code"],
        detail=row["detail"],
    )


def event_of(row: Row) -> StoredEvent:
    """Read an event."""
    return StoredEvent(
        org_id=row["org_id"],
        event_id=row["event_id"],
        name=row["name"],
        received_at=row["received_at"],
        revision=row["revision"],
        content=row["content"],
        digest=row["digest"],
        customer_id=row["customer_id"],
        matched_rules=tuple(orjson.loads(row["matched_rules"])),
        trace=row["trace"] or "",
    )
