"""Dispatch: lease what is due, pass the gates, send, settle.

A delivery that was leased is settled exactly once, whatever happens on the way, or its lease lapses and
another worker takes it: a crash repeats at most what was in flight, under the same delivery id. What its
endpoint cannot take now goes back to the store with a time to come back.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tidings.channels import EmailChannel, WebhookChannel
from tidings.dispatch.destination import Destination, Hold, Job, Stop
from tidings.dispatch.endpoints import Endpoints, OnDisabled
from tidings.dispatch.leases import InHand
from tidings.dispatch.reporting import Reporter
from tidings.dispatch.retry import SCHEDULES, RetryPolicy, policy_for
from tidings.dispatch.sending import Obstacle, Sender, Sent
from tidings.dispatch.settings import DispatchSettings
from tidings.dispatch.settling import Ending, Settler
from tidings.dispatch.sharing import Alone, AmongOthers, Sharing
from tidings.dispatch.verdict import Timing, settle_accepted, settle_held, settle_outcome, settle_untried
from tidings.errors import StoreUnavailable, TidingsError
from tidings.fleet import Membership
from tidings.links import MakeLinks, no_links
from tidings.model import Accepted, Cause, Channel, Deferred, Postponed
from tidings.rulebook import Rulebooks, Unreachable
from tidings.store import Leased, Settlement, Store
from tidings.telemetry import Metrics, events, get_logger

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTrace, DeliveryTraces

log = get_logger()

_T = TypeVar("_T")

_IDLE_SECONDS: Final = 30.0
"""The longest sleep without a look at the store; wake-ups come sooner, this only bounds what could be missed."""
_PAUSE_SECONDS: Final = 0.5
"""The pause before asking a store again that could not serve."""
_LINGER_SECONDS: Final = 0.02
"""How long to wait for room for a whole batch before a smaller one is taken."""
_STOPPED: Final = "given back at a stop"
_STORE_AWAY: Final = "the store was away when it was to be sent"
_UNSURE_SECONDS: Final = 0.05
"""The pause before looking again whether this gateway may send, while the others must first have seen it."""
_LONGEST_TICK: Final = 1.0
"""Seconds between looks at leases and queues."""


class Dispatcher:
    """Works through due deliveries until told to stop. Belongs to the loop it runs in."""

    def __init__(  # noqa: PLR0913 (the ports it joins)
        self,
        *,
        store: Store,
        rulebooks: Rulebooks,
        email: EmailChannel,
        webhook: WebhookChannel,
        metrics: Metrics,
        clock: Callable[[], int],
        settings: DispatchSettings,
        schedules: Mapping[Channel, RetryPolicy] = SCHEDULES,
        dice: Callable[[], float] = random.random,
        on_disabled: OnDisabled | None = None,
        traces: "DeliveryTraces | None" = None,
        links: MakeLinks = no_links,
        membership: Membership | None = None,
    ) -> None:
        self._traces = traces
        self._store = store
        self._rulebooks = rulebooks
        self._metrics = metrics
        self._clock = clock
        self._settings = settings
        self._schedules = schedules
        self._dice = dice
        self._lease_ms = int(settings.lease * 1000)
        self._most = settings.most_in_hand
        self.endpoints = Endpoints(store=store, metrics=metrics, settings=settings, on_disabled=on_disabled)
        self._relay = Destination("the e-mail relay", concurrency=settings.email_concurrency, share=settings.share)
        self._sender = Sender(store=store, rulebooks=rulebooks, email=email, webhook=webhook, clock=clock, links=links)
        self._reporter = Reporter(metrics)
        self._in_hand = InHand(store, clock=clock, lease=self._lease_ms)
        self._settler = Settler(store, done=self._settled, metrics=metrics)
        self._sharing: Sharing = Alone()
        if membership is not None:
            self._sharing = AmongOthers(membership, self.endpoints, clock=clock, pump=self._pump)
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        """How many deliveries are being sent."""
        self._timers: dict[Destination, asyncio.TimerHandle] = {}
        self._stalled: dict[Destination, None] = {}
        """Destinations that have room of their own and wait for a slot that all share."""
        self._room = asyncio.Event()
        self._stopping = False
        self._looked_at = time.monotonic()
        self.ended = False
        """Whether it works no more."""

    @property
    def idle_seconds(self) -> float:
        """How long ago it last looked for work; never much more than half a minute while it is well."""
        return time.monotonic() - self._looked_at

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatch until ``stop`` is set, then settle what is under way and return, bounded in time."""
        async with _background(stop.wait(), name="dispatch stop") as stopping:
            stopping.add_done_callback(lambda _: self._room.set())
            async with (
                _background(self._settler.run(), name="dispatch settle"),
                _background(self._keep_house(), name="dispatch leases"),
                _background(self._sharing.run(), name="dispatch sharing"),
            ):
                try:
                    await self._restore(stopping)
                    while not stop.is_set():
                        await self._guarded_turn(stopping)
                finally:
                    self.ended = True
                    await self._drain()

    # Leasing

    async def _restore(self, stopping: asyncio.Task[bool]) -> None:
        while not stopping.done():
            try:
                await self.endpoints.restore()
            except TidingsError as error:
                log.warning(events.STORE_UNAVAILABLE, error=str(error))
                await asyncio.wait({stopping}, timeout=_PAUSE_SECONDS)
            else:
                return

    async def _guarded_turn(self, stopping: asyncio.Task[bool]) -> None:
        """Take a turn; a mistake of ours in it must not end dispatch, and with it the gateway."""
        try:
            await self._turn(stopping)
        except TidingsError as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
            await asyncio.wait({stopping}, timeout=_PAUSE_SECONDS)
        except Exception:
            log.exception(events.DISPATCH_FAULT)
            await asyncio.wait({stopping}, timeout=_PAUSE_SECONDS)

    async def _turn(self, stopping: asyncio.Task[bool]) -> None:
        """Take what is due and there is room for; sleep when that was all."""
        self._looked_at = time.monotonic()
        if not self._sharing.may_send:
            await asyncio.wait({stopping}, timeout=_UNSURE_SECONDS)
            return
        limit = await self._find_room()
        if not limit or stopping.done():
            return
        self.endpoints.use(self._rulebooks.current)
        now = self._clock()
        until = now + self._lease_ms
        if self._in_hand.may_be_taken(now):
            await self._renew()
        leases = await self._store.lease(now=now, until=until, limit=limit, weights=self.endpoints.weights)
        for leased in leases:
            self._take(leased, now, until=until)
        if len(leases) < limit:
            await self._sleep(stopping)

    async def _find_room(self) -> int:
        """Return for how many there is room, once that is a batch or a moment has passed."""
        if len(self._in_hand) + self._settings.batch > self._most:
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self._room.wait()
        return min(self._settings.batch, self._most - len(self._in_hand))

    async def _sleep(self, stopping: asyncio.Task[bool]) -> None:
        """Wait for new work, for the next due time, or for the stop."""
        due = await self._store.next_due()
        seconds = _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, max(0.001, (due - self._clock()) / 1000))
        async with _background(self._store.wait_for_work(timeout=seconds), name="dispatch wait") as waiting:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()

    # Gates

    def _take(self, leased: Leased, now: int, *, until: int) -> None:
        delivery = leased.delivery
        destination = self._relay if delivery.channel is Channel.EMAIL else self.endpoints.destination(delivery)
        job = Job(leased, destination, until=until)
        if self._traces is not None:
            job.trace = self._traces.begin(leased)
        self._in_hand.add(job)
        try:
            if not self._is_kept_back(job, now):
                self._place(job, now)
        except Exception as error:
            log.exception(events.DELIVERY_FAULT, delivery=delivery.id)
            self._settler.add(job, self._fault(leased, error, now))

    def _fault(self, leased: Leased, error: Exception, started: int) -> Settlement:
        """Turn a mistake of ours into another attempt: it must not lose the delivery."""
        return self._judge(leased, Sent(Deferred(detail=f"internal error: {type(error).__name__}")), started)

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
        self._metrics.held.labels(hold.kind).inc()
        self._settler.add(job, settle_held(job.leased, hold.reason, now=now, due_at=hold.due_at))

    # Sending

    @property
    def crowded(self) -> bool:
        """Whether half of the slots that all share are taken."""
        return 2 * self._under_way >= self._settings.concurrency

    @property
    def scarce(self) -> bool:
        """Whether half of what may be in hand is."""
        return 2 * len(self._in_hand) >= self._most

    @property
    def _is_full(self) -> bool:
        return self._under_way >= self._settings.concurrency or not self._sharing.may_send

    def _start(self, job: Job, now: int) -> None:
        self._count_start(job, now)
        task = asyncio.create_task(self._work(job, now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _count_start(self, job: Job, now: int) -> None:
        job.destination.start(job, now)
        self._under_way += 1

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
                    self._pump(destination)

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
            settlement = self._given_back(leased)
        except StoreUnavailable as error:
            # The store is asked before anything is sent, so this was no attempt.
            log.warning(events.STORE_UNAVAILABLE, error=str(error), delivery=leased.delivery.id)
            settlement = self._given_back(leased, _STORE_AWAY, after=_PAUSE_SECONDS)
        except Exception as error:
            log.exception(events.DELIVERY_FAULT, delivery=leased.delivery.id)
            settlement = self._fault(leased, error, started)
        else:
            settlement = self._judge(leased, sent, started)
        self._under_way -= 1
        now = settlement.settled_at
        tried = sent if isinstance(sent, Sent) else None
        outcome = None if tried is None or isinstance(tried.outcome, Postponed) else tried.outcome
        endpoint = None if tried is None else tried.endpoint
        wired = endpoint is not None or leased.delivery.channel is Channel.EMAIL
        job.destination.finish(job, now, outcome if wired else None)
        self._settle(job, settlement)
        if endpoint is None or outcome is None or (outcome.__class__ is Accepted and self.endpoints.is_well(endpoint)):
            return settlement
        await self.endpoints.record(endpoint, outcome, now=now)
        return settlement

    async def _send_traced(self, job: Job, trace: "DeliveryTrace") -> Sent | Obstacle:
        trace.note_start()
        try:
            return await self._sender.send(job.leased, job.destination.endpoint, trace)
        finally:
            trace.note_answer()

    def _judge(self, leased: Leased, sent: Sent | Obstacle, started: int) -> Settlement:
        now = self._clock()
        if isinstance(sent, Sent) and isinstance(sent.outcome, Accepted):  # nearly all are
            return settle_accepted(leased, sent.outcome, started=started, ended=now)
        if isinstance(sent, Unreachable | Stop):
            return settle_untried(leased, Cause.SUPPRESSED, sent.reason, now=now)
        if isinstance(sent, Hold):
            self._metrics.held.labels(sent.kind).inc()
            return settle_held(leased, sent.reason, now=now, due_at=sent.due_at)
        if isinstance(sent.outcome, Postponed):
            self._metrics.held.labels("shaped").inc()
            return settle_held(leased, sent.outcome.detail, now=now, due_at=now + sent.outcome.wait_ms)
        policy = policy_for(self._schedules[leased.delivery.channel], sent.endpoint, sent.retry)
        timing = Timing(started=started, ended=now, jitter=self._dice())
        return settle_outcome(leased, sent.outcome, policy, timing)

    def _move_up(self, freed: Destination) -> None:
        """Start what waits for the slot that has become free: those first who have waited for one that all share."""
        for _ in range(min(2, len(self._stalled))):
            destination = next(iter(self._stalled))
            del self._stalled[destination]
            self._pump(destination)
        self._pump(freed)

    def _pump(self, destination: Destination) -> None:
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
            self._sharing.ask(destination)
        elif slot > now:
            if destination not in self._timers:
                later = asyncio.get_running_loop().call_later((slot - now) / 1000, self._on_timer, destination)
                self._timers[destination] = later
        else:
            self._stalled[destination] = None

    def _on_timer(self, destination: Destination) -> None:
        del self._timers[destination]
        self._pump(destination)

    # Settling

    def _settle(self, job: Job, settlement: Settlement) -> None:
        if job.lost:
            self._in_hand.discard(job)
        else:
            self._settler.add(job, settlement)

    def _settled(self, endings: Sequence[Ending], kept: Sequence[bool]) -> None:
        for ending in endings:
            self._in_hand.discard(ending.job)
        if len(self._in_hand) + self._settings.batch <= self._most:
            self._room.set()
        for ending, was_kept in zip(endings, kept, strict=True):
            self._report(ending, was_kept)
        self._reporter.count_delivered()

    def _report(self, ending: Ending, kept: bool) -> None:  # noqa: FBT001 (the store's answer)
        try:
            if kept:
                self._reporter.settled(ending.job.leased, ending.settlement)
                if self._traces is not None and ending.job.trace is not None:
                    self._traces.settled(ending.job.trace, ending.settlement)
            else:
                self._reporter.lost(ending.job.leased)
        except Exception:
            log.exception(events.DISPATCH_FAULT)

    async def _keep_house(self) -> None:
        """Renew leases, send back what waits here in vain, and let the store remember how endpoints do."""
        while True:
            await asyncio.sleep(min(_LONGEST_TICK, self._settings.lease / 6))
            self._metrics.under_way.set(self._under_way)
            try:
                await self._renew()
                self._shed()
                await self.endpoints.save(self._clock())
                await self.endpoints.follow()
            except TidingsError as error:
                log.warning(events.STORE_UNAVAILABLE, error=str(error))
            except Exception:
                log.exception(events.DISPATCH_FAULT)

    async def _renew(self) -> None:
        for job in await self._in_hand.renew():
            self._reporter.lost(job.leased)

    def _shed(self) -> None:
        now = self._clock()
        if not self._sharing.may_send:
            self._release_queues("given back: the other gateways may take this one for gone")
        for destination in (*self.endpoints.destinations(), self._relay):
            while self.scarce and (job := destination.surplus(now)) is not None:
                self._hold(job, destination.hold_surplus(now), now)
            self._pump(destination)

    # Stopping

    async def _drain(self) -> None:
        """Give back what was not started; let the rest end, and give back what does not end in time."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self._release_queues(_STOPPED)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._settings.drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(1.0, self._settings.drain)):
                await self._settler.flushed()
                await self.endpoints.save(self._clock(), leaving=True)

    def _release_queues(self, reason: str) -> None:
        for destination in (*self.endpoints.destinations(), self._relay):
            while destination.queue:
                job = destination.queue.popleft()
                self._settle(job, self._given_back(job.leased, reason))

    def _given_back(self, leased: Leased, reason: str = _STOPPED, *, after: float = 0.0) -> Settlement:
        """Leave a delivery that was not tried to whoever takes it next, ``after`` seconds at the earliest."""
        now = self._clock()
        return settle_untried(leased, Cause.RELEASED, reason, now=now, due_at=now + int(after * 1000))


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, _T], *, name: str) -> AsyncIterator[asyncio.Task[_T]]:
    """Run a task beside the block; it ends with the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, TidingsError):  # those are told of where they are met
            log.error(events.DISPATCH_FAULT, task=name, exc_info=error)
