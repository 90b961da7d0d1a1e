"""How fast an endpoint may be sent to, and when what must wait may come back: pure, the hour is an argument.

Times are epoch milliseconds; within, microseconds, so that rates above one a millisecond stay exact.
"""

from tidings.model import Rate

_MICROSECONDS = 1_000
_PUT_BACK_MS = 10_000
"""Times are passed on and may come a little late; one this far behind means that the clock was put back."""
_LONG_MS = 1_000
"""A wait shorter than this says nothing yet: a connection may be in the making."""


class RateLimiter:
    """Spaces sends evenly: in no stretch of ``rate.seconds`` do more than ``rate.count`` go.

    A generic cell rate algorithm without a burst; it remembers one number.
    """

    __slots__ = ("free_at", "interval")

    def __init__(self, rate: Rate, *, free_at: int = 0) -> None:
        """Give no times before ``free_at``, microseconds."""
        self.interval = max(1, -int(-rate.seconds * 1_000_000 // rate.count))
        """Microseconds from one send to the next, rounded up."""
        self.free_at = free_at
        """When the next one may go, microseconds."""

    def may_go(self, now: int) -> bool:
        """Say whether one may go now."""
        return self.next_slot(now) <= now

    def next_slot(self, now: int) -> int:
        """Return the earliest time from ``now`` on at which one may go."""
        # No slot is farther away than one interval, unless the clock was put back.
        self.free_at = min(self.free_at, (now + 1) * _MICROSECONDS + self.interval)
        return max(now, self.free_at // _MICROSECONDS)

    def take(self, at: int) -> None:
        """Count one that goes at a time that ``next_slot`` allows."""
        self.free_at = max(self.free_at, at * _MICROSECONDS) + self.interval


class Bookings:
    """Gives deliveries that cannot go yet a time each to come back, spaced so that they find room when they do."""

    __slots__ = ("_free_at", "_seen")

    def __init__(self) -> None:
        self._free_at = 0
        self._seen = 0

    def look_at_clock(self, now: int) -> None:
        """Move with a clock that was put back: what is booked lies as far ahead as it did."""
        if now + _PUT_BACK_MS < self._seen:
            self._free_at -= (self._seen - now) * _MICROSECONDS
        self._seen = now

    def book(self, *, earliest: int, interval: int, reach: int | None = None, beyond: int = 0) -> int:
        """Return a time not before ``earliest``, ``interval`` microseconds after the last one given.

        Times later than ``reach`` milliseconds after ``earliest`` are only ``beyond`` microseconds apart; with 0 there
        are none, and whoever would get one comes back by then.
        """
        at = max(self._free_at, earliest * _MICROSECONDS)
        if reach is not None and at > (farthest := (earliest + reach) * _MICROSECONDS):
            at = at if beyond else farthest
            interval = beyond
        self._free_at = at + interval
        return -(-at // _MICROSECONDS)

    def reach_beyond(self, at: int) -> bool:
        """Say whether somebody is booked for a time after ``at``."""
        return self._free_at > at * _MICROSECONDS

    def clear(self) -> None:
        """Forget what was given; those who hold a time come back at it all the same."""
        self._free_at = 0


class Pace:
    """How long an endpoint takes to answer: a running mean, or longer while what is under way waits for long."""

    __slots__ = ("_mean",)

    def __init__(self) -> None:
        self._mean = 1.0

    def record(self, milliseconds: int) -> None:
        """Take one answer into account."""
        self._mean += (milliseconds - self._mean) * 0.125

    def milliseconds(self, waited: int = 0) -> float:
        """Return the time an answer takes, given that the oldest send under way has ``waited`` that long."""
        return max(self._mean, waited) if waited >= _LONG_MS else self._mean
