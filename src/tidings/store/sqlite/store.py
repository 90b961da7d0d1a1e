"""The SQLite store: one lane that writes with group commit, and two that read beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from tidings.model import Attempt, Contact, Delivery, Recipient, State, Suppression, SuppressionReason
from tidings.store.admission import Admission, size_of
from tidings.store.causes import check_intervention, check_settlement
from tidings.store.erasing import Stretch, in_stretches
from tidings.store.feed import Feed
from tidings.store.moved import MovesSeen
from tidings.store.paging import check_page_size, decode_customer, decode_place, decode_token
from tidings.store.sqlite.archive import NEWEST, Keeping, event_pages, keep_rejected, rejected_pages
from tidings.store.sqlite.calls import Calls
from tidings.store.sqlite.contacts import contact_pages, contacts_named, upsert_contacts
from tidings.store.sqlite.digests import gathered
from tidings.store.sqlite.directory import beat, save_endpoint_states
from tidings.store.sqlite.driver import SQL, SqliteSettings, connect, empty_log
from tidings.store.sqlite.erasure import erase_person, last_seqs, under_way
from tidings.store.sqlite.fleet import SqliteFleet
from tidings.store.sqlite.interventions import Hastening
from tidings.store.sqlite.lane import Lane
from tidings.store.sqlite.leases import LeaseRequest, RenewRequest
from tidings.store.sqlite.process import WriterProcess
from tidings.store.sqlite.readers import readers
from tidings.store.sqlite.reading import Reader
from tidings.store.sqlite.reservations import reserve
from tidings.store.sqlite.suppressions import Lifting, add_suppressions, lift, suppression_pages, suppressions_of
from tidings.store.sqlite.transactor import Transactor
from tidings.store.sqlite.writing import Writing, open_writer
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

_LOOK_SECONDS: Final = 0.05
"""How often somebody who waits for work looks whether another process has written."""


class _Onlooker:
    """Nothing follows from reading."""

    def committed(self) -> None:
        """Do nothing."""

    def rolled_back(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lanes:
    """Where calls go. In memory there is one connection, so all three are one lane."""

    write: Calls
    look_up: Calls
    """For one row at a time."""
    survey: Calls
    """For pages and counts, which look-ups should not wait for."""
    events: Calls
    """For events by their identity: where the newest identities are remembered."""


class _Heard:
    """What the writing lane has told the event loop."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self.feed = Feed()
        self._loop = asyncio.get_running_loop()

    def tell(self, work: bool, changes: Sequence[DeliveryChange]) -> None:  # noqa: FBT001 (one caller, by position)
        """Hand over from the lane's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self.take, work, changes)

    def take(self, work: bool, changes: Sequence[DeliveryChange]) -> None:  # noqa: FBT001 (by position)
        """Let those know who wait."""
        if work:
            self.work.set()
        self.feed.publish(changes)


class SqliteStore:
    """Implements the port ``Store``. Belongs to the event loop that opened it."""

    def __init__(
        self,
        lanes: _Lanes,
        writing: Writing,
        heard: _Heard,
        settings: SqliteSettings,
        *,
        empty_log: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._writing = writing
        self._reader = Reader()
        self._heard = heard
        self._admission = Admission(
            rows=settings.queue_limit, size=settings.queue_bytes, longest_wait=settings.longest_wait
        )
        self._empty_log = empty_log
        self._seen_version = -1
        self.fleet = SqliteFleet(lanes.write, lanes.look_up)

    @property
    def transactions(self) -> int:
        """How many transactions this store has committed."""
        return self._lanes.write.transactions

    async def record(self, publications: Sequence[Publication]) -> list[RecordResult]:
        """See the port; raises Overloaded when too much is waiting."""
        if not publications:
            return []
        size = size_of(publications)
        self._admit(len(publications), size)
        return await self._lanes.write.run(
            self._writing.recorder.record,
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
        return await self._lanes.write.run(self._writing.leases.lease, request)

    async def renew(self, leases: Sequence[tuple[str, int]], *, until: int) -> list[bool]:
        """See the port."""
        return await self._lanes.write.run(self._writing.leases.renew, RenewRequest(tuple(leases), until))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See the port; raises ValueError for a settlement that MOVES does not know or that lacks its due time."""
        for settlement in settlements:
            check_settlement(settlement)
        return await self._lanes.write.run(self._writing.leases.settle, settlements, weight=len(settlements))

    async def reserve(self, claim: Claim) -> tuple[int | None, ...]:
        """See the port; raises ValueError for a limit that lets nothing through or that looks nowhere."""
        if any(each.limit < 1 or each.per < 1 for each in claim.limits):
            raise ValueError(f"limits and their windows must be at least 1, got {claim.limits}")
        return await self._lanes.write.run(reserve, claim)

    async def intervene(self, delivery_ids: Sequence[str], intervention: Intervention) -> list[State | None]:
        """See the port; raises ValueError for another cause. What has lost its event cannot be requeued."""
        check_intervention(intervention)
        request = (tuple(delivery_ids), intervention)
        return await self._lanes.write.run(self._writing.interventions.by_id, request, weight=len(delivery_ids))

    async def intervene_all(self, wanted: DeliveryFilter, intervention: Intervention, *, limit: int) -> int:
        """See the port; raises ValueError for another cause. What has lost its event cannot be requeued."""
        check_intervention(intervention)
        request = (wanted, intervention, limit)
        return await self._lanes.write.run(self._writing.interventions.by_filter, request)

    async def hasten(self, org_id: int, recipient: Recipient, *, now: int) -> int:
        """See the port. Each delivery is met once, even if it is held again meanwhile."""
        total, after = 0, 0
        while True:
            request = Hastening(org_id=org_id, recipient=recipient, now=now, after=after)
            moved = await self._lanes.write.run(self._writing.interventions.hasten, request)
            if not moved:
                return total
            total, after = total + len(moved), max(moved)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[DeliveryChange]]:
        """See the port. Tells of leases, settlements and interventions; ends when the store is closed."""
        with self._heard.feed.follow() as following:
            yield following

    async def endpoint_states(self) -> list[EndpointState]:
        """See the port."""
        return await self._lanes.look_up.run(self._reader.endpoint_states, None)

    async def save_endpoint_state(self, state: EndpointState) -> bool:
        """See the port."""
        return await self._lanes.write.run(save_endpoint_states, state)

    async def purge(self, retention: Retention, *, limit: int) -> int:
        """See the port; attempts go with their delivery uncounted."""
        return await self._lanes.write.run(self._writing.purger.purge, (retention, limit))

    async def next_due(self) -> int | None:
        """See the port."""
        return await self._lanes.look_up.run(self._reader.next_due, None)

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (the port's signature)
        """See the port. A settlement that puts a delivery back to wait counts as work, and any write of others."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not (await self._hears_of_work() or await self._is_written_to()):
                    pass
        self._heard.work.clear()

    async def _hears_of_work(self) -> bool:
        """Wait for a moment for work that came through this process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._heard.work.wait()
        return self._heard.work.is_set()

    async def _is_written_to(self) -> bool:
        """Say whether anybody, this process included, has committed since the last look."""
        version = await self._lanes.look_up.run(self._reader.versions, None)
        seen, self._seen_version = self._seen_version, version
        return version != seen

    async def gathered(self, delivery_id: str, *, now: int, most: int) -> Gathered | None:
        """See the port."""
        return await self._lanes.look_up.run(gathered, (delivery_id, now, most))

    async def get_event(self, org_id: int, event_id: str) -> StoredEvent | None:
        """See the port."""
        return await self._lanes.events.run(self._writing.events.read, (org_id, event_id))

    async def get_delivery(self, delivery_id: str) -> tuple[Delivery, tuple[Attempt, ...]] | None:
        """See the port."""
        return await self._lanes.look_up.run(self._reader.deliveries, delivery_id)

    async def list_deliveries(self, wanted: DeliveryFilter, *, page_size: int, page_token: str) -> DeliveryPage:
        """See the port."""
        check_page_size(page_size)
        after = decode_token(page_token, wanted)
        return await self._lanes.survey.run(self._reader.pages, (wanted, page_size, after))

    async def list_events(self, wanted: EventFilter, *, page_size: int, page_token: str) -> EventPage:
        """See the port."""
        check_page_size(page_size)
        before = decode_place(page_token, wanted) or NEWEST
        return await self._lanes.survey.run(event_pages, (wanted, page_size, before))

    async def keep_rejected(self, rejected: RejectedBody, *, keep: int, not_before: int) -> None:
        """See the port; raises Overloaded when too much is waiting."""
        self._admit(1)
        await self._lanes.write.run(keep_rejected, Keeping(rejected=rejected, keep=keep, not_before=not_before))

    async def list_rejected(self, *, page_size: int, page_token: str) -> RejectedPage:
        """See the port."""
        check_page_size(page_size)
        before = decode_place(page_token, RejectedBody) or NEWEST
        return await self._lanes.survey.run(rejected_pages, (page_size, before))

    async def upsert_contacts(self, contacts: Sequence[Contact]) -> None:
        """See the port; raises Overloaded when too much is waiting."""
        self._admit(len(contacts))
        await self._lanes.write.run(upsert_contacts, contacts, weight=len(contacts))

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
        await self._lanes.write.run(add_suppressions, suppressions, weight=len(suppressions))

    async def lift(self, org_id: int, address: str, *, reason: SuppressionReason | None) -> int:
        """See the port."""
        return await self._lanes.write.run(lift, Lifting(org_id=org_id, address=address, reason=reason))

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
        write = self._lanes.write
        last_delivery, last_event = await write.run(last_seqs, None)

        async def deliveries(stretch: Stretch) -> Erasure:
            return await write.run(self._writing.eraser.deliveries, stretch)

        async def events(stretch: Stretch) -> Erasure:
            return await write.run(self._writing.eraser.events, stretch)

        done = await in_stretches(person, last=last_delivery, now=now, erase=deliveries)
        if left := max(done.under_way, await write.run(under_way, person)):
            return done + Erasure(under_way=left)
        done += await in_stretches(person, last=last_event, now=now, erase=events)
        done += await write.run(erase_person, person)
        await asyncio.to_thread(self._empty_log)
        return done

    async def save_revision(self, revision: Revision) -> None:
        """See the port."""
        await self._lanes.write.run(self._writing.save_revisions, revision)

    async def get_revision(self, revision_id: str) -> Revision | None:
        """See the port."""
        return await self._lanes.look_up.run(self._reader.revisions, revision_id)

    async def backlog(self) -> Backlog:
        """See the port."""
        return await self._lanes.survey.run(self._reader.backlogs, None)

    async def check(self) -> None:
        """See the port: commits a row."""
        await self._lanes.write.run(beat, None)

    def _admit(self, rows: int, size: int = 0) -> None:
        self._admission.check(self._lanes.write, rows=rows, size=size)


@asynccontextmanager
async def open_sqlite(
    path: str | None, settings: SqliteSettings | None = None, *, apart: bool = False
) -> AsyncIterator[SqliteStore]:
    """Open the database file, or one in memory for None; see ``open_store`` for what it raises.

    With ``apart`` a process of its own writes to the file: its work and the caller's do not share an interpreter.
    """
    settings = settings or SqliteSettings()
    heard = _Heard()
    writing = Writing(MovesSeen(heard.feed, heard.tell))
    async with AsyncExitStack() as closing:
        closing.callback(heard.feed.close)
        if path is not None and apart:
            write: Calls = await closing.enter_async_context(
                WriterProcess(path, settings, writing, heard.feed, heard.take)
            )
        else:
            transactor = await asyncio.to_thread(open_writer, path, settings, writing)
            lane = Lane(transactor, name="store writer", batch_limit=settings.batch_limit)
            write = await closing.enter_async_context(lane)
            await write.run(writing.start, None)
        lanes = await _open_lanes(path, settings, write, closing, apart=apart)
        forget = partial(empty_log, path, settings) if path is not None else _no_log
        yield SqliteStore(lanes, writing, heard, settings, empty_log=forget)


def _no_log() -> None:
    """Do nothing: what is in memory has no log."""


async def _open_lanes(
    path: str | None, settings: SqliteSettings, write: Calls, closing: AsyncExitStack, *, apart: bool
) -> _Lanes:
    if path is None:
        return _Lanes(write=write, look_up=write, survey=write, events=write)
    readers = []
    for name in ("store look-ups", "store surveys"):
        transactor = await asyncio.to_thread(_open_reader, path, settings)
        lane = Lane(transactor, name=name, batch_limit=settings.batch_limit)
        readers.append(await closing.enter_async_context(lane))
    look_up, survey = readers
    return _Lanes(write=write, look_up=look_up, survey=survey, events=write if apart else look_up)


def _open_reader(path: str, settings: SqliteSettings) -> Transactor:
    connection = connect(path, settings, read_only=True)
    connection.execute(SQL["delivery_document"])
    return Transactor(connection, begin="BEGIN", witness=_Onlooker())
