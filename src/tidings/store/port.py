"""The store port: what intake and dispatch ask of a database, and the values they exchange with it.

Intake and dispatch meet only here. Every implementation passes the one contract suite under
``tests/store``. All times are epoch milliseconds and are given by the caller: a store reads no clock.
Every method raises StoreUnavailable when the database cannot serve, and then has kept nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tidings.model import Attempt, Cause, Contact, Delivery, PlannedDelivery, State


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as committed."""

    org_id: int
    event_id: str
    name: str
    received_at: int
    revision: str
    """The rulebook revision that decided it."""
    content: bytes
    """The ``tidings.events.v1.Event`` in wire form, its event id filled in."""
    digest: bytes
    """SHA-256 of what the publisher sent; tells a repeat from a reused id."""
    customer_id: str | None
    matched_rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An event and the deliveries it calls for: committed together, or not at all."""

    event: StoredEvent
    deliveries: tuple[PlannedDelivery, ...]


class Recorded(StrEnum):
    """What recording a publication came to."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """(organisation, event id) was there with the same digest."""
    REUSED = "reused"
    """(organisation, event id) was there with another digest; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """The answer for one publication. For a duplicate it tells what was decided the first time."""

    recorded: Recorded
    matched_rules: tuple[str, ...] = ()
    delivery_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A delivery in the hands of one worker."""

    delivery: Delivery
    """State SENDING; ``attempts`` counts those already settled, not the one about to start."""
    fence: int
    """Grows with every lease of this delivery; a settlement with an older fence is void."""
    event: bytes
    """The event's content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a worker reports of a delivery it leased."""

    delivery_id: str
    fence: int
    cause: Cause
    """Looked up in MOVES from SENDING; a cause without a move from there is a programming error."""
    reason: str = ""
    due_at: int | None = None
    """When to try again; required where the move leads to WAITING or HELD."""
    attempt: Attempt | None = None
    """The attempt made; absent when none was, as with RELEASED. ``number`` is set by the store."""
    settled_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to list; every field that is set must hold."""

    org_id: int | None = None
    event_id: str | None = None
    rule_id: str | None = None
    states: frozenset[State] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """A page of deliveries, newest first."""

    deliveries: tuple[Delivery, ...]
    next_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to list; every field that is set must hold."""

    org_id: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSummary:
    """An event as listed: without its content."""

    org_id: int
    event_id: str
    name: str
    received_at: int
    revision: str
    customer_id: str | None
    matched_rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """A page of events, newest first."""

    events: tuple[EventSummary, ...]
    next_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedBody:
    """A vendor's body that could not be used, kept for inspection."""

    id: str
    received_at: int
    intake: str
    """Where it came in."""
    reason: str
    body: bytes
    """Cut to the configured length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedPage:
    """A page of rejected bodies, newest first."""

    bodies: tuple[RejectedBody, ...]
    next_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A rulebook as it was: enough to compile it again."""

    id: str
    created_at: int
    archive: bytes
    """The packed sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much is waiting."""

    counts: dict[State, int]
    """Deliveries that have not ended, by state."""
    oldest_due_at: int | None
    """When the longest-due WAITING or HELD delivery was due."""


class Store(Protocol):
    """Durable events, deliveries, contacts and rulebook revisions."""

    async def record(self, publications: Sequence[Publication]) -> list[RecordResult]:
        """Commit publications durably; one result each, in order.

        Calls made at the same time share a transaction. When this returns, what is NEW survives a crash.
        """

    async def lease(self, *, now: int, until: int, limit: int) -> list[Leased]:
        """Hand the caller up to ``limit`` deliveries, oldest due first, until ``until``.

        Takes WAITING and HELD ones that are due at ``now`` and SENDING ones whose lease lapsed before it.
        """

    async def renew(self, leases: Sequence[tuple[str, int]], *, until: int) -> list[bool]:
        """Extend leases, given as (delivery id, fence); False for one that another worker has taken."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Commit outcomes; False for one whose lease another worker has taken, which changes nothing."""

    async def next_due(self) -> int | None:
        """Return the earliest time at which a lease could hand something out, or None."""

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (a store may wait on its server)
        """Return when deliveries were recorded or requeued since the last call, or after ``timeout`` seconds."""

    async def get_event(self, org_id: int, event_id: str) -> StoredEvent | None:
        """Return one event, or None."""

    async def get_delivery(self, delivery_id: str) -> tuple[Delivery, tuple[Attempt, ...]] | None:
        """Return one delivery with its attempts, oldest first, or None."""

    async def list_deliveries(self, wanted: DeliveryFilter, *, page_size: int, page_token: str) -> DeliveryPage:
        """Return a page, newest first; raise InvalidRequest for a token it did not give."""

    async def list_events(self, wanted: EventFilter, *, page_size: int, page_token: str) -> EventPage:
        """Return a page, newest first; raise InvalidRequest for a token it did not give."""

    async def keep_rejected(self, rejected: RejectedBody, *, keep: int, not_before: int) -> None:
        """Keep a body; let go of those received before ``not_before`` and of the oldest beyond ``keep``."""

    async def list_rejected(self, *, page_size: int, page_token: str) -> RejectedPage:
        """Return a page, newest first; raise InvalidRequest for a token it did not give."""

    async def upsert_contacts(self, contacts: Sequence[Contact]) -> None:
        """Add or replace contacts, all or none."""

    async def get_contact(self, org_id: int, customer_id: str) -> Contact | None:
        """Return one contact, or None."""

    async def save_revision(self, revision: Revision) -> None:
        """Keep a rulebook revision; one that is already there is left as it is."""

    async def get_revision(self, revision_id: str) -> Revision | None:
        """Return a rulebook revision, or None."""

    async def backlog(self) -> Backlog:
        """Count what has not ended."""

    async def check(self) -> None:
        """Prove the store can serve; raise StoreUnavailable otherwise."""
