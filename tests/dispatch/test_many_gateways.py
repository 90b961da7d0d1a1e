"""Three gateways that send from one store keep to limits together, whoever comes, goes or dies meanwhile."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from channels_kit import SECRET
from dispatch_kit import all_in, quick, rulebook, until
from gateways_kit import KINDS, Gateways, open_gateways
from sink_kit import HttpSink, Reply, http_sink
from tidings.dispatch import EndpointsByHand
from tidings.model import State


@pytest.fixture(params=KINDS)
async def gateways(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateways]:
    async with open_gateways(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(SECRET) as server:
        yield server


@pytest.mark.long
@pytest.mark.parametrize("limit", [1, 3])
async def test_together_they_keep_to_a_concurrency_while_they_come_and_go(
    gateways: Gateways, sink: HttpSink, limit: int
) -> None:
    sink.default = Reply(delay=0.02)
    rules = rulebook(f"name: crm, url: '{sink.url}', concurrency: {limit}")
    first = await gateways.open(rules, batch=8)
    names = await first.desk.publish(30)
    second, third = await gateways.open(rules, batch=8), await gateways.open(rules, batch=8)
    await until(lambda: all(each.dispatcher.endpoints.shared for each in (first, second, third)))
    names += await second.desk.publish(30, start=30)
    await until(lambda: len(sink.received) >= 30)
    await third.stop()
    names += await first.desk.publish(15, start=60)
    await all_in(second.desk, State.DELIVERED, names)
    assert sink.most_at_once == limit
    assert len(sink.received) == len(names)


@pytest.mark.long
async def test_together_they_keep_to_a_rate(gateways: Gateways, sink: HttpSink) -> None:
    rules = rulebook(f"name: crm, url: '{sink.url}', rate: 20/s", f"name: slow, url: '{sink.url}', rate: 1/h")
    first = await gateways.open(rules, batch=4)
    names = await first.desk.publish(12)
    all_three = [first, await gateways.open(rules, batch=4), await gateways.open(rules, batch=4)]
    names += await first.desk.publish(38, start=12)
    crm = [name for name in names if (await first.desk.delivery(name))[0].recipient.name == "crm"]
    await until(lambda: len(sink.received) > 20)
    await all_three[0].stop()
    await all_in(all_three[1].desk, State.DELIVERED, crm)

    found = [await all_three[1].desk.delivery(name) for name in names]
    sent = sorted(tries[0].started_at for delivery, tries in found if delivery.recipient.name == "crm")
    assert all(later - earlier >= 1_000 for earlier, later in zip(sent, sent[20:], strict=False))
    assert sum(bool(tries) for delivery, tries in found if delivery.recipient.name == "slow") == 1
    accepted = {"channel": "webhook", "outcome": "accepted"}
    assert sum(each.desk.value("tidings_delivery_attempts_total", **accepted) > 0 for each in all_three) >= 2


@pytest.mark.long
async def test_one_that_falls_silent_sends_no_more_and_the_others_go_on_with_what_it_held(
    gateways: Gateways, sink: HttpSink
) -> None:
    rules = rulebook(f"name: crm, url: '{sink.url}', concurrency: 1")
    first = await gateways.open(rules, batch=4, lease=2)
    names = await first.desk.publish(5)
    await all_in(first.desk, State.DELIVERED, names)
    second = await gateways.open(rules, batch=4, lease=2)
    await until(lambda: second.membership.fellows.may_begin)
    sink.default = Reply(delay=0.02)
    names += await first.desk.publish(60, start=5)
    await until(lambda: len(sink.received) >= 20)
    await first.fall_silent()
    await until(lambda: not first.membership.is_sure)
    (destination,) = first.dispatcher.endpoints.destinations()
    await until(lambda: not destination.sending)

    async def delivered_by_the_other() -> bool:
        assert not destination.sending
        return (await second.desk.states())[State.DELIVERED] == len(names)

    await until(delivered_by_the_other)
    assert sink.most_at_once == 1
    await first.membership.beat()
    assert first.membership.times_dropped == 1
    more = await second.desk.publish(2, start=100)
    await all_in(second.desk, State.DELIVERED, more)


@pytest.mark.long
async def test_what_one_finds_out_of_an_endpoint_the_others_know_and_one_probes_at_a_time(
    gateways: Gateways, sink: HttpSink
) -> None:
    sink.default = Reply(status=503, delay=0.01)
    rules = rulebook(f"name: crm, url: '{sink.url}', concurrency: 6")
    settings = {"batch": 4, "breaker": {"minimum": 3, "open": 0.8, "longest": 0.8}}
    all_three = [await gateways.open(rules, schedules=quick(*[50] * 90), **settings) for _ in range(3)]
    names = await all_three[0].desk.publish(40)

    def states() -> list[float]:
        return [each.desk.value("tidings_endpoint_breaker", org="50750", endpoint="crm") for each in all_three]

    await until(lambda: all(states()) and not sink.at_once)
    tripped = len(sink.received)
    sink.most_at_once = sink.at_once
    await until(lambda: len(sink.received) >= tripped + 4)
    assert sink.most_at_once <= max(1, sink.at_once)
    probes = sink.times[tripped:]
    assert all(later - earlier > 0.7 for earlier, later in pairwise(probes))
    sink.default = Reply()
    await until(lambda: not any(states()))
    await all_in(all_three[1].desk, State.DELIVERED, names)

    sink.script(Reply(status=429, headers={"retry-after": "60"}))
    names = await all_three[0].desk.publish(1, start=100)
    await until(lambda: any(each.reply.status == 429 for each in sink.received))

    def pauses() -> list[str]:
        found = [each.dispatcher.endpoints.destinations()[0].pause(each.desk.clock()) for each in all_three]
        return [each.kind for each in found if each is not None]

    await until(lambda: pauses() == ["asked"] * 3)
    last = all_three[2]
    by_hand = EndpointsByHand(
        last.dispatcher.endpoints, rulebooks=last.desk.rulebooks, store=last.desk.store, clock=last.desk.clock
    )
    await by_hand.enable(50750, "crm")
    await until(lambda: not pauses())


async def test_an_endpoint_that_is_gone_is_disabled_by_one_of_them(gateways: Gateways, sink: HttpSink) -> None:
    sink.default = Reply(status=410, delay=0.05)
    rules = rulebook(f"name: crm, url: '{sink.url}', concurrency: 9")
    all_three = [await gateways.open(rules, batch=3) for _ in range(3)]
    await until(lambda: all(each.membership.fellows.may_begin for each in all_three))
    await all_three[0].desk.publish(9)

    async def all_ended() -> bool:
        return not set(await all_three[0].desk.states()) - {State.DEAD, State.SUPPRESSED}

    await until(all_ended)
    for each in all_three:  # what any of them has to say of it is said after this, which deliveries do not wait for
        await each.dispatcher.endpoints.save(each.desk.clock())
    assert {one for each in all_three for one in each.desk.disabled} == {("crm", "it answered 410 Gone")}
    assert len({since for each in all_three for since in each.desk.disabled_since}) == 1
    for each in all_three:
        await each.dispatcher.endpoints.follow()
    later = await all_three[0].desk.publish(3, start=20)
    await all_in(all_three[0].desk, State.SUPPRESSED, later)


async def test_a_customers_order_holds_whichever_of_them_sends(gateways: Gateways, sink: HttpSink) -> None:
    sink.script(Reply(status=503), *[Reply(delay=0.01)] * 5, Reply(status=503))
    rules = rulebook(f"name: crm, url: '{sink.url}', ordering: customer, concurrency: 9")
    all_three = [await gateways.open(rules, batch=2, schedules=quick(*[100] * 20)) for _ in range(3)]
    names = []
    for number in range(24):  # taken in by all three, for four customers
        desk = all_three[number % 3].desk
        names += await desk.publish(1, start=number, customer=number % 4 + 1)
    await all_in(all_three[0].desk, State.DELIVERED, names)
    arrived = [(call.json["data"]["customer"], call.json["data"]["event"]) for call in sink.received]
    for customer in range(1, 5):
        events = list(dict.fromkeys(event for who, event in arrived if who == customer))
        assert events == [f"e-{number}" for number in range(24) if number % 4 + 1 == customer]
    assert len(sink.received) == 26
