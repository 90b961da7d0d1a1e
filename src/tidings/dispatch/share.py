"""What a gateway may send to an endpoint that others send to as well: pure, the hour is an argument.

A share is what the store gave. It shrinks here first and there afterwards, and grows there first and here afterwards,
so that what all gateways use together is never more than the limit.
"""

import math
from collections import deque
from typing import Final

from tidings.model import Rate
from tidings.store import Ask, Part

_LATE_US: Final = 25_000
"""How late a time of a rate may be used, microseconds; times are as much farther apart than the rate alone asks for."""
_LONGEST_LEAD_US: Final = 500_000
"""Well within the second that the store books ahead."""
_IDLE_LOOKS: Final = 3
"""After so many looks without use a share is given back; at once when somebody waits for it."""
_MICROSECONDS: Final = 1_000


class BookedTimes:
    """The times at which sends may go that were booked for this gateway; each is good for one, and passes."""

    __slots__ = ("_free_at", "_times", "interval", "unused_at", "used")

    def __init__(self, rate: Rate) -> None:
        self.interval = max(1, math.ceil((rate.seconds * 1_000_000 + _LATE_US) / rate.count))
        """Microseconds from one send of any gateway's to the next."""
        self.used = 0
        """How many were used since ``used`` was set to 0."""
        self.unused_at = 0
        """The last time booked, if that passed unused; 0 while more are left, and once the store has heard of it."""
        self._times: deque[int] = deque()
        self._free_at = 0
        """When the next that nobody has booked may be, as far as is known."""

    def may_go(self, now: int) -> bool:
        """Say whether one may go now."""
        self._let_pass(now)
        return bool(self._times) and self._times[0] <= now * _MICROSECONDS

    def next_slot(self, now: int) -> int:
        """Return the earliest time from ``now`` on at which one may go, or at which more can be booked."""
        self._let_pass(now)
        at = self._times[0] if self._times else self._free_at
        return max(now, math.ceil(at / _MICROSECONDS))

    def are_used_up(self, now: int) -> bool:
        """Say whether more should be booked."""
        self._let_pass(now)
        return not self._times and self._free_at <= now * _MICROSECONDS

    def take(self, _: int) -> None:
        """Count one that goes."""
        self._times.popleft()
        self.used += 1
        self.unused_at = 0

    def add(self, first_at: int, count: int) -> None:
        """Take what the store booked; with none, when the next is free."""
        self._times.extend(first_at + number * self.interval for number in range(count))
        self._free_at = first_at + count * self.interval if count else first_at
        self.unused_at = 0

    def __len__(self) -> int:
        """How many are left."""
        return len(self._times)

    def _let_pass(self, now: int) -> None:
        while self._times and self._times[0] + _LATE_US < now * _MICROSECONDS:
            passed = self._times.popleft()
            if not self._times:  # nobody can have been given less than an interval after it
                self.unused_at = passed
                self._free_at = min(self._free_at, passed)


class Lead:
    """How far ahead times must be booked to be here in time: as long as the store took to answer lately, and more."""

    __slots__ = ("_slowest",)

    def __init__(self) -> None:
        self._slowest = 0.0

    def record(self, seconds: float) -> None:
        """Take one answer into account; what was slow is forgotten by and by."""
        self._slowest = max(seconds, self._slowest * 0.9)

    @property
    def microseconds(self) -> int:
        """How long after asking the first time can be used; 0 while answers come well within what is not late."""
        lead = int(self._slowest * 2_000_000)
        return min(lead, _LONGEST_LEAD_US) if lead > _LATE_US else 0


class Share:
    """The slots of an endpoint that this gateway holds."""

    __slots__ = ("_looks", "_peak", "_peak_before", "_wanted_by_others", "room", "slots")

    def __init__(self, *, slots: int = 0) -> None:
        self.slots = slots
        """How many the store knows as this gateway's."""
        self.room = slots
        """How many of them it may use."""
        self._peak = slots
        self._peak_before = 0
        self._looks = 0
        self._wanted_by_others = False

    def close(self) -> None:
        """Use none of it until the store has given some anew."""
        self.room = self._peak = self._peak_before = 0

    def note_use(self, count: int) -> None:
        """Remember how many could be used at once."""
        self._peak = max(self._peak, count)

    def look(self, count: int) -> None:
        """Go by what was used lately; to be called about once a second with what could be used now."""
        self._looks = 0 if self._peak or count else self._looks + 1
        self._peak_before, self._peak = self._peak, count

    def ask(self, org_id: int, name: str, *, limit: int, under_way: int) -> Ask:
        """Say what could be used, and give up here what is not needed."""
        wanted = min(limit, max(self._peak, self._peak_before, under_way))
        patience = 1 if self._wanted_by_others else _IDLE_LOOKS
        if not wanted and self.room and self._looks < patience:
            wanted = min(limit, 1)
        self.room = min(self.room, wanted) if self._wanted_by_others or not wanted else min(self.room, limit)
        return Ask(org_id, name, limit, keep=max(under_way, self.room), wanted=wanted)

    def take(self, part: Part) -> None:
        """Take what the store gave."""
        self.slots, self.room, self._wanted_by_others = part.slots, part.room, part.wanted_by_others
