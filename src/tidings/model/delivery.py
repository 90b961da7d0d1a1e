"""A delivery: one message to one recipient on one channel, from decision to end.

The states and their moves are one table, ``MOVES``. Code, tests and the console read it; nothing moves
a delivery in any other way. All times are epoch milliseconds.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

_ID_DIGITS: Final = 32


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    HELD = "held"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({State.DELIVERED, State.DEAD, State.EXPIRED, State.SUPPRESSED, State.CANCELLED})
"""States that a delivery leaves only by hand."""


class Cause(StrEnum):
    """Why a delivery moves from one state to the next."""

    LEASED = "leased"
    """A worker took it because it was due, or because the worker before it let its lease lapse."""
    ACCEPTED = "accepted"
    """The far side took the message."""
    DEFERRED = "deferred"
    """The far side, or the way there, asks for another try later."""
    REFUSED = "refused"
    """The far side will never take it."""
    EXHAUSTED = "exhausted"
    """The last attempt that the schedule allows was deferred."""
    HELD = "held"
    """A gate keeps it back until a given time."""
    EXPIRED = "expired"
    """Its ``expires_at`` passed."""
    SUPPRESSED = "suppressed"
    """It must not or cannot be sent: no address, no consent, a suppressed address."""
    RELEASED = "released"
    """The worker gave it back untried, as at a stop."""
    CANCELLED = "cancelled"
    """Somebody, or a later event, called it off."""
    REQUEUED = "requeued"
    """Somebody asked for another round of attempts."""


MOVES: Final[Mapping[tuple[State, Cause], State]] = {
    (State.WAITING, Cause.LEASED): State.SENDING,
    (State.HELD, Cause.LEASED): State.SENDING,
    (State.SENDING, Cause.LEASED): State.SENDING,
    (State.SENDING, Cause.ACCEPTED): State.DELIVERED,
    (State.SENDING, Cause.DEFERRED): State.WAITING,
    (State.SENDING, Cause.REFUSED): State.DEAD,
    (State.SENDING, Cause.EXHAUSTED): State.DEAD,
    (State.SENDING, Cause.HELD): State.HELD,
    (State.SENDING, Cause.EXPIRED): State.EXPIRED,
    (State.SENDING, Cause.SUPPRESSED): State.SUPPRESSED,
    (State.SENDING, Cause.RELEASED): State.WAITING,
    (State.WAITING, Cause.EXPIRED): State.EXPIRED,
    (State.HELD, Cause.EXPIRED): State.EXPIRED,
    (State.WAITING, Cause.CANCELLED): State.CANCELLED,
    (State.HELD, Cause.CANCELLED): State.CANCELLED,
    (State.DEAD, Cause.REQUEUED): State.WAITING,
    (State.EXPIRED, Cause.REQUEUED): State.WAITING,
    (State.SUPPRESSED, Cause.REQUEUED): State.WAITING,
    (State.CANCELLED, Cause.REQUEUED): State.WAITING,
}
"""Every move there is. A pair that is not here is not a move."""


class RecipientKind(StrEnum):
    """What a recipient's name names."""

    CUSTOMER = "customer"
    """A customer id; the address comes from the contact directory at sending time."""
    ADDRESS = "address"
    """An e-mail address."""
    ENDPOINT = "endpoint"
    """A webhook endpoint of the brand."""


_KINDS: Final = {each.value: each for each in RecipientKind}


class Recipient(NamedTuple):
    """Whom a delivery goes to; ``str()`` gives the stored form ``kind:name`` and ``parse`` reads it."""

    kind: RecipientKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Recipient":
        """Read ``kind:name``; raise ValueError on anything else."""
        kind, colon, name = text.partition(":")
        known = _KINDS.get(kind)
        if not colon or known is None:
            raise ValueError(f"a recipient reads kind:name, got {text!r}")
        return cls(known, name)


class DeliveryIds(NamedTuple):
    """Ids of the deliveries of one action to one recipient, which differ in their event alone."""

    before: str
    """What is hashed before the event's id."""
    behind: str

    @classmethod
    def to(cls, recipient: Recipient, *, org_id: int, rule_id: str, action: int) -> "DeliveryIds":
        """Return those of an organisation's rule, whose action is given by its position."""
        org, to = str(org_id), f"{recipient.kind.value}:{recipient.name}"
        return cls(f"{len(org)}:{org},", f",{len(rule_id)}:{rule_id},{action},{len(to)}:{to},")

    def of(self, event_id: str) -> str:
        """Derive the identifier that makes a repeated decision on an event the same delivery."""
        identity = f"{self.before}{len(event_id)}:{event_id}{self.behind}"
        return "dlv_" + hashlib.sha256(identity.encode()).hexdigest()[:_ID_DIGITS]


def delivery_id(*, org_id: int, event_id: str, rule_id: str, action: int, recipient: Recipient) -> str:
    """Derive the identifier that makes a repeated decision the same delivery.

    It holds no dot (Standard Webhooks signs ``id.timestamp.body``) and is safe in a URL, a header and
    the local part of a Message-ID.
    """
    return DeliveryIds.to(recipient, org_id=org_id, rule_id=rule_id, action=action).of(event_id)


class PlannedDelivery(NamedTuple):
    """A delivery as decided, before it is stored."""

    id: str
    rule_id: str
    action: int
    """Position of the action in the rule's ``notify`` list."""
    channel: Channel
    recipient: Recipient
    due_at: int
    customer_id: str | None = None
    """The customer the event concerns, whoever the recipient is."""
    expires_at: int | None = None
    lane: str | None = None
    """Deliveries of one lane are sent one after the other, in the order they were decided; None: no order."""
    revocable: bool = False
    """Whether a later event of its customer may call it off."""
    digest: str | None = None
    """What it is gathered under: it joins the delivery that gathers under this key, or opens one, which goes at
    ``due_at``; None: it goes by itself. It names nobody: give a digest."""


class Delivery(NamedTuple):
    """A stored delivery."""

    id: str
    org_id: int
    event_id: str
    event_name: str
    rule_id: str
    action: int
    revision: str
    """Revision of the rulebook that decided it, and with which it is rendered."""
    channel: Channel
    recipient: Recipient
    customer_id: str | None
    state: State
    reason: str
    """Why it stands where it stands, in words; empty when there is nothing to say."""
    created_at: int
    due_at: int
    """When it may next be sent; meaningless once the state is one of ENDED."""
    expires_at: int | None
    attempts: int
    """How many attempts were made."""
    settled_at: int | None = None
    """When it ended."""


class Attempt(NamedTuple):
    """One try at a delivery."""

    number: int
    started_at: int
    duration_ms: int
    outcome: Cause
    status_code: int = 0
    """HTTP or SMTP status; 0 when the far side gave none."""
    detail: str = ""
    """The far side's answer or the fault, shortened by the channel."""
