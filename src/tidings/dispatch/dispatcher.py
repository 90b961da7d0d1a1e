"""Dispatch: lease what is due, pass the gates, compose, send, settle.

A delivery that was leased is settled exactly once, whatever happens on the way, or its lease lapses and
another worker takes it: a crash repeats at most what was in flight, under the same delivery id.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping

from tidings.channels import EmailChannel, WebhookChannel
from tidings.dispatch.retry import SCHEDULES, RetryPolicy, next_attempt
from tidings.dispatch.settings import DispatchSettings
from tidings.errors import NotFound, TidingsError
from tidings.events.v1.event_pb2 import Event
from tidings.model import (
    MOVES,
    Accepted,
    Attempt,
    Cause,
    Channel,
    Deferred,
    Email,
    Outcome,
    Refused,
    State,
)
from tidings.render import RenderError
from tidings.rulebook import ComposeFailed, InvalidRulebook, Rulebooks, Unreachable, compose
from tidings.store import Leased, Settlement, Store
from tidings.telemetry import Metrics, events, get_logger

log = get_logger()

_IDLE_SECONDS = 30.0
"""The longest sleep without a look at the store; wake-ups come sooner, this only bounds what could be missed."""
_PAUSE_SECONDS = 0.5
"""The pause before asking a store again that could not serve."""


class Dispatcher:
    """Works through due deliveries until told to stop."""

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
    ) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._email = email
        self._webhook = webhook
        self._metrics = metrics
        self._clock = clock
        self._settings = settings
        self._schedules = schedules
        self._dice = dice
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatch until ``stop`` is set, then settle what is under way and return, bounded in time."""
        stopping = asyncio.create_task(stop.wait(), name="dispatch stop")
        try:
            while not stop.is_set():
                if not await self._turn(stopping):
                    await self._sleep(stopping)
        finally:
            stopping.cancel()
            await self._drain()

    async def _turn(self, stopping: asyncio.Task[bool]) -> bool:
        """Start what is due and there is room for; say whether it is worth asking again at once."""
        room = self._settings.concurrency - len(self._under_way)
        if room == 0:
            await asyncio.wait({*self._under_way, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return True
        now = self._clock()
        try:
            leases = await self._store.lease(now=now, until=now + int(self._settings.lease * 1000), limit=room)
        except TidingsError as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            return False
        for leased in leases:
            task = asyncio.create_task(self._handle(leased), name=f"deliver {leased.delivery.id}")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return bool(leases)

    async def _sleep(self, stopping: asyncio.Task[bool]) -> None:
        """Wait for new work, for the next due time, or for the stop."""
        try:
            due = await self._store.next_due()
        except TidingsError as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
            due = self._clock() + int(_PAUSE_SECONDS * 1000)
        seconds = _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, max(0.0, (due - self._clock()) / 1000))
        waiting = asyncio.create_task(self._store.wait_for_work(timeout=seconds), name="dispatch wait")
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError, TidingsError):
            await waiting

    async def _drain(self) -> None:
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=self._settings.drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _handle(self, leased: Leased) -> None:
        started = self._clock()
        try:
            settlement = await self._deliver(leased, started=started)
        except asyncio.CancelledError:
            # Stopped in mid-send: give it back at once, so that a restart does not wait for the lease.
            settlement = self._settle(leased, Cause.RELEASED, reason="given back at a stop", due_at=started)
        except Exception as error:
            log.exception(events.DELIVERY_FAULT, delivery=leased.delivery.id)
            fault = Deferred(detail=f"internal error: {type(error).__name__}")
            settlement = self._settle_outcome(leased, fault, started=started)
        await self._commit(leased, settlement, leased_until=started + int(self._settings.lease * 1000))

    async def _deliver(self, leased: Leased, *, started: int) -> Settlement:
        delivery = leased.delivery
        if delivery.expires_at is not None and started >= delivery.expires_at:
            return self._settle(leased, Cause.EXPIRED, reason="its time had passed before it could be sent")
        try:
            rulebook = await self._rulebooks.get(delivery.revision)
            event = Event.FromString(leased.event)
            contact = (
                await self._store.get_contact(delivery.org_id, delivery.customer_id)
                if delivery.channel is Channel.EMAIL and delivery.customer_id
                else None
            )
            message = compose(rulebook, delivery, event, contact)
        except (ComposeFailed, InvalidRulebook, NotFound, RenderError) as error:
            return self._settle_outcome(leased, Refused(detail=str(error)), started=started)
        if isinstance(message, Unreachable):
            return self._settle(leased, Cause.SUPPRESSED, reason=message.reason)
        if isinstance(message, Email):
            outcome = await self._email.send(message)
        else:
            outcome = await self._webhook.send(message, now=self._clock())
        return self._settle_outcome(leased, outcome, started=started)

    def _settle(self, leased: Leased, cause: Cause, *, reason: str, due_at: int | None = None) -> Settlement:
        return Settlement(
            delivery_id=leased.delivery.id,
            fence=leased.fence,
            cause=cause,
            reason=reason,
            due_at=due_at,
            settled_at=self._clock(),
        )

    def _settle_outcome(self, leased: Leased, outcome: Outcome, *, started: int) -> Settlement:
        """Turn what came of an attempt into a settlement that records it."""
        delivery = leased.delivery
        now = self._clock()
        cause, due_at, reason = self._verdict(leased, outcome, now=now)
        attempt = Attempt(
            number=delivery.attempts + 1,
            started_at=started,
            duration_ms=max(0, now - started),
            outcome=_OUTCOMES[type(outcome)],
            status_code=outcome.status_code,
            detail=outcome.detail,
        )
        self._metrics.attempts.labels(delivery.channel.value, attempt.outcome.value).inc()
        return Settlement(
            delivery_id=delivery.id,
            fence=leased.fence,
            cause=cause,
            reason=reason,
            due_at=due_at,
            attempt=attempt,
            settled_at=now,
        )

    def _verdict(self, leased: Leased, outcome: Outcome, *, now: int) -> tuple[Cause, int | None, str]:
        if isinstance(outcome, Accepted):
            return Cause.ACCEPTED, None, ""
        if isinstance(outcome, Refused):
            return Cause.REFUSED, None, outcome.detail
        delivery = leased.delivery
        due_at = next_attempt(
            self._schedules[delivery.channel],
            delivery.attempts + 1,
            now=now,
            jitter=self._dice(),
            retry_after_ms=outcome.retry_after_ms,
        )
        if due_at is None:
            return Cause.EXHAUSTED, None, f"every attempt was used up; the last: {outcome.detail}"
        if delivery.expires_at is not None and due_at >= delivery.expires_at:
            return Cause.EXPIRED, None, f"its time passes before the next attempt; the last: {outcome.detail}"
        return Cause.DEFERRED, due_at, outcome.detail

    async def _commit(self, leased: Leased, settlement: Settlement, *, leased_until: int) -> None:
        while True:
            try:
                (kept,) = await self._store.settle([settlement])
                break
            except TidingsError as error:
                log.warning(events.STORE_UNAVAILABLE, delivery=leased.delivery.id, error=str(error))
            if self._clock() >= leased_until:
                # The lease has lapsed and another try follows under the same id: better twice than never.
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        if kept:
            self._report(leased, settlement)
        else:
            log.warning(events.DELIVERY_LEASE_LOST, delivery=leased.delivery.id, fence=leased.fence)

    def _report(self, leased: Leased, settlement: Settlement) -> None:
        delivery = leased.delivery
        fields = {"delivery": delivery.id, "channel": delivery.channel.value, "rule": delivery.rule_id}
        state = MOVES[State.SENDING, settlement.cause]
        if state in (State.WAITING, State.HELD):
            if settlement.attempt is not None:
                log.warning(
                    events.DELIVERY_DEFERRED, **fields, attempt=settlement.attempt.number, retry_at=settlement.due_at
                )
            return
        self._metrics.ended.labels(delivery.channel.value, state.value).inc()
        if state is State.DELIVERED:
            seconds = (settlement.settled_at - delivery.created_at) / 1000
            self._metrics.delivery_seconds.labels(delivery.channel.value).observe(max(0.0, seconds))
        log.info(events.DELIVERY_ENDED, **fields, state=state.value)


_OUTCOMES: Mapping[type[Outcome], Cause] = {
    Accepted: Cause.ACCEPTED,
    Deferred: Cause.DEFERRED,
    Refused: Cause.REFUSED,
}
