"""The values that intake and dispatch exchange with a store. All times are epoch milliseconds."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import NamedTuple

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

# What is made for every event that comes in is a tuple: a frozen dataclass takes about three times as long to make.


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


class Leased(NamedTuple):
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


class Settlement(NamedTuple):
    """What a worker reports of a delivery it leased."""

    delivery_id: str
    fence: int
    cause: Cause
    """Looked up in MOVES from SENDING; a cause without a move from there is a programming error."""
    settled_at: int
    reason: str = ""
    due_at: int | None = None
    """When to try again; required where the move leads to WAITING or HELD."""
    attempt: Attempt | None = None
    """The attempt made; absent when none was, as with RELEASED. ``number`` is set by the store."""


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


class Known(NamedTuple):
    """What is known of a customer for whom a message is, all as of one moment."""

    contact: Contact | None
    """None: the directory does not know them."""
    suppressions: tuple[Suppression, ...]
    """Why the address in ``contact`` must not be used; empty when there is none."""


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
