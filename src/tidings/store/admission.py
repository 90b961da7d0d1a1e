"""How much may wait to be written; past it callers are sent away, for neither memory nor patience is without end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tidings.errors import Overloaded
from tidings.store.publications import Publications
from tidings.store.values import Publication

_RETRY_AFTER: Final = 1.0
"""Seconds; a full queue is worked off in less."""


class Queue(Protocol):
    """What waits for a writer."""

    waiting: int
    """Rows that are queued or under way,"""
    waiting_bytes: int
    """and how large the events among them are."""

    def expected_wait(self) -> float:
        """Say how long a call made now would wait, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Limits of a queue; whoever comes while it is empty is always let in."""

    rows: int
    size: int
    """Bytes."""
    longest_wait: float
    """Seconds."""

    def check(self, queue: Queue, *, rows: int, size: int = 0) -> None:
        """Raise Overloaded when so much more would be too much."""
        if queue.waiting and queue.waiting + rows > self.rows:
            raise _overloaded(
                f"{queue.waiting} rows are waiting to be written and {rows} more would pass the limit of {self.rows}"
            )
        if queue.waiting and queue.waiting_bytes + size > self.size:
            raise _overloaded(
                f"events of {queue.waiting_bytes} bytes are waiting to be written and {size} bytes more would pass "
                f"the limit of {self.size}"
            )
        if (wait := queue.expected_wait()) > self.longest_wait:
            raise _overloaded(
                f"the database is slow: what comes now would wait about {wait:.1f} s for it, more than the "
                f"{self.longest_wait:g} s that are allowed"
            )


def size_of(publications: Sequence[Publication]) -> int:
    """Return how large the events are, bytes."""
    if isinstance(publications, Publications):  # nearly always, and put together they would be for this alone
        return publications.size
    return sum(len(each.event.content) for each in publications)


def _overloaded(problem: str) -> Overloaded:
    return Overloaded(f"{problem}; send them again after a moment", retry_after=_RETRY_AFTER)
