"""The store port: what intake and dispatch ask of a database.

Intake and dispatch meet only here. Every implementation passes the one contract suite under
``tests/store``. All times are epoch milliseconds and are given by the caller: a store reads no clock.
Every method raises StoreUnavailable when the database cannot serve, and then has kept nothing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Protocol

from tidings.model import Attempt, Contact, Delivery, Recipient, State, Suppression, SuppressionReason
from tidings.store.fleet import FleetStore
from tidings.store.values import (
    Backlog,
    Claim,
    ContactPage,
    DeliveryChange,
    DeliveryFilter,
    DeliveryPage,
    EndpointState,
    Erasure,
    EventFilter,
    EventPage,
    Gathered,
    Intervention,
    Known,
    Leased,
    Person,
    Publication,
    RecordResult,
    RejectedBody,
    RejectedPage,
    Retention,
    Revision,
    Settlement,
    StoredEvent,
    SuppressionFilter,
    SuppressionPage,
)


class Store(Protocol):
    """Durable events, deliveries, contacts and rulebook revisions."""

    @property
    def fleet(self) -> FleetStore:
        """The part by which the gateways on this store know each other."""

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

    async def save_endpoint_state(self, state: EndpointState) -> bool:
        """Remember an endpoint's state; one that is in order again is forgotten.

        False when it was disabled at another time already, at the same url: that word stands until it is forgotten.
        """

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
        """Add contacts or change what they name, all or none; see Contact for what is left as it was.

        Raises:
            InvalidRequest: with what is known, one would have more consents or attributes than a contact may; what
                customers say themselves is taken all the same.
        """

    async def get_contact(self, org_id: int, customer_id: str) -> Contact | None:
        """Return one contact, or None."""

    async def get_reader(self, org_id: int, customer_id: str, *, now: int) -> Known:
        """Return what is known of a customer, and why the address in it must not be used at ``now``."""

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
