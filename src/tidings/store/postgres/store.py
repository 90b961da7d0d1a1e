"""The PostgreSQL store: three lanes that write with group commit, and two that read beside them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from tidings.model import Attempt, Contact, Delivery, Recipient, State, Suppression, SuppressionReason
from tidings.store.admission import Admission, size_of
from tidings.store.causes import check_intervention, check_settlement
from tidings.store.erasing import Stretch, in_stretches
from tidings.store.moved import MovesSeen
from tidings.store.paging import check_page_size, decode_customer, decode_place, decode_token
from tidings.store.postgres.archive import NEWEST, Keeping, event_pages, keep_rejected, rejected_pages
from tidings.store.postgres.contacts import contact_pages, contacts_named, upsert_contacts
from tidings.store.postgres.digests import gathered
from tidings.store.postgres.directory import beat, save_endpoint_states, save_revisions, tell_others
from tidings.store.postgres.driver import Connection, connect, misconfigured, trouble
from tidings.store.postgres.erasure import (
    Eraser,
    erase_person,
    last_seqs,
    under_way,
)
from tidings.store.postgres.fleet import PostgresFleet
from tidings.store.postgres.interventions import Hastening, Interventions
from tidings.store.postgres.lane import Lane, LaneSettings, Onlooker, Witness
from tidings.store.postgres.leases import HandingOut, LeaseRequest, RenewRequest, Settling
from tidings.store.postgres.migrate import migrate
from tidings.store.postgres.readers import readers
from tidings.store.postgres.reading import (
    backlogs,
    deliveries_named,
    delivery_pages,
    endpoint_states,
    events_named,
    next_due,
    revisions_named,
)
from tidings.store.postgres.recording import Recorder
from tidings.store.postgres.reservations import reserve
from tidings.store.postgres.retention import Purger
from tidings.store.postgres.settings import PostgresSettings
from tidings.store.postgres.suppressions import Lifting, add_suppressions, lift, suppression_pages, suppressions_of
from tidings.store.postgres.wakeups import Wakeups
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

_FLEET_IDLE_MS: Final = 2_000
"""For so long one that is paused can keep the others from telling of themselves."""
_FLEET_STATEMENT_MS: Final = 4_000


class _Intake:
    """The work of the lane that takes in, and what must happen once it is committed."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._moves = MovesSeen(wakeups.feed, wakeups.came)
        self.recorder = Recorder(Interventions(self._moves), self._moves)

    def committed(self) -> None:
        """Tell whoever waits for deliveries or follows them."""
        self._moves.committed()

    def rolled_back(self) -> None:
        """Let memory follow."""
        self.recorder.forget_revisions()
        self._moves.rolled_back()

    async def save_revisions(self, connection: Connection, revisions: Sequence[Revision]) -> list[None]:
        """Keep rulebook revisions; from here on their use is noted anew."""
        self.recorder.forget_revisions()
        return await save_revisions(connection, revisions)


class _Settlements:
    """The work of the lane that settles, moves and clears away."""

    def __init__(self, moves: MovesSeen) -> None:
        self.interventions = Interventions(moves)
        self.settling = Settling(self.interventions, moves)
        self.eraser = Eraser(self.interventions)
        self.purger = Purger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lanes:
    """Where calls go. What may wait for locks in different order has a lane of its own."""

    intake: Lane
    settle: Lane
    lease: Lane
    look_up: Lane
    """For one row at a time."""
    survey: Lane
    """For pages and counts, which look-ups should not wait for."""
    fleet: Lane
    """For what gateways tell each other, which must not wait for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the lanes do."""

    intake: _Intake
    settlements: _Settlements
    handing_out: HandingOut


class PostgresStore:
    """Implements the port ``Store``. Belongs to the event loop that opened it.

    A transaction whose connection is lost while it is being committed may have happened although StoreUnavailable is
    raised; publishing again is answered as a duplicate then, and settling again as void.
    """

    def __init__(self, lanes: _Lanes, work: _Work, wakeups: Wakeups, settings: PostgresSettings) -> None:
        self._lanes = lanes
        self._work = work
        self._wakeups = wakeups
        self.fleet = PostgresFleet(lanes.fleet)
        self._admission = Admission(
            rows=settings.queue_limit, size=settings.queue_bytes, longest_wait=settings.longest_wait_ms / 1_000
        )

    @property
    def transactions(self) -> int:
        """How many writing transactions this store has committed."""
        return sum(lane.transactions for lane in (self._lanes.intake, self._lanes.settle, self._lanes.lease))

    async def record(self, publications: Sequence[Publication]) -> list[RecordResult]:
        """See the port; raises Overloaded when too much is waiting."""
        if not publications:
            return []
        size = size_of(publications)
        self._admit(len(publications), size)
        return await self._lanes.intake.run(
            self._work.intake.recorder.record,
            publications,
            weight=len(publications),
            size=size,
            only_if_awaited=True,
        )

    async def lease(
        self, *, now: int, until: int, limit: int, weights: Mapping[int, int] = MappingProxyType({})
    ) -> list[Leased]:
        """See the port; raises ValueError for a weight below 1."""
        request = LeaseRequest(now=now, until=until, limit=limit, weights=weights)
        return await self._lanes.lease.run(self._work.handing_out.lease, request)

    async def renew(self, leases: Sequence[tuple[str, int]], *, until: int) -> list[bool]:
        """See the port."""
        return await self._lanes.settle.run(self._work.settlements.settling.renew, RenewRequest(tuple(leases), until))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See the port; raises ValueError for a settlement that MOVES does not know or that lacks its due time."""
        for settlement in settlements:
            check_settlement(settlement)
        work = self._work.settlements.settling.settle
        return await self._lanes.settle.run(work, settlements, weight=len(settlements))

    async def reserve(self, claim: Claim) -> tuple[int | None, ...]:
        """See the port; raises ValueError for a limit that lets nothing through or that looks nowhere."""
        if any(each.limit < 1 or each.per < 1 for each in claim.limits):
            raise ValueError(f"limits and their windows must be at least 1, got {claim.limits}")
        return await self._lanes.lease.run(reserve, claim)

    async def intervene(self, delivery_ids: Sequence[str], intervention: Intervention) -> list[State | None]:
        """See the port; raises ValueError for another cause. What has lost its event cannot be requeued."""
        check_intervention(intervention)
        request = (tuple(delivery_ids), intervention)
        work = self._work.settlements.interventions.by_id
        return await self._lanes.settle.run(work, request, weight=len(delivery_ids))

    async def intervene_all(self, wanted: DeliveryFilter, intervention: Intervention, *, limit: int) -> int:
        """See the port; raises ValueError for another cause. What has lost its event cannot be requeued."""
        check_intervention(intervention)
        request = (wanted, intervention, limit)
        return await self._lanes.settle.run(self._work.settlements.interventions.by_filter, request)

    async def hasten(self, org_id: int, recipient: Recipient, *, now: int) -> int:
        """See the port. Each delivery is met once, even if it is held again meanwhile."""
        total, after = 0, 0
        while True:
            request = Hastening(org_id=org_id, recipient=recipient, now=now, after=after)
            moved = await self._lanes.settle.run(self._work.settlements.interventions.hasten, request)
            if not moved:
                return total
            total, after = total + len(moved), max(moved)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[DeliveryChange]]:
        """See the port: what this process moves, not what others do. Ends when the store is closed."""
        with self._wakeups.feed.follow() as following:
            yield following

    async def endpoint_states(self) -> list[EndpointState]:
        """See the port."""
        return await self._lanes.look_up.run(endpoint_states, None)

    async def save_endpoint_state(self, state: EndpointState) -> bool:
        """See the port."""
        return await self._lanes.settle.run(save_endpoint_states, state)

    async def purge(self, retention: Retention, *, limit: int) -> int:
        """See the port; attempts go with their delivery uncounted. Zero also while another process purges."""
        return await self._lanes.settle.run(self._work.settlements.purger.purge, (retention, limit))

    async def next_due(self) -> int | None:
        """See the port."""
        return await self._lanes.look_up.run(next_due, None)

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (the port's signature)
        """See the port. Hears of other processes' work, and returns now and then to look for what it did not hear."""
        await self._wakeups.wait(timeout)

    async def gathered(self, delivery_id: str, *, now: int, most: int) -> Gathered | None:
        """See the port."""
        return await self._lanes.look_up.run(gathered, (delivery_id, now, most))

    async def get_event(self, org_id: int, event_id: str) -> StoredEvent | None:
        """See the port."""
        return await self._lanes.look_up.run(events_named, (org_id, event_id))

    async def get_delivery(self, delivery_id: str) -> tuple[Delivery, tuple[Attempt, ...]] | None:
        """See the port."""
        return await self._lanes.look_up.run(deliveries_named, delivery_id)

    async def list_deliveries(self, wanted: DeliveryFilter, *, page_size: int, page_token: str) -> DeliveryPage:
        """See the port."""
        check_page_size(page_size)
        after = decode_token(page_token, wanted)
        return await self._lanes.survey.run(delivery_pages, (wanted, page_size, after))

    async def list_events(self, wanted: EventFilter, *, page_size: int, page_token: str) -> EventPage:
        """See the port."""
        check_page_size(page_size)
        before = decode_place(page_token, wanted) or NEWEST
        return await self._lanes.survey.run(event_pages, (wanted, page_size, before))

    async def keep_rejected(self, rejected: RejectedBody, *, keep: int, not_before: int) -> None:
        """See the port; raises Overloaded when too much is waiting."""
        self._admit(1)
        await self._lanes.intake.run(keep_rejected, Keeping(rejected=rejected, keep=keep, not_before=not_before))

    async def list_rejected(self, *, page_size: int, page_token: str) -> RejectedPage:
        """See the port."""
        check_page_size(page_size)
        before = decode_place(page_token, RejectedBody) or NEWEST
        return await self._lanes.survey.run(rejected_pages, (page_size, before))

    async def upsert_contacts(self, contacts: Sequence[Contact]) -> None:
        """See the port; raises Overloaded when too much is waiting."""
        self._admit(len(contacts))
        await self._lanes.intake.run(upsert_contacts, contacts, weight=len(contacts))

    async def get_contact(self, org_id: int, customer_id: str) -> Contact | None:
        """See the port."""
        return await self._lanes.look_up.run(contacts_named, (org_id, customer_id))

    async def get_reader(self, org_id: int, customer_id: str, *, now: int) -> Known:
        """See the port."""
        return await self._lanes.look_up.run(readers, (org_id, customer_id, now))

    async def list_contacts(self, org_id: int | None, *, page_size: int, page_token: str) -> ContactPage:
        """See the port."""
        check_page_size(page_size)
        after = decode_customer(page_token, (Contact, org_id))
        return await self._lanes.survey.run(contact_pages, (org_id, page_size, after))

    async def suppress(self, suppressions: Sequence[Suppression]) -> None:
        """See the port; raises Overloaded when too much is waiting."""
        self._admit(len(suppressions))
        await self._lanes.intake.run(add_suppressions, suppressions, weight=len(suppressions))

    async def lift(self, org_id: int, address: str, *, reason: SuppressionReason | None) -> int:
        """See the port."""
        return await self._lanes.intake.run(lift, Lifting(org_id=org_id, address=address, reason=reason))

    async def suppressions_of(self, org_id: int, address: str, *, now: int) -> tuple[Suppression, ...]:
        """See the port."""
        return await self._lanes.look_up.run(suppressions_of, (org_id, address, now))

    async def list_suppressions(self, wanted: SuppressionFilter, *, page_size: int, page_token: str) -> SuppressionPage:
        """See the port."""
        check_page_size(page_size)
        before = decode_place(page_token, wanted) or NEWEST
        return await self._lanes.survey.run(suppression_pages, (wanted, page_size, before))

    async def erase(self, person: Person, *, now: int) -> Erasure:
        """See the port. Goes through all deliveries and events, in stretches between which others have their turn."""
        settle = self._lanes.settle
        last_delivery, last_event = await settle.run(last_seqs, None)

        async def deliveries(stretch: Stretch) -> Erasure:
            return await settle.run(self._work.settlements.eraser.deliveries, stretch)

        async def events(stretch: Stretch) -> Erasure:
            return await settle.run(self._work.settlements.eraser.events, stretch)

        done = await in_stretches(person, last=last_delivery, now=now, erase=deliveries)
        if left := max(done.under_way, await settle.run(under_way, person)):
            return done + Erasure(under_way=left)
        done += await in_stretches(person, last=last_event, now=now, erase=events)
        return done + await settle.run(erase_person, person)

    async def save_revision(self, revision: Revision) -> None:
        """See the port."""
        await self._lanes.intake.run(self._work.intake.save_revisions, revision)

    async def get_revision(self, revision_id: str) -> Revision | None:
        """See the port."""
        return await self._lanes.look_up.run(revisions_named, revision_id)

    async def backlog(self) -> Backlog:
        """See the port."""
        return await self._lanes.survey.run(backlogs, None)

    async def check(self) -> None:
        """See the port: commits a row."""
        await self._lanes.intake.run(beat, None)

    def _admit(self, rows: int, size: int = 0) -> None:
        self._admission.check(self._lanes.intake, rows=rows, size=size)


@asynccontextmanager
async def open_postgres(url: str, settings: PostgresSettings | None = None) -> AsyncIterator[PostgresStore]:
    """Open the database that a URL names, bringing its tables up to date; see ``open_store`` for what it raises."""
    settings = settings or PostgresSettings()
    await _bring_up_to_date(url, settings)
    wakeups = Wakeups(settings)
    settle_moves, lease_moves = (MovesSeen(wakeups.feed, wakeups.came) for _ in range(2))
    work = _Work(intake=_Intake(wakeups), settlements=_Settlements(settle_moves), handing_out=HandingOut(lease_moves))
    async with AsyncExitStack() as closing:
        lane = partial(_open_lane, closing, url, settings)
        lanes = _Lanes(
            intake=await lane("store intake", work.intake),
            settle=await lane("store settlements", settle_moves),
            lease=await lane("store leases", lease_moves),
            look_up=await lane("store look-ups", None),
            survey=await lane("store surveys", None),
            fleet=await _open_lane(closing, url, _in_haste(settings), "store fleet", Onlooker()),
        )
        telling = wakeups.tell(lambda teller: lanes.look_up.run(tell_others, teller))
        await closing.enter_async_context(_in_background(telling, "store telling"))
        if settings.listen:
            listening = wakeups.listen(partial(connect, url, settings))
            await closing.enter_async_context(_in_background(listening, "store listening"))
            await wakeups.begin_to_listen()
        closing.callback(wakeups.feed.close)
        yield PostgresStore(lanes, work, wakeups, settings)


async def _bring_up_to_date(url: str, settings: PostgresSettings) -> None:
    try:
        connection = await connect(url, settings)
        try:
            await migrate(connection)
        finally:
            await connection.close()
    except Exception as error:
        if (known := misconfigured(error) or trouble(error)) is None:
            raise
        raise known from error


def _in_haste(settings: PostgresSettings) -> PostgresSettings:
    """Let nobody stand in the way of all gateways for long: who is silent for ten seconds is taken for gone."""
    return replace(
        settings,
        statement_timeout_ms=min(settings.statement_timeout_ms, _FLEET_STATEMENT_MS),
        idle_timeout_ms=min(settings.idle_timeout_ms, _FLEET_IDLE_MS),
    )


async def _open_lane(
    closing: AsyncExitStack, url: str, settings: PostgresSettings, name: str, witness: Witness | None
) -> Lane:
    """Open a lane; one without a witness only reads."""
    lane = Lane(
        partial(connect, url, settings),
        LaneSettings(
            name=name,
            read_only=witness is None,
            batch_limit=settings.batch_limit,
            timeout=settings.transaction_timeout_ms / 1_000,
        ),
        witness or Onlooker(),
    )
    return await closing.enter_async_context(lane)


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
