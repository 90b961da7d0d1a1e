"""What every store must do with deliveries that go one after the other."""

from pathlib import Path

import pytest

from store_kit import LASTING, STORES, T0, by_hand, make_event, make_publication, settlement, state_of
from tidings.model import Cause, State
from tidings.store import Backlog, DeliveryFilter, Leased, Store


async def queue(store: Store, *names: str, lane: str | None = "a", org_id: int = 1) -> list[str]:
    """Record deliveries in the order given, in a lane; return their ids."""
    publications = [make_publication(make_event(name, org_id=org_id), lane=lane) for name in names]
    await store.record(publications)
    return [each.deliveries[0].id for each in publications]


async def lease(store: Store, *, now: int = T0 + 10) -> list[Leased]:
    """Lease whatever may be handed out, in the order of the events' names."""
    leased = await store.lease(now=now, until=now + 100, limit=50)
    return sorted(leased, key=lambda each: each.delivery.event_id)


def names(leased: list[Leased]) -> list[str]:
    return [each.delivery.event_id for each in leased]


async def test_a_lane_is_handed_out_one_by_one_in_order(store: Store) -> None:
    await queue(store, "1", "2")
    await queue(store, "3")
    seen = []
    while leased := await lease(store):
        seen.append(names(leased))
        await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])

    assert seen == [["1"], ["2"], ["3"]]


async def test_lanes_do_not_wait_for_each_other(store: Store) -> None:
    await queue(store, "a1", "a2")
    await queue(store, "b1", "b2", lane="b")
    await queue(store, "c1", "c2", org_id=2)
    await queue(store, "d1", "d2", lane=None)

    first = await lease(store)
    await store.settle([settlement(each, Cause.ACCEPTED) for each in first[:2]])

    assert (names(first), names(await lease(store))) == (["a1", "b1", "c1", "d1", "d2"], ["a2", "b2"])


@pytest.mark.parametrize("cause", [Cause.ACCEPTED, Cause.REFUSED, Cause.EXHAUSTED, Cause.EXPIRED, Cause.SUPPRESSED])
async def test_however_one_ends_the_next_follows(store: Store, cause: Cause) -> None:
    await queue(store, "1", "2", "3")
    await store.settle([settlement(each, cause) for each in await lease(store)])
    await store.wait_for_work(timeout=30)

    assert await store.next_due() == T0
    assert names(await lease(store)) == ["2"]


@pytest.mark.parametrize("cause", [Cause.DEFERRED, Cause.HELD, Cause.RELEASED])
async def test_one_that_is_tried_again_keeps_the_others_waiting(store: Store, cause: Cause) -> None:
    await queue(store, "1", "2")
    await store.settle([settlement(each, cause, due_at=T0 + 500) for each in await lease(store)])

    assert await store.next_due() == T0 + 500
    assert await lease(store, now=T0 + 499) == []
    assert names(await lease(store, now=T0 + 500)) == ["1"]


async def test_what_is_parked_counts_and_is_listed_as_waiting(store: Store) -> None:
    ids = await queue(store, "1", "2", "3")
    (head,) = await lease(store)

    page = await store.list_deliveries(
        DeliveryFilter(states=frozenset({State.WAITING, State.SENDING})), page_size=10, page_token=""
    )

    assert {each.id: each.state for each in page.deliveries} == dict(
        zip(ids, [State.SENDING, State.WAITING, State.WAITING], strict=True)
    )
    counts = {State.WAITING: 2, State.HELD: 0, State.SENDING: 1}
    assert await store.backlog() == Backlog(counts=counts, oldest_due_at=None)
    await store.settle([settlement(head, Cause.ACCEPTED)])
    assert await store.backlog() == Backlog(counts=counts | {State.WAITING: 2, State.SENDING: 0}, oldest_due_at=T0)


async def test_a_lapsed_lease_keeps_its_turn(store: Store) -> None:
    await queue(store, "1", "2")
    await lease(store)

    assert names(await lease(store, now=T0 + 1_000)) == ["1"]


async def test_one_cancelled_while_parked_is_passed_over(store: Store) -> None:
    ids = await queue(store, "1", "2", "3")
    leased = await lease(store)
    assert await store.intervene(ids, by_hand(Cause.CANCELLED)) == [State.SENDING, State.CANCELLED, State.CANCELLED]
    await queue(store, "4")
    assert await lease(store) == []

    await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])

    assert names(await lease(store)) == ["4"]


async def test_cancelling_the_first_lets_the_next_go(store: Store) -> None:
    ids = await queue(store, "1", "2")

    await store.intervene(ids[:1], by_hand(Cause.CANCELLED))

    assert names(await lease(store)) == ["2"]


async def test_one_requeued_after_the_lane_has_emptied_just_runs(store: Store) -> None:
    ids = await queue(store, "1", "2")
    for _ in range(2):
        await store.settle([settlement(each, Cause.REFUSED) for each in await lease(store)])

    await store.intervene(ids[:1], by_hand(Cause.REQUEUED))

    assert names(await lease(store, now=T0 + 2_000)) == ["1"]


async def test_one_requeued_goes_before_those_after_it(store: Store) -> None:
    ids = await queue(store, "1", "2", "3")
    await store.settle([settlement(each, Cause.REFUSED) for each in await lease(store)])

    await store.intervene(ids[:1], by_hand(Cause.REQUEUED))
    seen = []
    for _ in range(3):
        leased = await lease(store, now=T0 + 2_000)
        seen.append(names(leased))
        await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])

    assert seen == [["1"], ["2"], ["3"]]


async def test_one_requeued_waits_for_those_before_it(store: Store) -> None:
    ids = await queue(store, "1", "2")
    await store.intervene(ids[1:], by_hand(Cause.CANCELLED))
    leased = await lease(store)

    await store.intervene(ids[1:], by_hand(Cause.REQUEUED))

    assert await lease(store, now=T0 + 50) == []
    await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])
    assert names(await lease(store, now=T0 + 2_000)) == ["2"]


async def test_one_in_a_workers_hands_goes_on_when_an_earlier_one_is_requeued(store: Store) -> None:
    ids = await queue(store, "1", "2")
    await store.settle([settlement(each, Cause.REFUSED) for each in await lease(store)])
    (second,) = await lease(store)
    await store.intervene(ids[:1], by_hand(Cause.REQUEUED, now=T0 + 20))

    assert await store.settle([settlement(second, Cause.DEFERRED, due_at=T0 + 30)]) == [True]

    assert names(await lease(store, now=T0 + 40)) == ["1"]


async def test_a_lane_may_have_any_name(store: Store) -> None:
    odd = "crm:c\0\"'\N{PARTY POPPER}"
    await queue(store, "1", "2", lane=odd)

    assert names(await lease(store)) == ["1"]
    assert await lease(store) == []


@pytest.mark.parametrize("kind", LASTING)
async def test_order_outlasts_a_restart(kind: str, tmp_path: Path) -> None:
    async with STORES[kind](tmp_path) as store:
        ids = await queue(store, "1", "2", "3")
        await lease(store)
    seen = []
    async with STORES[kind](tmp_path) as store:
        while leased := await lease(store, now=T0 + 1_000):
            seen.append(names(leased))
            await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])

        assert seen == [["1"], ["2"], ["3"]]
        assert [await state_of(store, each) for each in ids] == [State.DELIVERED] * 3
