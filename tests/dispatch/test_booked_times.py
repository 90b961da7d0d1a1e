"""Times of a rate that several gateways share: none goes to waste because the store took its time to give it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from tidings.dispatch.destination import Destination, Job
from tidings.dispatch.share import BookedTimes, Lead
from tidings.model import Endpoint, Rate
from tidings.store import Ask, Part
from tidings.store.shares import book

NOW = 1_790_000_000_000
HOURLY = Rate(count=1, seconds=3_600)


@dataclass
class Books:
    """What a store knows of a rate, and answers."""

    free_at: int = 0

    def answer(self, ask: Ask, now: int) -> Part:
        part = Part(slots=1, room=1, wanted_by_others=False)
        first, times, self.free_at = book(ask, part, self.free_at, now=now)
        return part._replace(first_at=first, times=times)


@dataclass
class Sharer:
    """A gateway with more to send than the rate allows, as far as times are concerned."""

    rate: Rate
    books: Books
    times: BookedTimes = field(init=False)
    lead: Lead = field(default_factory=Lead)
    sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.times = BookedTimes(self.rate)

    def ask(self, now: int, *, takes: int, wanted: int = 1) -> None:
        """Ask at an hour for an answer that takes so many milliseconds."""
        asked = Ask(
            1, "crm", 1, 0, 1,
            interval=self.times.interval,
            times=wanted,
            not_before=now * 1_000 + self.lead.microseconds,
            unused_at=self.times.unused_at,
        )  # fmt: skip
        given = self.books.answer(asked, now)
        self.lead.record(takes / 1_000)
        self.times.add(given.first_at, given.times)

    def send(self, now: int) -> bool:
        """Send one if it may go now."""
        may = self.times.may_go(now)
        if may:
            self.times.take(now)
            self.sent.append(now)
        return may


def test_a_time_that_came_too_late_is_asked_for_again_and_costs_no_hour() -> None:
    books = Books()
    one, other = Sharer(HOURLY, books), Sharer(HOURLY, books)
    one.ask(NOW, takes=40)
    assert not one.send(NOW + 40)
    assert one.times.are_used_up(NOW + 40), "it would wait for the next hour"
    one.ask(NOW + 41, takes=3)
    at = one.times.next_slot(NOW + 44)
    assert (one.send(at), at < NOW + 200) == (True, True)
    other.ask(at + 1, takes=3)
    assert not other.send(other.times.next_slot(at + 4) - 1)
    assert other.times.next_slot(at + 4) >= at + 3_600_000


@pytest.mark.parametrize("latency", [30, 100, 200])
def test_a_store_that_is_always_slow_keeps_nobody_from_sending(latency: int) -> None:
    sharer = Sharer(Rate(count=1, seconds=10), Books())
    now = NOW
    for _ in range(100):
        if sharer.times.are_used_up(now):
            sharer.ask(now, takes=latency)
            now += latency
        now = sharer.times.next_slot(now)
        if sharer.send(now) and len(sharer.sent) == 5:
            break
    assert len(sharer.sent) == 5
    assert sharer.sent[-1] - NOW < 4 * (10_000 + 3 * latency) + 1_000


@pytest.mark.parametrize("rate", [Rate(count=1, seconds=1), Rate(count=20, seconds=1), Rate(count=3, seconds=60)])
@pytest.mark.parametrize("seed", range(20))
def test_however_late_answers_and_gateways_are_a_rate_is_kept_to(rate: Rate, seed: int) -> None:
    dice = Random(seed)  # noqa: S311 (the same on every run)
    books = Books()
    sharers = [Sharer(rate, books) for _ in range(3)]
    busy_until = [0] * len(sharers)
    now = NOW
    for _ in range(20_000):
        now += dice.choice((1, 2, 5, 20))
        number = dice.randrange(len(sharers))
        sharer = sharers[number]
        if now < busy_until[number]:
            continue
        if sharer.times.are_used_up(now) or dice.random() < 0.02:
            takes = dice.choice((1, 2, 10, 30, 100, 400))
            sharer.ask(now, takes=takes, wanted=dice.randrange(4))
            busy_until[number] = now + takes
        elif dice.random() < 0.7:
            sharer.send(now)
    sent = sorted(at for each in sharers for at in each.sent)
    assert most_within(sent, rate) <= rate.count
    possible = (now - NOW) / 1_000 / rate.seconds * rate.count
    assert len(sent) > possible / 5, "and used, as well as gateways can that look now and then"


def most_within(sent: Sequence[int], rate: Rate) -> int:
    """Return how many went in any stretch of the rate's length."""
    most = first = 0
    for last in count():
        if last == len(sent):
            return most
        while sent[last] - sent[first] >= rate.seconds * 1_000:
            first += 1
        most = max(most, last - first + 1)
    raise AssertionError


def test_the_only_one_that_waits_for_a_slow_rate_is_not_sent_away() -> None:
    """What is sent away comes back later, and may then wait for an hour."""
    destination = Destination("endpoint crm", concurrency=1)
    destination.configure(
        Endpoint(org_id=1, name="crm", url="http://127.0.0.1:1/", secrets=(), rate=HOURLY, concurrency=1)
    )
    destination.share_from_now_on()
    job = object.__new__(Job)
    destination.queue.append(job)
    assert destination.surplus(NOW) is None
    destination.queue.append(object.__new__(Job))
    assert destination.surplus(NOW) is not job
    assert list(destination.queue) == [job]
