"""For how long what cannot go to a slow endpoint is held back: about as long as it has been slow, not at its pace."""

import heapq
import itertools

import pytest

from dispatch_kit import open_desk, rulebook
from tidings.dispatch.destination import Destination, Hold, Job
from tidings.model import Accepted, Endpoint, Rate

NOW = 1_700_000_000_000
MINUTE = 60_000
BEGUN = NOW + 10 * MINUTE
"""When there is more than it can take; it has been slow for long enough to be known."""
ANSWER_MS = 30_000
JOBS = 300
AT_ONCE = 2


class Load:
    """A dispatcher that has its hands full."""

    crowded = False
    scarce = True


class Slow:
    """A destination that takes half a minute for each answer, and what waits for it."""

    def __init__(self, jobs: list[Job], destination: Destination, reading: list[float]) -> None:
        self.destination = destination
        self._reading = reading
        self._under_way, waiting = jobs[:AT_ONCE], jobs[AT_ONCE:]
        self._order = itertools.count()
        self.waiting = [(BEGUN, next(self._order), job) for job in waiting]
        self.holds = 0
        for job in self._under_way:
            destination.start(job, NOW)
        self._answers_at = NOW + ANSWER_MS
        self._set(BEGUN)

    def run(self, until: int) -> None:
        """Take what is due again and again, as a dispatcher does; the endpoint stays slow."""
        while self.waiting and self.waiting[0][0] <= until:
            now, _, job = heapq.heappop(self.waiting)
            self._set(now)
            placed = self.destination.place(job, now, Load())
            if isinstance(placed, Hold):
                assert placed.due_at > now
                self.holds += 1
                heapq.heappush(self.waiting, (placed.due_at, next(self._order), job))

    def _set(self, now: int) -> None:
        while now >= self._answers_at:
            self._reading[0] = (self._answers_at - NOW) / 1000
            for job in self._under_way:
                self.destination.finish(job, self._answers_at, Accepted())
                self.destination.start(job, self._answers_at)
            self._answers_at += ANSWER_MS
        self._reading[0] = (now - NOW) / 1000

    @property
    def last(self) -> int:
        """When the last of them comes back."""
        return max(due for due, _, _ in self.waiting)


@pytest.fixture
async def jobs() -> list[Job]:
    async with open_desk(rulebook("name: crm, url: 'http://127.0.0.1:1/'")) as desk:
        await desk.publish(JOBS)
        leased = await desk.store.lease(now=desk.clock(), until=desk.clock() + 1000, limit=JOBS)
    destination = Destination("endpoint crm", concurrency=AT_ONCE)
    return [Job(each, destination, until=0) for each in leased]


def slow(jobs: list[Job], *, rate: Rate | None = None) -> Slow:
    reading = [0.0]
    destination = Destination("endpoint crm", concurrency=AT_ONCE, stopwatch=lambda: reading[0])
    if rate is not None:
        url = "http://127.0.0.1:1/"
        destination.configure(Endpoint(org_id=50750, name="crm", url=url, secrets=(), rate=rate, concurrency=AT_ONCE))
    return Slow(jobs, destination, reading)


@pytest.mark.parametrize("lasted", [1, 10, 60])
def test_what_was_held_comes_back_within_as_long_as_an_endpoint_was_slow(jobs: list[Job], lasted: int) -> None:
    endpoint = slow(jobs)
    endpoint.run(BEGUN + lasted * MINUTE)
    pace = ANSWER_MS // AT_ONCE
    assert endpoint.last <= BEGUN + 2 * lasted * MINUTE + 4 * pace  # 300 at its pace: 75 minutes


def test_who_waits_for_a_slow_endpoint_is_not_looked_at_again_and_again(jobs: list[Job]) -> None:
    endpoint = slow(jobs)
    endpoint.run(BEGUN + 60 * MINUTE)
    assert endpoint.holds < 12 * JOBS


def test_the_next_slow_moment_is_a_moment_again(jobs: list[Job]) -> None:
    endpoint = slow(jobs)
    endpoint.run(BEGUN + 10 * MINUTE)
    later = endpoint.last + 1
    held = endpoint.destination.hold_surplus(later)
    longest = (1 + len(endpoint.destination.queue)) * ANSWER_MS // AT_ONCE + 2_000
    assert held.due_at <= later + longest


def test_an_endpoint_that_was_mended_is_not_slow_any_more(jobs: list[Job]) -> None:
    endpoint = slow(jobs)
    now = BEGUN + 10 * MINUTE
    endpoint.run(now)
    endpoint.destination.forgive()
    longest = (1 + len(endpoint.destination.queue)) * ANSWER_MS // AT_ONCE + 2_000
    held = [endpoint.destination.hold_surplus(now) for _ in range(JOBS)]
    assert max(each.due_at for each in held) <= now + longest


def test_those_who_wait_for_a_rate_come_back_no_faster_than_it_lets_them_go(jobs: list[Job]) -> None:
    endpoint = slow(jobs, rate=Rate(count=1, seconds=2.0))
    endpoint.run(BEGUN)
    dues = sorted(due for due, _, _ in endpoint.waiting)
    assert all(after - before >= 1_999 for before, after in itertools.pairwise(dues))
    assert dues[-1] <= BEGUN + JOBS * 2_000 + ANSWER_MS + 4_000
