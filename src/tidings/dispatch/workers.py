"""Sending what was leased: through the gates, as destinations have room for it, and on to what waits behind it.

A delivery that was taken is settled exactly once, whatever happens on the way. What its endpoint cannot take now goes
back to the store with a time to come back.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tidings.dispatch.destination import Destination, Hold, Job, Stop
from tidings.dispatch.endpoints import Endpoints
from tidings.dispatch.judging import STOPPED, Judge
from tidings.dispatch.leases import InHand
from tidings.dispatch.sending import Obstacle, Sender, Sent
from tidings.dispatch.settings import DispatchSettings
from tidings.dispatch.settling import Settler
from tidings.dispatch.sharing import Alone, AmongOthers, Sharing
from tidings.dispatch.verdict import settle_untried
from tidings.errors import StoreUnavailable
from tidings.fleet import Membership
from tidings.model import Accepted, Cause, Channel, Postponed
from tidings.store import Leased, Settlement
from tidings.telemetry import events, get_logger

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTrace, DeliveryTraces

log = get_logger()

_STORE_AWAY: Final = "the store was away when it was to be sent"
_PAUSE_SECONDS: Final = 0.5
"""When a delivery is tried again for which the store could not be asked."""


class Workers:
    """Works off what is in hand; belongs to the dispatcher's loop."""

    def __init__(  # noqa: PLR0913 (what it takes to send, and to settle)
        self,
        *,
        sender: Sender,
        judge: Judge,
        settler: Settler,
        in_hand: InHand,
        endpoints: Endpoints,
        settings: DispatchSettings,
        clock: Callable[[], int],
        membership: Membership | None,
        traces: "DeliveryTraces | None",
    ) -> None:
        self._sender = sender
        self._judge = judge
        self._settler = settler
        self._in_hand = in_hand
        self._endpoints = endpoints
        self._settings = settings
        self._clock = clock
        self._traces = traces
        self._relay = Destination("the e-mail relay", concurrency=settings.email_concurrency, share=settings.share)
        self.sharing: Sharing = Alone()
        """Which part of the endpoints' limits is this gateway's."""
        if membership is not None:
            self.sharing = AmongOthers(membership, endpoints, clock=clock, pump=self.pump)
        self.under_way = 0
        """How many deliveries are being sent."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[Destination, asyncio.TimerHandle] = {}
        self._stalled: dict[Destination, None] = {}
        """Destinations that have room of their own and wait for a slot that all share."""
        self._stopping = False

    def take(self, leased: Leased, now: int, *, until: int) -> None:
        """See to a delivery that was leased at ``now`` until ``until``, epoch milliseconds."""
        delivery = leased.delivery
        destination = self._relay if delivery.channel is Channel.EMAIL else self._endpoints.destination(delivery)
        job = Job(leased, destination, until=until)
        if self._traces is not None:
            job.trace = self._traces.begin(leased)
        self._in_hand.add(job)
        try:
            if not self._is_kept_back(job, now):
                self._place(job, now)
        except Exception as error:
            log.exception(events.DELIVERY_FAULT, delivery=delivery.id)
            self._settler.add(job, self._judge.failed(leased, error, now))

    def _is_kept_back(self, job: Job, now: int) -> bool:
        """Settle what has expired or whose destination takes nothing now."""
        expires_at = job.leased.delivery.expires_at
        if expires_at is not None and now >= expires_at:
            reason = "its time had passed before it could be sent"
            self._settler.add(job, settle_untried(job.leased, Cause.EXPIRED, reason, now=now))
            return True
        closed = job.destination.gate(now)
        if isinstance(closed, Stop):
            self._settler.add(job, settle_untried(job.leased, Cause.SUPPRESSED, closed.reason, now=now))
        elif closed is not None:
            self._hold(job, closed, now)
        return closed is not None

    def _place(self, job: Job, now: int) -> None:
        destination = job.destination
        placed = destination.place(job, now, self)
        if isinstance(placed, Hold):
            self._hold(job, placed, now)
        elif placed and not self._is_full:
            self._start(job, now)
        else:
            if placed:
                destination.queue.append(job)
            self._arrange(destination, now)

    def _hold(self, job: Job, hold: Hold, now: int) -> None:
        self._settler.add(job, self._judge.held(job.leased, hold, now))

    @property
    def crowded(self) -> bool:
        """Whether half of the slots that all share are taken."""
        return 2 * self.under_way >= self._settings.concurrency

    @property
    def scarce(self) -> bool:
        """Whether half of what may be in hand is."""
        return 2 * len(self._in_hand) >= self._settings.most_in_hand

    @property
    def _is_full(self) -> bool:
        return self.under_way >= self._settings.concurrency or not self.sharing.may_send

    def _start(self, job: Job, now: int) -> None:
        self._count_start(job, now)
        task = asyncio.create_task(self._work(job, now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _count_start(self, job: Job, now: int) -> None:
        job.destination.start(job, now)
        self.under_way += 1

    async def _work(self, first: Job, started: int) -> None:
        """Send a delivery, and then what waits for the same place, which spares a task for each.

        It goes on only after what was accepted: that took a turn of the loop at least, so that others have theirs.
        """
        job: Job | None = first
        while job is not None:
            destination = job.destination
            settlement = await self._send(job, started)
            job = None
            if settlement.cause is Cause.ACCEPTED and not self._stalled:
                started = settlement.settled_at
                job = self._next_at(destination, started)
            if job is None:
                self._move_up(destination)
            else:
                self._count_start(job, started)
                if len(destination.sending) < destination.concurrency:
                    self.pump(destination)

    async def _send(self, job: Job, started: int) -> Settlement:
        """Send a delivery and see to what follows; return how it is to be settled."""
        leased = job.leased
        sent: Sent | Obstacle | None = None
        try:
            trace = job.trace
            if trace is None:
                sent = await self._sender.send(leased, job.destination.endpoint)
            else:
                sent = await self._send_traced(job, trace)
        except asyncio.CancelledError:
            # Stopped in mid-send: give it back at once, so that a restart does not wait for the lease.
            settlement = self._judge.given_back(leased)
        except StoreUnavailable as error:
            # The store is asked before anything is sent, so this was no attempt.
            log.warning(events.STORE_UNAVAILABLE, error=str(error), delivery=leased.delivery.id)
            settlement = self._judge.given_back(leased, _STORE_AWAY, after=_PAUSE_SECONDS)
        except Exception as error:
            log.exception(events.DELIVERY_FAULT, delivery=leased.delivery.id)
            settlement = self._judge.failed(leased, error, started)
        else:
            settlement = self._judge.sent(leased, sent, started)
        self.under_way -= 1
        now = settlement.settled_at
        tried = sent if isinstance(sent, Sent) else None
        outcome = None if tried is None or isinstance(tried.outcome, Postponed) else tried.outcome
        endpoint = None if tried is None else tried.endpoint
        wired = endpoint is not None or leased.delivery.channel is Channel.EMAIL
        job.destination.finish(job, now, outcome if wired else None)
        self._settle(job, settlement)
        if endpoint is None or outcome is None or (outcome.__class__ is Accepted and self._endpoints.is_well(endpoint)):
            return settlement
        await self._endpoints.record(endpoint, outcome, now=now)
        return settlement

    async def _send_traced(self, job: Job, trace: "DeliveryTrace") -> Sent | Obstacle:
        trace.note_start()
        try:
            return await self._sender.send(job.leased, job.destination.endpoint, trace)
        finally:
            trace.note_answer()

    def _move_up(self, freed: Destination) -> None:
        """Start what waits for the slot that has become free: those first who have waited for one that all share."""
        for _ in range(min(2, len(self._stalled))):
            destination = next(iter(self._stalled))
            del self._stalled[destination]
            self.pump(destination)
        self.pump(freed)

    def pump(self, destination: Destination) -> None:
        """Start what may be started of what waits at a destination."""
        now = self._clock()
        while (job := self._next_at(destination, now)) is not None:
            self._start(job, now)

    def _next_at(self, destination: Destination, now: int) -> Job | None:
        """Take what may start now of what waits at a destination; None: nothing, and the rest moves on later."""
        while destination.queue and not self._stopping:
            job = destination.queue[0]
            if job.lost:
                destination.queue.popleft()
                self._in_hand.discard(job)
            elif self._is_kept_back(job, now):
                destination.queue.popleft()
            elif self._is_full or not destination.has_room(now, self):
                self._arrange(destination, now)
                break
            else:
                return destination.queue.popleft()
        return None

    def _arrange(self, destination: Destination, now: int) -> None:
        """See to it that a destination's queue moves on; with all its slots taken it does when one is free again."""
        if len(destination.sending) >= destination.concurrency:
            return
        slot = destination.next_slot(now)
        if destination.lacks_share(now):
            self.sharing.ask(destination)
        elif slot > now:
            if destination not in self._timers:
                later = asyncio.get_running_loop().call_later((slot - now) / 1000, self._on_timer, destination)
                self._timers[destination] = later
        else:
            self._stalled[destination] = None

    def _on_timer(self, destination: Destination) -> None:
        del self._timers[destination]
        self.pump(destination)

    def _settle(self, job: Job, settlement: Settlement) -> None:
        if job.lost:
            self._in_hand.discard(job)
        else:
            self._settler.add(job, settlement)

    def shed(self) -> None:
        """Send back what waits here in vain, and start what could be."""
        now = self._clock()
        if not self.sharing.may_send:
            self._release_queues("given back: the other gateways may take this one for gone")
        for destination in self._destinations():
            while self.scarce and (job := destination.surplus(now)) is not None:
                self._hold(job, destination.hold_surplus(now), now)
            self.pump(destination)

    async def stop(self) -> None:
        """Give back what was not started; let the rest end, and give back what does not end in time."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self._release_queues(STOPPED)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._settings.drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _release_queues(self, reason: str) -> None:
        for destination in self._destinations():
            while destination.queue:
                job = destination.queue.popleft()
                self._settle(job, self._judge.given_back(job.leased, reason))

    def _destinations(self) -> tuple[Destination, ...]:
        return (*self._endpoints.destinations(), self._relay)
