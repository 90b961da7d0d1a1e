"""A circuit breaker: an endpoint that fails is left alone, then probed by one delivery at a time.

Pure: the hour is an argument. It remembers a fixed number of counters, however much is sent.
"""

from enum import IntEnum
from typing import Final

from tidings.dispatch.settings import BreakerSettings

_BUCKETS: Final = 10
_PROBE_WAIT_MS: Final = 5_000
"""How long others are kept back at the most while a probe is under way."""


class BreakerState(IntEnum):
    """How a breaker stands; the numbers are those of its metric."""

    CLOSED = 0
    """Everything goes."""
    PROBING = 1
    """One delivery is under way to find out."""
    OPEN = 2
    """Nothing goes until the next probe is due."""


class CircuitBreaker:
    """Says whether an endpoint may be tried, from what came of earlier attempts."""

    __slots__ = ("_buckets", "_run", "_settings", "_width", "pause", "probe_at", "state")

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._width = max(1, int(settings.window * 1000) // _BUCKETS)
        self._buckets = [[-1, 0, 0] for _ in range(_BUCKETS)]
        """Number of the stretch of time, successes and failures in it."""
        self._run = 0
        """Failures since the last success."""
        self.pause = int(settings.open * 1000)
        self.probe_at = 0
        self.state = BreakerState.CLOSED

    def follow(self, state: BreakerState, *, probe_at: int, pause: int, now: int) -> None:
        """Take over what another gateway has found out; while that one probes, others wait."""
        if state is BreakerState.CLOSED:
            if self.state is not BreakerState.CLOSED:
                self._run = 0
                self._reset()
            return
        self.state = BreakerState.OPEN
        self.pause = pause
        self.probe_at = probe_at if state is BreakerState.OPEN else now + self._probe_wait

    @property
    def _probe_wait(self) -> int:
        return min(_PROBE_WAIT_MS, int(self._settings.open * 1000))

    def wait_until(self, now: int) -> int | None:
        """Return when to ask again, or None when a delivery may go now."""
        if self.state is BreakerState.CLOSED:
            return None
        if self.state is BreakerState.OPEN:
            # Never longer than the longest pause, even if the clock is put back.
            return self.probe_at if now < self.probe_at <= now + int(self._settings.longest * 1000) else None
        return now + self._probe_wait

    def start(self) -> bool:
        """Count one that goes; say whether it is the probe."""
        if self.state is BreakerState.CLOSED:
            return False
        self.state = BreakerState.PROBING
        return True

    def abandon_probe(self) -> None:
        """The probe came to nothing that would say how the endpoint does: the next delivery probes."""
        self.state = BreakerState.OPEN

    def succeeded(self, now: int) -> None:
        """Count an answer. Whoever answers is there, so the breaker closes."""
        self._run = 0
        if self.state is not BreakerState.CLOSED:
            self._reset()
        self._bucket(now)[1] += 1

    def failed(self, now: int, *, probe: bool) -> None:
        """Count a failure; only a probe's counts while the breaker is not closed."""
        if self.state is BreakerState.CLOSED:
            self._run += 1
            self._bucket(now)[2] += 1
            if self._run >= self._settings.minimum or self._too_many(now):
                self._open(now)
        elif probe:
            self.pause = min(2 * self.pause, int(self._settings.longest * 1000))
            self._open(now)

    def _open(self, now: int) -> None:
        self.state = BreakerState.OPEN
        self.probe_at = now + self.pause

    def _reset(self) -> None:
        self.state = BreakerState.CLOSED
        self.pause = int(self._settings.open * 1000)
        for bucket in self._buckets:
            bucket[:] = -1, 0, 0

    def _bucket(self, now: int) -> list[int]:
        number = now // self._width
        bucket = self._buckets[number % _BUCKETS]
        if bucket[0] != number:
            bucket[:] = number, 0, 0
        return bucket

    def _too_many(self, now: int) -> bool:
        newest = now // self._width
        recent = [bucket for bucket in self._buckets if newest - _BUCKETS < bucket[0] <= newest]
        failures = sum(bucket[2] for bucket in recent)
        total = failures + sum(bucket[1] for bucket in recent)
        return total >= self._settings.minimum and failures >= self._settings.failures * total
