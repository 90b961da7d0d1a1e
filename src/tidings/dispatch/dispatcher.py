"""Dispatch: lease what is due, have it sent, keep the leases, report what became of it.

A delivery that was leased is settled, or its lease lapses and another worker takes it: a crash repeats at most what
was in flight, under the same delivery id.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tidings.channels import EmailChannel, WebhookChannel
from tidings.dispatch.endpoints import Endpoints, OnDisabled
from tidings.dispatch.judging import Judge
from tidings.dispatch.leases import InHand
from tidings.dispatch.reporting import Reporter
from tidings.dispatch.retry import SCHEDULES, RetryPolicy
from tidings.dispatch.sending import Sender
from tidings.dispatch.settings import DispatchSettings
from tidings.dispatch.settling import Ending, Settler
from tidings.dispatch.workers import Workers
from tidings.errors import TidingsError
from tidings.fleet import Membership
from tidings.links import MakeLinks, no_links
from tidings.model import Channel
from tidings.rulebook import Rulebooks
from tidings.store import Store
from tidings.telemetry import events, get_logger
from tidings.telemetry.metrics import Metrics

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTraces

log = get_logger()

_T = TypeVar("_T")

_IDLE_SECONDS: Final = 30.0
"""The longest sleep without a look at the store; wake-ups come sooner, this only bounds what could be missed."""
_PAUSE_SECONDS: Final = 0.5
"""The pause before asking a store again that could not serve."""
_LINGER_SECONDS: Final = 0.02
"""How long to wait for room for a whole batch before a smaller one is taken."""
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
        self._lease_ms = int(settings.lease * 1000)
        self._most = settings.most_in_hand
        self.endpoints = Endpoints(store=store, metrics=metrics, settings=settings, on_disabled=on_disabled)
        self._reporter = Reporter(metrics)
        self._in_hand = InHand(store, clock=clock, lease=self._lease_ms)
        self._settler = Settler(store, done=self._settled, metrics=metrics)
        self._workers = Workers(
            sender=Sender(store=store, rulebooks=rulebooks, email=email, webhook=webhook, clock=clock, links=links),
            judge=Judge(clock=clock, schedules=schedules, dice=dice, metrics=metrics),
            settler=self._settler,
            in_hand=self._in_hand,
            endpoints=self.endpoints,
            settings=settings,
            clock=clock,
            membership=membership,
            traces=traces,
        )
        self._room = asyncio.Event()
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
                _background(self._workers.sharing.run(), name="dispatch sharing"),
            ):
                try:
                    await self._restore(stopping)
                    while not stop.is_set():
                        await self._guarded_turn(stopping)
                finally:
                    self.ended = True
                    await self._drain()

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
        if not self._workers.sharing.may_send:
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
            self._workers.take(leased, now, until=until)
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
            self._metrics.under_way.set(self._workers.under_way)
            try:
                await self._renew()
                self._workers.shed()
                await self.endpoints.save(self._clock())
                await self.endpoints.follow()
            except TidingsError as error:
                log.warning(events.STORE_UNAVAILABLE, error=str(error))
            except Exception:
                log.exception(events.DISPATCH_FAULT)

    async def _renew(self) -> None:
        for job in await self._in_hand.renew():
            self._reporter.lost(job.leased)

    async def _drain(self) -> None:
        """Let what is under way end, or give it back, and settle it."""
        await self._workers.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(1.0, self._settings.drain)):
                await self._settler.flushed()
                await self.endpoints.save(self._clock(), leaving=True)


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
