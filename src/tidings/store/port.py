"""The store port: what intake and dispatch ask of a database, and the values they exchange with it.

Intake and dispatch meet only here. Every implementation passes the one contract suite under
``tests/store``. All times are epoch milliseconds and are given by the caller: a store reads no clock.
Every method raises StoreUnavailable when the database cannot serve, and then has kept nothing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from tidings.model import (
    Attempt,
    Cause,
    Channel,
    Contact,
    Delivery,
    PlannedDelivery,
    Recipient,
    State,
    Suppression,
    SuppressionReason,
)

# What is made for every event that comes in is a tuple: a frozen dataclass takes four times as long to make.


class StoredEvent(NamedTuple):
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
    trace: str = ""
    """The ``traceparent`` of its publishing, for whoever delivers it; empty: it is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOff:
    """Deliveries that an event makes pointless: those of one rule to one customer of the event's organisation."""

    rule_id: str
    customer_id: str
    reason: str


class Publication(NamedTuple):
    """An event, the deliveries it calls for and those it calls off: committed together, or not at all."""

    event: StoredEvent
    deliveries: tuple[PlannedDelivery, ...]
    call_offs: tuple[CallOff, ...] = ()
    """Cancel what is revocable, has not ended and was recorded before this event; a duplicate cancels nothing.

    What is in a worker's hands goes if this attempt sends it, and is cancelled when it is settled otherwise. Of a
    digest only the customer's own events go, and all of it when none is left.
    """
    contact: Contact | None = None
    """What the event tells of its customer: merged as ``upsert_contacts`` does; by a duplicate not again."""
    swallows: tuple[str, str] | None = None
    """Customers who become one: who stays, and who goes. The contact of the first becomes ``merged`` of both, after
    ``contact`` was taken in; of the second's only objections stay, for what still waits to be sent to them."""


class Recorded(StrEnum):
    """What recording a publication came to."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """(organisation, event id) was there with the same digest."""
    REUSED = "reused"
    """(organisation, event id) was there with another digest; nothing was written."""


class RecordResult(NamedTuple):
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
    trace: str = ""
    """The event's ``trace``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a digest tells of."""

    events: tuple[bytes, ...]
    """The contents of the latest events, at least one, in the order they were recorded."""
    more: int
    """How many earlier ones there are beside these."""
    until: int
    """Until when it gathers: when it may go."""


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
class Limit:
    """At most so many units within a window that ends now."""

    key: str
    """What is counted; the same text is the same count within an organisation. It names nobody: give a digest."""
    limit: int
    """At least 1."""
    per: int
    """The window, milliseconds."""
    unit: str = ""
    """Deliveries of one unit count once, such as all that a rule sends for one event; empty: each by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that is about to be sent, and what it counts against."""

    org_id: int
    delivery_id: str
    limits: tuple[Limit, ...]
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are meant; every field that is set must hold."""

    org_id: int | None = None
    event_id: str | None = None
    rule_id: str | None = None
    channel: Channel | None = None
    recipient: Recipient | None = None
    states: frozenset[State] = field(default_factory=frozenset)
    created_from: int | None = None
    """Decided at this time or later."""
    created_before: int | None = None
    """Decided before this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Something done to deliveries by hand, or by a later event."""

    cause: Cause
    """REQUEUED or CANCELLED; looked up in MOVES from each delivery's own state."""
    reason: str
    now: int
    """When it was done; a requeued delivery is due then, and has a fresh round of attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChange:
    """A delivery that has just moved."""

    delivery_id: str
    org_id: int
    state: State
    reason: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What is remembered of a webhook endpoint across restarts."""

    org_id: int
    name: str
    failing_since: int | None = None
    """When the first of an unbroken run of failures came; None while it works."""
    disabled_at: int | None = None
    """When it was disabled; None while it is in use."""
    reason: str = ""
    """Why it was disabled, in words; empty while it is in use."""
    url_digest: str = ""
    """What its url was when it was disabled, as a digest: some urls hold tokens. Empty while it is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept: whatever is older than these times may go."""

    events_before: int
    deliveries_before: int
    """Counts from the end of a delivery; one that has not ended stays, and so does its event."""
    reservations_before: int = 0
    """Counts from the sending; no limit may look further back. One that is under way stays."""


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
class ContactPage:
    """A page of contacts, in order of organisation and customer."""

    contacts: tuple[Contact, ...]
    next_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionFilter:
    """Which suppressions to list; every field that is set must hold."""

    org_id: int | None = None
    reason: SuppressionReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionPage:
    """A page of suppressions, the latest first."""

    suppressions: tuple[Suppression, ...]
    next_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer, and the addresses that are known to be theirs."""

    org_id: int
    customer_id: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """How much of what concerned a person was erased or scrubbed."""

    contacts: int = 0
    events: int = 0
    deliveries: int = 0
    cancelled: int = 0
    """Deliveries that waited and were called off; they count as deliveries too."""
    attempts: int = 0
    rejected_bodies: int = 0
    suppressions: int = 0
    under_way: int = 0
    """Deliveries that were in workers' hands and stay as they are until it is done again; then events stay too."""

    def __add__(self, later: "Erasure") -> "Erasure":
        """Add what was erased later; what is under way is as it was last seen."""
        sums = {each.name: getattr(self, each.name) + getattr(later, each.name) for each in fields(self)}
        return Erasure(**sums | {"under_way": later.under_way})


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
        A call that was cancelled before its transaction began need not be recorded; after that it is, whoever waits.

        A delivery with a ``digest`` joins the one of its organisation that gathers under this key, or else is stored
        HELD until its due time and gathers itself; the answer names the one that took the event. One gathers until it
        is leased, and again once it was settled as HELD without an attempt, unless the next one has begun; not when
        it was moved by hand or its lease lapsed. It expires with the last of its events.
        """

    async def lease(
        self, *, now: int, until: int, limit: int, weights: Mapping[int, int] = MappingProxyType({})
    ) -> list[Leased]:
        """Hand the caller up to ``limit`` deliveries until ``until``, oldest due first within an organisation.

        Takes WAITING and HELD ones that are due at ``now`` and SENDING ones whose lease lapsed before it. Room is
        shared among the organisations that have something due, by ``weights`` (1 where none is given); what one
        leaves the others get. A delivery in a lane is not handed out while an earlier one of its lane has not ended.
        """

    async def renew(self, leases: Sequence[tuple[str, int]], *, until: int) -> list[bool]:
        """Extend leases, given as (delivery id, fence); False for one that another worker has taken."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Commit outcomes; False for one whose lease another worker has taken, which changes nothing."""

    async def reserve(self, claim: Claim) -> tuple[int | None, ...]:
        """Count a leased delivery against its limits if all have room: for each None, or when it will have room.

        When any answer is a time, nothing was counted; what is under way is taken as sent now. Whoever asks again
        for the same delivery gets the same room and counts once. Settled as ACCEPTED it counts from then on; when it
        ends in any other way, it counts no more.
        """

    async def intervene(self, delivery_ids: Sequence[str], intervention: Intervention) -> list[State | None]:
        """Requeue or cancel deliveries: the state each is in now, or None for one that does not exist.

        One whose state has no such move stays as it is. One in a worker's hands cannot be cancelled.
        """

    async def intervene_all(self, wanted: DeliveryFilter, intervention: Intervention, *, limit: int) -> int:
        """Requeue or cancel up to ``limit`` of the deliveries meant; how many moved. Zero: none is left."""

    async def hasten(self, org_id: int, recipient: Recipient, *, now: int) -> int:
        """Make deliveries to a recipient due at ``now`` that are due later; how many.

        Those that are held, and those that wait for another attempt; of a lane only the first. One that was never
        tried and never held keeps its time: it was decided for then. Many are moved in several transactions.
        """

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[DeliveryChange]]:
        """Follow deliveries as this store's process moves them; the oldest are dropped for a reader that is slow."""

    async def endpoint_states(self) -> list[EndpointState]:
        """Return what is remembered of every endpoint that has failed or been disabled."""

    async def save_endpoint_state(self, state: EndpointState) -> None:
        """Remember an endpoint's state; one that is in order again is forgotten."""

    async def purge(self, retention: Retention, *, limit: int) -> int:
        """Delete up to ``limit`` rows that are past their time; how many. Zero: nothing is left to delete."""

    async def next_due(self) -> int | None:
        """Return the earliest time at which a lease could hand something out, or None."""

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (a store may wait on its server)
        """Return when deliveries were recorded or requeued since the last call, or after ``timeout`` seconds."""

    async def gathered(self, delivery_id: str, *, now: int, most: int) -> Gathered | None:
        """Return what a digest has gathered, no more than the latest ``most`` of it; None when nothing is left.

        What has expired, was called off or was erased has left it, and an event counts once.
        """

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
        """Add contacts or change what they name, all or none; see Contact for what is left as it was."""

    async def get_contact(self, org_id: int, customer_id: str) -> Contact | None:
        """Return one contact, or None."""

    async def list_contacts(self, org_id: int | None, *, page_size: int, page_token: str) -> ContactPage:
        """Return a page of one organisation's contacts, or of all; raise InvalidRequest for a token it did not give."""

    async def suppress(self, suppressions: Sequence[Suppression]) -> None:
        """Put addresses on the list, all or none; one that is there for the same reason has it anew."""

    async def lift(self, org_id: int, address: str, *, reason: SuppressionReason | None) -> int:
        """Take an address off the list, for one reason or for all; how many suppressions went."""

    async def suppressions_of(self, org_id: int, address: str, *, now: int) -> tuple[Suppression, ...]:
        """Return why an address, however it is written, must not be used at ``now``."""

    async def list_suppressions(self, wanted: SuppressionFilter, *, page_size: int, page_token: str) -> SuppressionPage:
        """Return a page, the latest first; raise InvalidRequest for a token it did not give."""

    async def erase(self, person: Person, *, now: int) -> Erasure:
        """Forget a person; what concerns them is gone or scrubbed when this returns with nothing under way.

        What waits is cancelled. An event keeps its id and digest, so that a repeat is still known for one, and loses
        its content; a delivery keeps its id and state. A suppressed address stays suppressed, its text forgotten.
        """

    async def save_revision(self, revision: Revision) -> None:
        """Keep a rulebook revision; one that is already there is left as it is."""

    async def get_revision(self, revision_id: str) -> Revision | None:
        """Return a rulebook revision, or None."""

    async def backlog(self) -> Backlog:
        """Count what has not ended."""

    async def check(self) -> None:
        """Prove the store can serve; raise StoreUnavailable otherwise."""
