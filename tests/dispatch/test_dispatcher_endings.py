"""What becomes of deliveries at a stop, at a lost lease and at an endpoint that is gone."""

import asyncio
from pathlib import Path

import pytest

from channels_kit import SECRET
from dispatch_kit import all_in, dispatching, open_desk, quick, rulebook, until
from sink_kit import Reply, http_sink
from tidings.model import Accepted, Cause, Outcome, State, WebhookCall

DAY = 86_400_000


async def test_an_endpoint_that_is_gone_is_disabled_at_once_and_for_good(tmp_path: Path) -> None:
    """A peer has no special case for 410 and keeps posting."""
    async with http_sink(SECRET) as sink:
        book = rulebook(f"name: crm, url: '{sink.url}'")
        async with open_desk(book, path=tmp_path / "a.db") as desk:
            sink.default = Reply(status=410)
            async with dispatching(desk):
                (first,) = await desk.publish(1)
                await all_in(desk, State.DEAD, [first])
                await until(lambda: desk.disabled == [("crm", "it answered 410 Gone")])
            async with dispatching(desk):
                (second,) = await desk.publish(1, start=1)
                await all_in(desk, State.SUPPRESSED, [second])
            delivery, attempts = await desk.delivery(second)
    assert len(sink.received) == 1
    assert attempts == ()
    assert delivery.reason == (
        "endpoint crm is disabled: it answered 410 Gone; give it another url or enable it, then retry the delivery"
    )
    assert desk.value("tidings_endpoints_disabled_total", why="gone") == 1


async def test_another_url_puts_a_disabled_endpoint_back_into_use() -> None:
    async with (
        http_sink(SECRET) as gone,
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{gone.url}'")) as desk,
        dispatching(desk),
    ):
        gone.default = Reply(status=410)
        await all_in(desk, State.DEAD, await desk.publish(1))
        desk.rulebooks.replace(rulebook(f"name: crm, url: '{gone.url}'", "name: x, url: 'http://127.0.0.1:1/'"))
        await all_in(desk, State.SUPPRESSED, (await desk.publish(1, start=1))[:1])
        desk.rulebooks.replace(rulebook(f"name: crm, url: '{sink.url}'"))
        await all_in(desk, State.DELIVERED, await desk.publish(1, start=2))
    assert (len(gone.received), len(sink.received)) == (1, 1)


@pytest.mark.parametrize("status", [400, 429, 500, 302])
async def test_an_endpoint_may_ask_to_be_disabled(status: int) -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk),
    ):
        sink.script(Reply(status=status, headers={"webhook-delivery": "disable", "retry-after": "5"}, body=b"moved"))
        (first,) = await desk.publish(1)
        await all_in(desk, State.DEAD, [first])
        asked = f"it answered {status} and asked for it (webhook-delivery: disable)"
        await until(lambda: desk.disabled == [("crm", asked)])
        await all_in(desk, State.SUPPRESSED, await desk.publish(1, start=1))
        delivery, attempts = await desk.delivery(first)
    assert delivery.reason == "the endpoint wants no more webhooks (webhook-delivery: disable): moved"
    assert [(each.outcome, each.status_code) for each in attempts] == [(Cause.REFUSED, status)]
    assert desk.value("tidings_endpoints_disabled_total", why="gone") == 1


async def test_an_endpoint_may_ask_for_one_webhook_not_to_come_again() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk),
    ):
        sink.script(Reply(status=503, headers={"Webhook-Delivery": " Abort-Message "}, body=b"unknown member"))
        (first,) = await desk.publish(1)
        await all_in(desk, State.DEAD, [first])
        await all_in(desk, State.DELIVERED, await desk.publish(1, start=1))
        delivery, _ = await desk.delivery(first)
    assert delivery.reason == (
        "the endpoint does not want this webhook (webhook-delivery: abort-message): unknown member"
    )
    assert desk.disabled == []


async def test_what_an_endpoint_asks_for_beside_a_success_is_ignored() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk),
    ):
        sink.script(*[Reply(headers={"webhook-delivery": wish}) for wish in ("disable", "abort-message")])
        await all_in(desk, State.DELIVERED, await desk.publish(3))
    assert desk.disabled == []


async def test_an_endpoint_that_fails_for_days_is_disabled() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        sink.default = Reply(status=500, body=b"broken")
        for day in range(7):
            desk.clock.shift = day * DAY
            async with dispatching(desk, schedules=quick(10 * DAY), breaker={"minimum": 100}):
                names = await desk.publish(3, start=3 * day)
                await until(lambda: len(sink.received) == min(3 * (day + 1), 18))  # noqa: B023 (called at once)

                async def settled() -> bool:
                    return all([(await desk.delivery(name))[0].state is not State.SENDING for name in names])  # noqa: B023

                await until(settled)
    assert desk.disabled == [("crm", "it has failed for too long, the last time: broken")]


async def test_what_is_not_started_at_a_stop_is_given_back_at_once() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}', concurrency: 2")) as desk:
        sink.default = Reply(fault="hang")
        async with dispatching(desk, drain=0.1, batch=8):
            names = await desk.publish(4)
            await until(lambda: len(sink.received) == 2)
        states = [(await desk.delivery(name))[0] for name in names]
    assert {each.state for each in states} <= {State.WAITING, State.HELD}
    assert sum(each.reason == "given back at a stop" for each in states) >= 2


async def test_a_send_that_outlasts_its_lease_keeps_it() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        sink.default = Reply(fault="hold")
        async with dispatching(desk, lease=0.6):
            names = await desk.publish(1)
            await until(lambda: len(sink.received) == 1)
            await asyncio.sleep(1.5)  # two leases and a half
            assert len(await desk.store.lease(now=desk.clock(), until=desk.clock() + 1000, limit=10)) == 0
            sink.release.set()
            await all_in(desk, State.DELIVERED, names)
    assert len(sink.received) == 1


async def test_a_worker_that_lost_its_lease_does_not_settle() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        sink.default = Reply(fault="hold")
        async with dispatching(desk, lease=1):
            (name,) = await desk.publish(1)
            await until(lambda: len(sink.received) == 1)
            far = desk.clock() + DAY
            (taken,) = await desk.store.lease(now=far, until=far + 1000, limit=1)
            sink.release.set()
            await asyncio.sleep(0.3)
            delivery, attempts = await desk.delivery(name)
    assert (taken.delivery.id, delivery.state, attempts) == (name, State.SENDING, ())


async def test_what_has_expired_is_not_sent() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        (name,) = await desk.publish(1, expires="2026-01-31")
        desk.clock.shift = 366 * DAY
        async with dispatching(desk):
            await all_in(desk, State.EXPIRED, [name])
        delivery, attempts = await desk.delivery(name)
    assert (sink.received, attempts, delivery.reason) == ([], (), "its time had passed before it could be sent")


async def test_what_would_expire_while_its_endpoint_is_busy_ends_at_once() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', rate: 1/d")) as desk,
        dispatching(desk),
    ):
        names = await desk.publish(3, expires="tomorrow")
        await all_in(desk, State.EXPIRED, names[2:])
        delivery, _ = await desk.delivery(names[2])
    assert delivery.reason == "its time passes while it waits: the rate limit of endpoint crm"


class Stubborn:
    """A webhook channel with a mistake in it: every second send raises."""

    def __init__(self) -> None:
        self.calls = 0

    async def send(self, call: WebhookCall, *, now: int) -> Outcome:
        self.calls += 1
        if self.calls % 2:
            raise RuntimeError("a mistake")
        return Accepted()


async def test_a_mistake_of_ours_loses_no_delivery() -> None:
    channel = Stubborn()
    async with (
        open_desk(rulebook("name: crm, url: 'http://127.0.0.1:1/', concurrency: 1")) as desk,
        dispatching(desk, channel=channel, schedules=quick(10)),
    ):
        (name,) = await desk.publish(1)
        await all_in(desk, State.DELIVERED, [name])
        _, attempts = await desk.delivery(name)
    assert [each.detail for each in attempts] == ["internal error: RuntimeError", ""]


async def test_a_mistake_of_ours_between_deliveries_does_not_end_dispatch() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        names = await desk.publish(2)
        desk.clock.faults = 1
        async with dispatching(desk):
            await all_in(desk, State.DELIVERED, names)
    assert desk.clock.faults == 0
