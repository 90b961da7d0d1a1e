"""Where deliveries go: an endpoint, or the e-mail relay, with its gates, its limits and what waits for it here.

Pure but for a stopwatch, which nobody can set: no loop and no clock. What waits in memory is no more than can go
within a moment; the rest is given a time to come back and waits in the store, so that neither a long backlog nor a
dead endpoint costs the others room.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tidings.dispatch.breaker import BreakerState, CircuitBreaker
from tidings.dispatch.health import EndpointHealth
from tidings.dispatch.limits import Bookings, Pace, RateLimiter
from tidings.dispatch.share import BookedTimes, Share
from tidings.dispatch.standing import Kind, Pause
from tidings.model import Attempted, Deferred, Endpoint
from tidings.store import Ask, EndpointPause, Leased, Part

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTrace

_HORIZON_MS: Final = 2_000
"""What can go within this may wait in memory."""
_SHORTEST_HOLD_MS: Final = 250
_SLOW_MS: Final = 1_000
"""An endpoint that takes longer to answer keeps to one half of the slots that all share."""
_LONGEST_ASK_MS: Final = 300_000
"""How long an endpoint's Retry-After keeps other deliveries from it at the most."""
_TURN_MS: Final = 1_000
"""How long others have the slots, where there are too few for all."""
_LINE: Final = 4
"""How many may wait here for each slot while others have them all."""
_ASKING: Final = frozenset({429, 503})


class Job:
    """A leased delivery on its way."""

    __slots__ = ("destination", "leased", "lost", "probe", "trace", "until")

    def __init__(self, leased: Leased, destination: "Destination", *, until: int) -> None:
        self.leased = leased
        self.destination = destination
        self.until = until
        """When the lease ends unless it is renewed."""
        self.lost = False
        """Whether another worker has taken it."""
        self.probe = False
        self.trace: DeliveryTrace | None = None
        """When things happened to it; None for what is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A delivery must wait in the store."""

    kind: Kind
    reason: str
    due_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A delivery must not be sent."""

    reason: str


class Load(Protocol):
    """How things stand beyond one destination."""

    @property
    def crowded(self) -> bool:
        """Whether half of the slots that all share are taken."""

    @property
    def scarce(self) -> bool:
        """Whether half of what may be in hand is."""


class Destination:
    """One endpoint, or with ``breaker`` absent the e-mail relay."""

    __slots__ = (
        "_bookings", "_health", "_held_until", "_limiter", "_pace", "_paused_until", "_share", "_slow_since",
        "_stopwatch", "breaker", "concurrency", "endpoint", "label", "queue", "sending", "share",
    )  # fmt: skip

    def __init__(
        self,
        label: str,
        *,
        concurrency: int,
        share: int = 0,
        breaker: CircuitBreaker | None = None,
        health: EndpointHealth | None = None,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        """What reasons call it."""
        self.concurrency = concurrency
        self.breaker = breaker
        self._share = share
        """How many may wait here while there is memory."""
        self._health = health
        self._stopwatch = stopwatch
        """Seconds; how long answers take must not depend on a clock that is set meanwhile."""
        self.endpoint: Endpoint | None = None
        """As the live rulebook has it; None for what it does not have."""
        self.queue: deque[Job] = deque()
        self.sending: dict[Job, float] = {}
        """What is under way, oldest first, with the stopwatch's reading when it was started."""
        self._limiter: RateLimiter | BookedTimes | None = None
        self.share: Share | None = None
        """What this gateway holds of it; None while it is the only one that sends there."""
        self._bookings = Bookings()
        self._pace = Pace()
        self._paused_until = 0
        self._slow_since = 0
        """When deliveries began to be held for its being slow or away,"""
        self._held_until = 0
        """and when all that were have come back."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits here and nothing is under way."""
        return not self.queue and not self.sending

    def configure(self, endpoint: Endpoint) -> None:
        """Take over the limits of the endpoint as it now reads."""
        before = self.endpoint
        self.endpoint = endpoint
        self.concurrency = endpoint.concurrency
        if before is None or before.rate != endpoint.rate:
            self._limiter = self._limiter_of(endpoint)
        if before is not None and before.url != endpoint.url:
            self.forgive()

    def _limiter_of(self, endpoint: Endpoint, *, free_at: int = 0) -> RateLimiter | BookedTimes | None:
        if endpoint.rate is None:
            return None
        return RateLimiter(endpoint.rate, free_at=free_at) if self.share is None else BookedTimes(endpoint.rate)

    def forgive(self) -> None:
        """Forget what keeps deliveries from it, save its limits: it is another one now, or was mended."""
        self._paused_until = 0
        self._held_until = 0
        self._bookings.clear()
        if self.breaker is not None:
            self.breaker.succeeded(0)

    def gate(self, now: int) -> Hold | Stop | None:
        """Say what keeps every delivery from going there now."""
        if self._health is not None and self._health.disabled_at is not None:
            return Stop(
                reason=f"{self.label} is disabled: {self._health.reason}; "
                "give it another url or enable it, then retry the delivery"
            )
        self._bookings.look_at_clock(now)
        if not self._paused_until and not self.fails:
            return None
        pause = self.pause(now)
        return None if pause is None else self._hold(pause.kind, pause.reason, now, earliest=pause.until)

    def pause(self, now: int) -> Pause | None:
        """Say what keeps every delivery from going there for a while."""
        if now < self._paused_until <= now + _LONGEST_ASK_MS:
            return Pause("asked", f"{self.label} asked for a pause", self._paused_until)
        again_at = self.breaker.wait_until(now) if self.breaker is not None else None
        if again_at is None:
            return None
        return Pause("breaker", f"{self.label} fails, and is left alone for a while", again_at)

    def place(self, job: Job, now: int, load: Load) -> Hold | bool:
        """Find room for a delivery that passed the gate: True to start it, False when it was queued, or a hold."""
        if self.share is not None and not self.share.room and len(self.queue) >= _LINE * self.concurrency:
            return self._hold("busy", f"{self.label} is sent to by others", now, earliest=now + _TURN_MS)
        in_line = self._must_line_up(job, now)
        if not self.queue and not in_line and self.has_room(now, load):
            return True
        if not in_line and self._may_wait_here(load):
            self.queue.append(job)
            return False
        interval = self._interval()
        delay = self._delay(now, interval, ahead=len(self.queue))
        if not in_line and delay < _HORIZON_MS:
            self.queue.append(job)
            return False
        if self._limiter is not None and interval == self._limiter.interval:
            return self._hold("rate", f"the rate limit of {self.label}", now, earliest=now + delay)
        return self._hold("busy", f"{self.label} is busy", now, earliest=now + delay)

    def _may_wait_here(self, load: Load) -> bool:
        """Say whether even a long wait is better spent here: while there is memory, and no rate sets the time."""
        return self._limiter is None and not load.scarce and len(self.queue) < self._share

    def has_room(self, now: int, load: Load) -> bool:
        """Say whether one more may start now."""
        under_way = len(self.sending)
        if under_way >= self.concurrency or (self.share is not None and under_way >= self.share.room):
            return False
        if self._limiter is not None and not self._limiter.may_go(now):
            return False
        return not (load.crowded and under_way and self._answer_ms() >= _SLOW_MS)

    def next_slot(self, now: int) -> int:
        """Return when the rate lets the next one go."""
        return now if self._limiter is None else self._limiter.next_slot(now)

    def surplus(self, now: int) -> Job | None:
        """Take the newest of what waits here if it could not go within the horizon any more."""
        if self.queue and self._delay(now, self._interval(), ahead=len(self.queue) - 1) > _HORIZON_MS:
            return self.queue.pop()
        return None

    def hold_surplus(self, now: int) -> Hold:
        """Say until when what ``surplus`` gave waits in the store."""
        return self._hold(
            "busy",
            f"{self.label} is busy",
            now,
            earliest=now + self._delay(now, self._interval(), ahead=len(self.queue)),
        )

    def start(self, job: Job, now: int) -> None:
        """Count a delivery that goes."""
        self.sending[job] = self._stopwatch()
        if self._limiter is not None:
            self._limiter.take(now)
        if self.share is not None:
            self.share.note_use(len(self.sending))
        if self.breaker is not None:
            job.probe = self.breaker.start()

    def finish(self, job: Job, now: int, outcome: Attempted | None) -> None:
        """Count what came of it; None when it was never tried."""
        started = self.sending.pop(job)
        if outcome is None:
            if job.probe and self.breaker is not None:
                self.breaker.abandon_probe()
            return
        self._pace.record(self._milliseconds_since(started))
        if self.breaker is not None:
            self._judge(self.breaker, job, now, outcome)

    def _judge(self, breaker: CircuitBreaker, job: Job, now: int, outcome: Attempted) -> None:
        if isinstance(outcome, Deferred):
            if outcome.retry_after_ms and outcome.status_code in _ASKING:
                asked = now + min(outcome.retry_after_ms, _LONGEST_ASK_MS)
                self._paused_until = min(max(self._paused_until, asked), now + _LONGEST_ASK_MS)
            breaker.failed(now, probe=job.probe)
            if self.share is not None and breaker.state is not BreakerState.CLOSED:
                self.share.close()
            return
        # A refusal is an answer too: somebody is there.
        closes = breaker.state is not BreakerState.CLOSED
        breaker.succeeded(now)
        if closes:
            self._bookings.clear()

    # Sharing with other gateways

    def share_from_now_on(self) -> int:
        """Use no more than what is under way until the store has given more; until when times are booked here.

        Microseconds; 0 for what has no rate. All of it is this gateway's own as long as it is the only one.
        """
        booked_until = self._limiter.free_at if isinstance(self._limiter, RateLimiter) else 0
        self.share = Share(slots=len(self.sending))
        if self.endpoint is not None:
            self._limiter = self._limiter_of(self.endpoint)
        return booked_until

    def have_alone(self, *, free_at: int) -> None:
        """Take all of it for this gateway's own; no times of its rate before ``free_at``, microseconds."""
        self.share = None
        if self.endpoint is not None:
            self._limiter = self._limiter_of(self.endpoint, free_at=free_at)

    def lacks_share(self, now: int) -> bool:
        """Say whether something waits here for want of slots or times that others have or nobody does."""
        if self.share is None or not self.queue:
            return False
        if len(self.sending) >= self.share.room:
            return len(self.sending) < self._most
        return isinstance(self._limiter, BookedTimes) and self._limiter.are_used_up(now)

    @property
    def holds_too_much(self) -> bool:
        """Say whether some slots are only held for what is under way, and others wait for them."""
        return self.share is not None and self.share.slots > self.share.room

    @property
    def fails(self) -> bool:
        """Say whether it is left alone, or probed."""
        return self.breaker is not None and self.breaker.state is not BreakerState.CLOSED

    @property
    def _most(self) -> int:
        """How many may be under way at all gateways together: while it fails, the one that probes."""
        return 1 if self.fails else self.concurrency

    def pause_for_all(self, org_id: int, name: str, now: int) -> EndpointPause:
        """Say what keeps every gateway from it, by what is known here."""
        asked_until = self._paused_until if now < self._paused_until <= now + _LONGEST_ASK_MS else 0
        if self.breaker is None or self.breaker.state is BreakerState.CLOSED:
            return EndpointPause(org_id=org_id, name=name, asked_until=asked_until)
        return EndpointPause(
            org_id=org_id,
            name=name,
            breaker=int(self.breaker.state),
            probe_at=self.breaker.probe_at,
            pause_ms=self.breaker.pause,
            asked_until=asked_until,
        )

    def follow(self, pause: EndpointPause, now: int) -> None:
        """Take over what another gateway has found out."""
        self._paused_until = pause.asked_until
        if self.breaker is None:
            return
        failed = self.breaker.state is not BreakerState.CLOSED
        state = BreakerState(pause.breaker)
        self.breaker.follow(state, probe_at=pause.probe_at, pause=pause.pause_ms, now=now)
        if state is not BreakerState.CLOSED and self.share is not None:
            self.share.close()
        if failed and state is BreakerState.CLOSED:
            self._bookings.clear()

    def look(self) -> None:
        """Go by what was used lately; to be called about once a second."""
        if self.share is not None:
            self.share.look(len(self.sending) + len(self.queue))

    def ask(self, org_id: int, name: str, *, booked_until: int = 0, not_before: int = 0) -> Ask:
        """Say what could be used, and give up what is not; times before ``not_before``, microseconds, could not be."""
        share = self.share or Share()
        share.note_use(len(self.sending) + len(self.queue))
        ask = share.ask(org_id, name, limit=self._most, under_way=len(self.sending))
        if not isinstance(self._limiter, BookedTimes):
            return ask
        times = max(0, len(self.queue) + self._limiter.used - len(self._limiter)) if self.queue else 0
        self._limiter.used = 0
        return ask._replace(
            interval=self._limiter.interval,
            times=times,
            booked_until=booked_until,
            not_before=not_before,
            unused_at=self._limiter.unused_at,
        )

    def take(self, part: Part) -> None:
        """Take what the store gave."""
        if self.share is not None:
            self.share.take(part)
            if isinstance(self._limiter, BookedTimes):
                self._limiter.add(part.first_at, part.times)

    def _hold(self, kind: Kind, reason: str, now: int, *, earliest: int) -> Hold:
        earliest = max(earliest, now + _SHORTEST_HOLD_MS) if kind in ("rate", "busy") else earliest
        reach = None if kind == "rate" else self._reach(now)
        beyond = 0 if self._limiter is None else self._limiter.interval
        due_at = self._bookings.book(earliest=earliest, interval=self._interval(), reach=reach, beyond=beyond)
        if reach is not None:
            self._held_until = max(due_at, self._held_until)
        return Hold(kind=kind, reason=reason, due_at=due_at)

    def _reach(self, now: int) -> int:
        """Return over how long those are spread that come back to what is slow or away now, milliseconds.

        At the pace of a bad moment a backlog would come back for hours. So its word is taken for as long as the moment
        has lasted: who is held too early is held again, each time for about twice as long.
        """
        if not self._slow_since <= now <= self._held_until:
            self._slow_since = now
            self._held_until = 0
        return max(_HORIZON_MS, now - self._slow_since)

    def _must_line_up(self, job: Job, now: int) -> bool:
        """Whether it would overtake those who hold a time for the rate's slots to come."""
        if self._limiter is None or not self._bookings.reach_beyond(now + _SHORTEST_HOLD_MS):
            return False
        delivery = job.leased.delivery
        return delivery.due_at <= delivery.created_at

    def _delay(self, now: int, interval: int, *, ahead: int) -> int:
        """Return how long one waits that has so many before it, milliseconds."""
        return self.next_slot(now) - now + ahead * interval // 1000

    def _interval(self) -> int:
        """Return how far apart sends can be, microseconds: the rate's word, or the endpoint's own pace."""
        at_once = self.concurrency if self.share is None else max(1, self.share.room)
        own = int(self._answer_ms() * 1000 / at_once)
        return own if self._limiter is None else max(own, self._limiter.interval)

    def _answer_ms(self) -> float:
        oldest = next(iter(self.sending.values()), None)
        return self._pace.milliseconds(0 if oldest is None else self._milliseconds_since(oldest))

    def _milliseconds_since(self, reading: float) -> int:
        return int((self._stopwatch() - reading) * 1000)
