"""Events, deliveries and settlements for tests of stores, and the stores that the contract suite runs on."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from postgres_kit import open_in_shared_cluster
from tidings.model import (
    Attempt,
    Cause,
    Channel,
    Delivery,
    PlannedDelivery,
    Recipient,
    RecipientKind,
    State,
    delivery_id,
)
from tidings.store import Intervention, Leased, Publication, Settlement, Store, StoredEvent, open_store

T0: Final = 1_767_225_600_000
"""Midnight, 1 January 2026 UTC."""

STORES: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]]] = {
    "sqlite-apart": lambda folder: open_store(f"sqlite:///{folder / 'tidings.db'}", apart=True),
    "sqlite-file": lambda folder: open_store(f"sqlite:///{folder / 'tidings.db'}"),
    "sqlite-memory": lambda _: open_store("sqlite://"),
    "postgres": open_in_shared_cluster,
}
"""Every implementation, by name: how to open an empty one that may use a folder."""

LASTING: Final = sorted(set(STORES) - {"sqlite-memory"})
"""Those that keep what they hold when they are closed."""


def make_event(
    event_id: str = "e-1", *, org_id: int = 50750, content: bytes = b"content", received_at: int = T0
) -> StoredEvent:
    return StoredEvent(
        org_id=org_id,
        event_id=event_id,
        name="pointsIssued",
        received_at=received_at,
        revision="rev-1",
        content=content,
        digest=hashlib.sha256(content).digest(),
        customer_id="c-7",
        matched_rules=("points-issued", "tier-news"),
    )


def make_publication(
    event: StoredEvent | None = None, *, deliveries: int = 1, due_at: int | None = None, lane: str | None = None
) -> Publication:
    """Return an event with deliveries of rules ``rule-0``, ``rule-1``, …, due when it was received unless told."""
    event = event or make_event()
    planned = tuple(
        _planned(event, number, event.received_at if due_at is None else due_at, lane) for number in range(deliveries)
    )
    return Publication(event=event, deliveries=planned)


def _planned(event: StoredEvent, number: int, due_at: int, lane: str | None) -> PlannedDelivery:
    recipient = Recipient(kind=RecipientKind.CUSTOMER, name="c-7")
    rule_id = f"rule-{number}"
    return PlannedDelivery(
        id=delivery_id(org_id=event.org_id, event_id=event.event_id, rule_id=rule_id, action=0, recipient=recipient),
        rule_id=rule_id,
        action=0,
        channel=Channel.EMAIL,
        recipient=recipient,
        customer_id="c-7",
        due_at=due_at,
        expires_at=due_at + 86_400_000,
        lane=lane,
    )


def make_publications(count: int, *, deliveries: int = 1) -> list[Publication]:
    """Return publications received a millisecond apart."""
    return [
        make_publication(make_event(f"e-{number}", received_at=T0 + number), deliveries=deliveries)
        for number in range(count)
    ]


def waiting(publication: Publication, number: int = 0) -> Delivery:
    """Return a delivery as it must stand once its publication is recorded."""
    event, planned = publication.event, publication.deliveries[number]
    return Delivery(
        id=planned.id,
        org_id=event.org_id,
        event_id=event.event_id,
        event_name=event.name,
        rule_id=planned.rule_id,
        action=planned.action,
        revision=event.revision,
        channel=planned.channel,
        recipient=planned.recipient,
        customer_id=planned.customer_id,
        state=State.WAITING,
        reason="",
        created_at=event.received_at,
        due_at=planned.due_at,
        expires_at=planned.expires_at,
        attempts=0,
    )


def make_attempt(outcome: Cause, *, number: int = 0) -> Attempt:
    return Attempt(
        number=number, started_at=T0 + 5, duration_ms=40, outcome=outcome, status_code=250, detail="2.0.0 Ok"
    )


def settlement(
    leased: Leased, cause: Cause, *, due_at: int | None = None, tried: bool = True, reason: str = ""
) -> Settlement:
    return Settlement(
        delivery_id=leased.delivery.id,
        fence=leased.fence,
        cause=cause,
        reason=reason,
        due_at=due_at,
        attempt=make_attempt(cause) if tried else None,
        settled_at=T0 + 1_000,
    )


async def lease_one(store: Store, *, now: int = T0 + 10, until: int = T0 + 60_000) -> Leased:
    """Lease the one delivery that is due."""
    (leased,) = await store.lease(now=now, until=until, limit=1)
    return leased


def by_hand(cause: Cause, *, now: int = T0 + 2_000, reason: str = "by hand") -> Intervention:
    return Intervention(cause=cause, reason=reason, now=now)


async def state_of(store: Store, delivery_id: str) -> State:
    found = await store.get_delivery(delivery_id)
    assert found is not None
    return found[0].state
