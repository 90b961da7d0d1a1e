"""A clock put forward or back while deliveries are under way: nothing goes out twice, nothing waits for ever."""

import asyncio

import pytest

from channels_kit import SECRET
from dispatch_kit import Clock, all_in, dispatching, open_desk, quick, rulebook, until
from sink_kit import Reply, http_sink
from tidings.dispatch import BreakerSettings, CircuitBreaker, RateLimiter
from tidings.dispatch.breaker import BreakerState
from tidings.dispatch.destination import Destination, Job
from tidings.dispatch.leases import InHand
from tidings.dispatch.limits import Bookings
from tidings.model import Accepted, Deferred, Rate, State

HOUR = 3_600_000
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR], ids=lambda ms: f"{ms // HOUR:+} h")
NOW = 1_700_000_000_000


@JUMPS
async def test_what_is_under_way_is_sent_once_and_settled(jump: int) -> None:
    """The leases of a minute seem long over, or hours away; other work comes in meanwhile."""
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', concurrency: 4")) as desk,
        dispatching(desk, lease=60),
    ):
        sink.default = Reply(fault="hold")
        names = await desk.publish(8)
        await until(lambda: len(sink.received) == 4)
        desk.clock.shift += jump
        names += await desk.publish(8, start=8)  # wakes the dispatcher, which asks for what is due by the new clock
        await asyncio.sleep(0.2)
        sink.release.set()
        await all_in(desk, State.DELIVERED, names)
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


@JUMPS
async def test_a_rate_is_kept_and_not_waited_out_by_the_clock(jump: int) -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', rate: 20/s")) as desk,
        dispatching(desk),
    ):
        names = await desk.publish(5)
        await all_in(desk, State.DELIVERED, names)
        desk.clock.shift += jump
        names = await desk.publish(5, start=5)
        await all_in(desk, State.DELIVERED, names)
    assert len(sink.received) == 10


@JUMPS
async def test_an_endpoint_left_alone_is_probed_in_time(jump: int) -> None:
    breaker = {"minimum": 2, "open": 0.2, "longest": 0.4}
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', concurrency: 1")) as desk,
        dispatching(desk, schedules=quick(*[10] * 20), breaker=breaker),
    ):
        sink.default = Reply(status=503)
        await desk.publish(3)
        await until(lambda: desk.value("tidings_endpoint_breaker", org="50750", endpoint="crm") == 2)
        desk.clock.shift += jump
        sink.default = Reply()
        await all_in(desk, State.DELIVERED, await desk.publish(3, start=3))


async def test_a_due_time_is_the_wall_clocks() -> None:
    """A retry in an hour is due at once when the clock is put forward, and none is lost when it is put back."""
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        sink.script(Reply(status=503))
        async with dispatching(desk, schedules=quick(HOUR)):
            (first,) = await desk.publish(1)
            await until(lambda: len(sink.received) == 1)
            desk.clock.shift = -HOUR
            second = await desk.publish(1, start=1)
            await all_in(desk, State.DELIVERED, second)
            assert (await desk.delivery(first))[0].state is State.WAITING
            desk.clock.shift = 2 * HOUR
            third = await desk.publish(1, start=2)
            await all_in(desk, State.DELIVERED, [first, *third])
    assert len(sink.received) == 4


async def test_leases_are_renewed_although_an_older_one_seems_hours_away() -> None:
    clock = Clock()
    async with open_desk(rulebook("name: crm, url: 'http://127.0.0.1:1/'")) as desk:
        in_hand = InHand(desk.store, clock=clock, lease=1000)
        await desk.publish(2)
        destination = Destination("endpoint crm", concurrency=1)
        for shift in (0, -HOUR):
            clock.shift = desk.clock.shift = shift
            if shift:
                await desk.publish(1, start=2)
            until_ = clock() + 1000
            for leased in await desk.store.lease(now=clock(), until=until_, limit=2):
                in_hand.add(Job(leased, destination, until=until_))
        assert len(in_hand) == 3
        clock.shift += 600
        assert await in_hand.renew() == []
        clock.shift += 600
        assert not in_hand.may_be_taken(clock())
        clock.shift += 600
        assert in_hand.may_be_taken(clock())


def test_a_limiter_waits_one_interval_at_most() -> None:
    limiter = RateLimiter(Rate(count=10, seconds=1))
    limiter.take(limiter.next_slot(NOW))
    assert limiter.next_slot(NOW - HOUR) <= NOW - HOUR + 101
    assert limiter.next_slot(NOW - HOUR + 101) == NOW - HOUR + 101


def test_a_breaker_left_open_by_a_clock_put_back_is_probed() -> None:
    breaker = CircuitBreaker(BreakerSettings(minimum=1))
    breaker.failed(NOW, probe=False)
    assert breaker.wait_until(NOW) == NOW + 30_000
    assert (breaker.state, breaker.wait_until(NOW - HOUR)) == (BreakerState.OPEN, None)


def test_failures_of_hours_to_come_do_not_count() -> None:
    breaker = CircuitBreaker(BreakerSettings(minimum=4, failures=0.5))
    for _ in range(3):
        breaker.failed(NOW, probe=False)
    breaker.succeeded(NOW - HOUR - 3_000)  # another stretch of the window
    breaker.failed(NOW - HOUR - 3_000, probe=False)
    assert breaker.state is BreakerState.CLOSED


def test_bookings_move_with_a_clock_put_back() -> None:
    bookings = Bookings()
    bookings.look_at_clock(NOW)
    bookings.book(earliest=NOW + 1000, interval=1_000_000)
    bookings.look_at_clock(NOW - 5)  # a time passed on late
    assert bookings.reach_beyond(NOW + 1999)
    bookings.look_at_clock(NOW - HOUR)
    assert bookings.book(earliest=NOW - HOUR, interval=1) == NOW - HOUR + 2005


def open_destination() -> tuple[Destination, list[float]]:
    reading = [0.0]
    breaker = CircuitBreaker(BreakerSettings())
    return Destination("endpoint crm", concurrency=1, breaker=breaker, stopwatch=lambda: reading[0]), reading


async def test_a_pause_asked_for_is_bounded_when_the_clock_is_put_back() -> None:
    destination, _ = open_destination()
    job = await one_job(destination)
    destination.start(job, NOW)
    destination.finish(job, NOW, Deferred(status_code=429, retry_after_ms=60_000, detail=""))
    assert destination.gate(NOW) is not None
    assert destination.gate(NOW - HOUR) is None


async def test_how_long_answers_take_is_not_read_off_the_clock() -> None:
    destination, reading = open_destination()
    job = await one_job(destination)
    destination.start(job, NOW)
    reading[0] += 0.1
    destination.finish(job, NOW + 24 * HOUR, Accepted())
    assert destination._answer_ms() < 100


async def one_job(destination: Destination) -> Job:
    async with open_desk(rulebook("name: crm, url: 'http://127.0.0.1:1/'")) as desk:
        await desk.publish(1)
        (leased,) = await desk.store.lease(now=desk.clock(), until=desk.clock() + 1000, limit=1)
    return Job(leased, destination, until=0)
