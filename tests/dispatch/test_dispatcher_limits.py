"""Limits and fairness of the dispatcher, against real receivers: what peers got wrong is tested here by name."""

import itertools
import time

from channels_kit import SECRET
from dispatch_kit import all_in, dispatching, open_desk, quick, rulebook, until
from sink_kit import Reply, http_sink
from tidings.model import State


async def test_what_is_published_is_delivered_and_settled() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk),
    ):
        names = await desk.publish(300)
        await all_in(desk, State.DELIVERED, names)
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)
    assert all(call.verified for call in sink.received)


async def test_a_rate_limit_is_enforced_not_only_stored() -> None:
    """A peer stores the limit of an endpoint and never looks at it."""
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}', rate: 50/s")) as desk:
        started = time.monotonic()
        async with dispatching(desk):
            names = await desk.publish(120)
            await all_in(desk, State.DELIVERED, names)
        took = time.monotonic() - started
        assert [len((await desk.delivery(name))[1]) for name in names] == [1] * 120
    assert 119 / 50 <= took < 8
    assert desk.value("tidings_deliveries_held_total", kind="rate") > 0


async def test_never_more_than_its_concurrency_is_under_way_at_an_endpoint() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}', concurrency: 3")) as desk:
        sink.default = Reply(fault="hold")
        async with dispatching(desk) as dispatcher:
            names = await desk.publish(20)
            await until(lambda: len(sink.received) == 3)
            (destination,) = dispatcher.endpoints.destinations()
            assert len(destination.sending) == 3
            sink.default = Reply()
            sink.release.set()
            await all_in(desk, State.DELIVERED, names)


async def test_a_slow_endpoint_costs_a_fast_one_nothing() -> None:
    """A peer's queue waits behind its head for days."""
    async with (
        http_sink(SECRET) as slow,
        http_sink(SECRET) as fast,
        open_desk(rulebook(f"name: slow, url: '{slow.url}'", f"name: fast, url: '{fast.url}'")) as desk,
    ):
        slow.default = Reply(fault="hang")
        async with dispatching(desk, concurrency=32, batch=16, drain=0.1):
            await desk.publish(500)
            await until(lambda: len(fast.received) == 500)
            assert len(slow.received) <= 16  # none of them has ended, or another would have begun
            assert desk.value("tidings_deliveries_held_total", kind="busy") > 400


async def test_what_a_slow_moment_held_back_goes_soon_after_it() -> None:
    """At the pace of that moment, 8 in more than a second, 250 would take more than half a minute."""
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        sink.default = Reply(fault="hold")
        async with dispatching(desk, concurrency=32, batch=16):
            names = await desk.publish(250)
            await until(lambda: desk.value("tidings_deliveries_held_total", kind="busy") > 150)
            sink.default = Reply()
            sink.release.set()
            released = time.monotonic()
            await all_in(desk, State.DELIVERED, names)
            assert time.monotonic() - released < 15


async def test_endpoints_take_turns_in_the_slots_that_all_share() -> None:
    """The slot that one gives up goes to who has waited, at once: not to its own next, nor with the next tick."""
    async with http_sink(SECRET) as sink:
        endpoints = [f"name: {name}, url: '{sink.url}?{name}'" for name in "abc"]
        async with open_desk(rulebook(*endpoints)) as desk:
            names = await desk.publish(8)
            started = time.monotonic()
            async with dispatching(desk, concurrency=1):
                await all_in(desk, State.DELIVERED, names)
            assert time.monotonic() - started < 8  # a tick, a second long, for each would be 24
    assert sink.most_at_once == 1
    paths = [each.path for each in sink.received]
    assert max(len(list(row)) for _, row in itertools.groupby(paths)) <= 2


async def test_a_dead_endpoint_is_left_alone_then_probed_by_one() -> None:
    breaker = {"minimum": 4, "open": 0.3}
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}', concurrency: 2")) as desk:
        sink.default = Reply(status=503)
        async with dispatching(desk, schedules=quick(*[10] * 50), breaker=breaker):
            names = await desk.publish(30)
            await until(lambda: desk.value("tidings_endpoint_breaker", org="50750", endpoint="crm") == 2)
            tripped = len(sink.received)
            assert tripped <= 5
            await until(lambda: len(sink.received) == tripped + 1)
            assert desk.value("tidings_deliveries_held_total", kind="breaker") >= 20
            sink.default = Reply()
            await all_in(desk, State.DELIVERED, names)
            assert desk.value("tidings_endpoint_breaker", org="50750", endpoint="crm") == 0


async def test_a_held_delivery_has_no_attempt_and_says_why() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', rate: 1/h")) as desk,
        dispatching(desk),
    ):
        names = await desk.publish(3)
        await all_in(desk, State.HELD, names[1:])
        held, attempts = await desk.delivery(names[2])
        await all_in(desk, State.DELIVERED, names[:1])
    assert (held.reason, attempts) == ("the rate limit of endpoint crm", ())
    assert 7_199_000 <= held.due_at - held.created_at <= 7_201_000


async def test_an_endpoint_that_asks_for_a_pause_gets_it_and_never_earlier() -> None:
    """One peer does not retry 429 at all, another one retries earlier than asked."""
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        sink.script(Reply(status=429, headers={"retry-after": "1"}))
        async with dispatching(desk, schedules=quick(10)):
            first = await desk.publish(1)
            await until(lambda: len(sink.received) == 1)
            asked = time.monotonic()
            second = await desk.publish(1, start=1)
            await all_in(desk, State.HELD, second)
            await all_in(desk, State.DELIVERED, [*first, *second])
        assert time.monotonic() - asked >= 0.95
        _, attempts = await desk.delivery(first[0])
    assert [(each.status_code, each.outcome.value) for each in attempts] == [(429, "deferred"), (200, "accepted")]
    assert attempts[1].started_at - attempts[0].started_at >= 1000


async def test_an_endpoints_own_schedule_is_kept() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}', retry: [7m]")) as desk:
        sink.default = Reply(status=500)
        async with dispatching(desk):
            (name,) = await desk.publish(1)

            async def tried() -> bool:
                return bool((await desk.delivery(name))[1])

            await until(tried)
        delivery, (attempt,) = await desk.delivery(name)
    assert delivery.due_at == attempt.started_at + attempt.duration_ms + 7 * 60_000


async def test_customers_are_served_in_order_where_the_endpoint_wants_it() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', ordering: customer")) as desk,
    ):
        sink.script(Reply(status=503))
        async with dispatching(desk, schedules=quick(200)):
            names = [*await desk.publish(4), *await desk.publish(1, start=4, customer=5)]
            await all_in(desk, State.DELIVERED, names)
    order = [call.json["data"]["event"] for call in sink.received if call.json["data"]["customer"] == 4711]
    assert order == ["e-0", "e-0", "e-1", "e-2", "e-3"]
    assert [call.json["data"]["customer"] for call in sink.received][:3].count(5) == 1
