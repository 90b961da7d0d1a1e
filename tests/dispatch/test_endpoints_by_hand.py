"""How endpoints do, as those who look after them are told; and putting one back into use."""

import pytest

from channels_kit import SECRET
from dispatch_kit import ORG, Desk, all_in, dispatching, open_desk, quick, rulebook, until
from sink_kit import Reply, http_sink
from tidings.dispatch import Dispatcher, EndpointsByHand, Pause, Standing
from tidings.errors import NotFound
from tidings.model import State

HOUR = 3_600_000


def by_hand(desk: Desk, dispatcher: Dispatcher) -> EndpointsByHand:
    return EndpointsByHand(dispatcher.endpoints, rulebooks=desk.rulebooks, store=desk.store, clock=desk.clock)


async def standing(desk: Desk, dispatcher: Dispatcher) -> Standing:
    (found,) = await by_hand(desk, dispatcher).list(ORG, limit=10)
    return found


async def test_a_disabled_endpoint_is_listed_and_enabled() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk) as dispatcher,
    ):
        assert (await standing(desk, dispatcher)).disabled_at is None
        sink.script(Reply(status=410))
        await all_in(desk, State.DEAD, await desk.publish(1))
        await until(lambda: bool(desk.disabled))
        suppressed = await desk.publish(1, start=1)
        await all_in(desk, State.SUPPRESSED, suppressed)
        found = await standing(desk, dispatcher)
        assert (found.reason, found.disabled_at is None) == ("it answered 410 Gone", False)
        enabled = await by_hand(desk, dispatcher).enable(ORG, "crm")
        assert (enabled.hastened, enabled.standing) == (0, Standing(endpoint=found.endpoint))
        assert await desk.store.endpoint_states() == []
        await all_in(desk, State.DELIVERED, await desk.publish(1, start=2))


async def test_what_waits_for_an_endpoint_goes_out_once_it_is_enabled() -> None:
    """Some wait for another attempt, others are held by the breaker; one more attempt finds the endpoint gone."""
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', concurrency: 1")) as desk,
        dispatching(desk, schedules=quick(HOUR), breaker={"minimum": 3, "open": 1_000, "longest": 2_000}) as dispatcher,
    ):
        sink.default = Reply(status=503)
        names = await desk.publish(8)
        await until(lambda: len(sink.received) == 3)

        async def settled() -> bool:
            states = await desk.states()
            return states[State.WAITING] == 3 and states[State.HELD] == 5

        await until(settled)
        found = await standing(desk, dispatcher)
        assert found.failing_since is not None
        assert isinstance(found.pause, Pause)
        assert (found.pause.kind, found.pause.until > desk.clock() + 900_000) == ("breaker", True)
        sink.default = Reply()
        enabled = await by_hand(desk, dispatcher).enable(ORG, "crm")
        assert (enabled.hastened, enabled.standing) == (8, Standing(endpoint=found.endpoint))
        await all_in(desk, State.DELIVERED, names)
        assert desk.value("tidings_endpoint_breaker", org=str(ORG), endpoint="crm") == 0


async def test_an_endpoint_that_asked_for_a_pause_is_listed_so() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk) as dispatcher,
    ):
        sink.script(Reply(status=429, headers={"retry-after": "200"}))
        await desk.publish(1)

        async def paused() -> bool:
            return (await standing(desk, dispatcher)).pause is not None

        await until(paused)
        pause = (await standing(desk, dispatcher)).pause
    assert pause is not None
    assert (pause.kind, pause.reason) == ("asked", "endpoint crm asked for a pause")


async def test_one_at_a_rate_keeps_to_it_when_it_is_enabled_again_and_again() -> None:
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}', rate: 1/h")) as desk,
        dispatching(desk) as dispatcher,
    ):
        await desk.publish(20)
        await until(lambda: len(sink.received) == 1)

        async def held() -> bool:
            due = await desk.store.next_due()
            return due is not None and due > desk.clock() + 60_000 and (await desk.states())[State.HELD] == 19

        for _ in range(3):
            await until(held)
            assert (await by_hand(desk, dispatcher).enable(ORG, "crm")).hastened == 19
    assert len(sink.received) == 1


async def test_a_list_knows_the_rulebook_that_went_live_just_now() -> None:
    async with open_desk(rulebook("name: crm, url: 'http://127.0.0.1:1/'")) as desk, dispatching(desk) as dispatcher:
        desk.rulebooks.replace(rulebook("name: b, url: 'http://127.0.0.1:1/'", "name: a, url: 'http://127.0.0.1:2/'"))
        hands = by_hand(desk, dispatcher)
        assert [each.endpoint.name for each in await hands.list(limit=10)] == ["a", "b"]
        assert await hands.list(1, limit=10) == ()


@pytest.mark.parametrize(("org", "name"), [(ORG, "lake"), (1, "crm")])
async def test_an_endpoint_that_the_rulebook_does_not_have_is_not_enabled(org: int, name: str) -> None:
    async with open_desk(rulebook("name: crm, url: 'http://127.0.0.1:1/'")) as desk, dispatching(desk) as dispatcher:
        with pytest.raises(NotFound, match=f"no endpoint '{org}/{name}'"):
            await by_hand(desk, dispatcher).enable(org, name)
