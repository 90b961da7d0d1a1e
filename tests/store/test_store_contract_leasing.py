"""What every store must do when deliveries are leased, renewed and settled."""

import asyncio
import time
from pathlib import Path

import pytest

from store_kit import (
    LASTING,
    STORES,
    T0,
    lease_one,
    make_attempt,
    make_event,
    make_publication,
    make_publications,
    settlement,
    waiting,
)
from tidings.model import ENDED, MOVES, Cause, State
from tidings.store import Backlog, CallOff, Leased, Publication, Store

SETTLING = [(cause, to) for (state, cause), to in MOVES.items() if state is State.SENDING and cause is not Cause.LEASED]


async def test_a_due_delivery_is_handed_out_with_its_event(store: Store) -> None:
    publication = make_publication(make_event(content=b"\x00\xff"))
    await store.record([publication])

    leased = await store.lease(now=T0, until=T0 + 60_000, limit=10)

    sending = waiting(publication)._replace(state=State.SENDING)
    assert leased == [Leased(delivery=sending, fence=1, event=b"\x00\xff")]
    assert await store.get_delivery(sending.id) == (sending, ())


async def test_a_traces_context_goes_with_its_event(store: Store) -> None:
    traced = make_event()._replace(trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    await store.record([make_publication(traced), make_publication(make_event("e-2", received_at=T0 + 1))])

    leased = await store.lease(now=T0 + 1, until=T0 + 60_000, limit=10)

    assert [each.trace for each in leased] == [traced.trace, ""]
    assert await store.get_event(traced.org_id, traced.event_id) == traced


async def test_what_is_not_due_stays(store: Store) -> None:
    await store.record([make_publication(due_at=T0 + 100)])

    assert await store.lease(now=T0 + 99, until=T0 + 60_000, limit=10) == []
    assert len(await store.lease(now=T0 + 100, until=T0 + 60_000, limit=10)) == 1


async def test_the_oldest_due_goes_first_and_the_limit_holds(store: Store) -> None:
    due = [300, 100, 200, 400]
    await store.record([make_publication(make_event(f"e-{each}"), due_at=T0 + each) for each in due])

    first = await store.lease(now=T0 + 1_000, until=T0 + 60_000, limit=3)
    second = await store.lease(now=T0 + 1_000, until=T0 + 60_000, limit=3)

    assert [[each.delivery.due_at - T0 for each in leased] for leased in (first, second)] == [[100, 200, 300], [400]]


async def test_a_leased_delivery_is_nobody_elses_until_its_lease_lapses(store: Store) -> None:
    await store.record([make_publication()])
    first = await lease_one(store, until=T0 + 500)

    assert await store.lease(now=T0 + 500, until=T0 + 900, limit=1) == []
    assert await store.next_due() == T0 + 501
    second = await lease_one(store, now=T0 + 501, until=T0 + 900)

    assert second == first._replace(fence=2)


async def test_workers_that_lease_at_the_same_time_share_no_delivery(store: Store) -> None:
    await store.record(make_publications(100))

    hands = await asyncio.gather(*(store.lease(now=T0 + 100, until=T0 + 900, limit=10) for _ in range(12)))

    taken = [each.delivery.id for hand in hands for each in hand]
    assert len(taken) == len(set(taken)) == 100


@pytest.mark.parametrize(("cause", "to"), SETTLING, ids=str)
async def test_a_settlement_moves_by_the_table(store: Store, cause: Cause, to: State) -> None:
    publication = make_publication()
    await store.record([publication])
    leased = await lease_one(store)
    due_at = None if to in ENDED else T0 + 5_000

    assert await store.settle([settlement(leased, cause, due_at=due_at, reason="so it is")]) == [True]

    expected = waiting(publication)._replace(
        state=to,
        reason="so it is",
        due_at=T0 if due_at is None else due_at,
        attempts=1,
        settled_at=T0 + 1_000 if to in ENDED else None,
    )
    assert await store.get_delivery(expected.id) == (expected, (make_attempt(cause, number=1),))
    assert await store.next_due() == due_at


@pytest.mark.parametrize("kind", LASTING)
async def test_a_settlement_counts_in_whichever_process_it_is_made(kind: str, tmp_path: Path) -> None:
    """What one store remembers of its leases is a shortcut, not what decides."""
    async with STORES[kind](tmp_path) as one, STORES[kind](tmp_path) as other:
        await one.record(make_publications(3))
        first, second, third = await one.lease(now=T0 + 10, until=T0 + 60_000, limit=3)
        mixed = [settlement(each, Cause.ACCEPTED) for each in (second, third)]

        assert await other.settle([settlement(first, Cause.ACCEPTED)]) == [True]
        assert await one.settle([settlement(first, Cause.ACCEPTED), mixed[0]]) == [False, True]
        assert await other.renew([(third.delivery.id, third.fence)], until=T0 + 90_000) == [True]
        assert await one.settle([mixed[0], mixed[1]]) == [False, True]


@pytest.mark.parametrize("cause", [Cause.LEASED, Cause.CANCELLED, Cause.REQUEUED])
async def test_a_cause_without_a_move_from_sending_is_refused(store: Store, cause: Cause) -> None:
    await store.record([make_publication()])
    leased = await lease_one(store)

    with pytest.raises(ValueError, match=cause):
        await store.settle([settlement(leased, cause, due_at=T0)])


@pytest.mark.parametrize("cause", [Cause.DEFERRED, Cause.HELD, Cause.RELEASED])
async def test_a_delivery_that_waits_again_needs_a_due_time(store: Store, cause: Cause) -> None:
    await store.record([make_publication()])
    leased = await lease_one(store)

    with pytest.raises(ValueError, match="due_at"):
        await store.settle([settlement(leased, cause)])


async def test_attempts_are_numbered_and_kept_in_order(store: Store) -> None:
    await store.record([make_publication()])
    causes = [Cause.DEFERRED, Cause.DEFERRED, Cause.ACCEPTED]
    for cause in causes:
        leased = await lease_one(store)
        await store.settle([settlement(leased, cause, due_at=None if cause is Cause.ACCEPTED else T0)])

    found = await store.get_delivery(leased.delivery.id)

    assert found is not None
    assert found[0].attempts == 3
    assert found[1] == tuple(make_attempt(cause, number=number) for number, cause in enumerate(causes, 1))


async def test_a_delivery_given_back_untried_counts_no_attempt(store: Store) -> None:
    publication = make_publication()
    await store.record([publication])
    leased = await lease_one(store)

    await store.settle([settlement(leased, Cause.RELEASED, due_at=T0 + 7, tried=False)])

    assert await store.get_delivery(leased.delivery.id) == (waiting(publication)._replace(due_at=T0 + 7), ())
    assert (await lease_one(store)).fence == 2


async def test_a_worker_whose_delivery_another_took_settles_nothing(store: Store) -> None:
    await store.record([make_publication()])
    late = await lease_one(store, until=T0 + 100)
    taken = await lease_one(store, now=T0 + 200, until=T0 + 900)

    assert await store.settle([settlement(late, Cause.ACCEPTED)]) == [False]
    assert await store.get_delivery(taken.delivery.id) == (taken.delivery, ())
    assert await store.settle([settlement(taken, Cause.REFUSED)]) == [True]


async def test_a_lapsed_lease_that_nobody_took_still_settles(store: Store) -> None:
    await store.record([make_publication()])
    late = await lease_one(store, until=T0 + 100)

    assert await store.settle([settlement(late, Cause.ACCEPTED)]) == [True]


async def test_of_two_settlements_of_one_lease_the_first_counts(store: Store) -> None:
    await store.record([make_publication()])
    leased = await lease_one(store)

    assert await store.settle([settlement(leased, Cause.ACCEPTED), settlement(leased, Cause.REFUSED)]) == [True, False]
    assert await store.settle([settlement(leased, Cause.ACCEPTED)]) == [False]

    found = await store.get_delivery(leased.delivery.id)
    assert found is not None
    assert (found[0].state, found[0].attempts, len(found[1])) == (State.DELIVERED, 1, 1)


@pytest.mark.parametrize("kind", LASTING)
async def test_what_changed_hands_in_a_batch_harms_none_of_the_others(kind: str, tmp_path: Path) -> None:
    """One lease lapsed and another process took it, one delivery was called off meanwhile, one is deferred."""
    async with STORES[kind](tmp_path) as one, STORES[kind](tmp_path) as other:
        made = make_publications(6)
        revocable = made[5].deliveries[0]._replace(revocable=True)
        await one.record([*made[:5], made[5]._replace(deliveries=(revocable,))])
        lapsing = await lease_one(one, now=T0 + 10, until=T0 + 100)
        ours = await one.lease(now=T0 + 20, until=T0 + 60_000, limit=9)
        taken = await lease_one(other, now=T0 + 200, until=T0 + 60_000)
        off = CallOff(rule_id=revocable.rule_id, customer_id=str(revocable.customer_id), reason="off")
        await other.record([Publication(event=make_event("r-1", received_at=T0 + 50), deliveries=(), call_offs=(off,))])
        last = settlement(ours[3], Cause.DEFERRED, due_at=T0 + 5_000)
        batch = [settlement(each, Cause.ACCEPTED) for each in (ours[0], lapsing, *ours[1:3], ours[4])]

        assert taken.delivery.id == lapsing.delivery.id
        assert await one.settle([*batch, last]) == [True, False, True, True, True, True]

        found = {each.delivery.id: await one.get_delivery(each.delivery.id) for each in (lapsing, *ours)}
        states = {name: (each[0].state, len(each[1])) for name, each in found.items() if each is not None}
        assert states == {
            lapsing.delivery.id: (State.SENDING, 0),
            ours[3].delivery.id: (State.WAITING, 1),
            **{each.delivery.id: (State.DELIVERED, 1) for each in (*ours[:3], ours[4])},
        }
        assert await other.settle([settlement(taken, Cause.ACCEPTED)]) == [True]


async def test_more_are_settled_together_than_one_statement_takes(store: Store) -> None:
    await store.record(make_publications(1_100))
    leased = await store.lease(now=T0 + 10_000, until=T0 + 60_000, limit=1_100)

    assert await store.settle([settlement(each, Cause.ACCEPTED) for each in leased]) == [True] * 1_100
    assert await store.settle([settlement(each, Cause.ACCEPTED) for each in leased]) == [False] * 1_100
    assert await store.next_due() is None


async def test_a_settlement_of_an_unknown_delivery_is_void(store: Store) -> None:
    await store.record([make_publication()])
    leased = await lease_one(store)
    unknown = leased._replace(delivery=leased.delivery._replace(id="dlv_unknown"))

    assert await store.settle([settlement(unknown, Cause.ACCEPTED), settlement(leased, Cause.ACCEPTED)]) == [
        False,
        True,
    ]


async def test_settling_and_renewing_nothing_is_fine(store: Store) -> None:
    assert await store.settle([]) == []
    assert await store.renew([], until=T0) == []


async def test_a_renewed_lease_lasts_longer(store: Store) -> None:
    await store.record([make_publication()])
    leased = await lease_one(store, until=T0 + 100)

    assert await store.renew([(leased.delivery.id, leased.fence)], until=T0 + 500) == [True]

    assert await store.lease(now=T0 + 500, until=T0 + 900, limit=1) == []
    assert await store.settle([settlement(leased, Cause.ACCEPTED)]) == [True]


async def test_only_the_holder_renews(store: Store) -> None:
    await store.record(make_publications(2))
    late, ended = await store.lease(now=T0 + 10, until=T0 + 100, limit=2)
    await store.settle([settlement(ended, Cause.ACCEPTED)])
    taken = await lease_one(store, now=T0 + 200, until=T0 + 900)

    leases = [(each.delivery.id, each.fence) for each in (late, ended, taken)]

    assert await store.renew([*leases, ("dlv_unknown", 1)], until=T0 + 5_000) == [False, False, True, False]
    assert await store.next_due() == T0 + 5_001


async def test_next_due_is_the_earliest_of_waiting_held_and_lapsing(store: Store) -> None:
    assert await store.next_due() is None
    await store.record([make_publication(make_event(f"e-{due}"), due_at=T0 + due) for due in (10, 700, 900)])
    assert await store.next_due() == T0 + 10
    leased = await lease_one(store, until=T0 + 800)
    assert await store.next_due() == T0 + 700
    held = await lease_one(store, now=T0 + 700, until=T0 + 5_000)
    await store.settle([settlement(held, Cause.HELD, due_at=T0 + 850, tried=False)])
    assert await store.next_due() == T0 + 801
    await store.settle([settlement(leased, Cause.ACCEPTED)])
    assert await store.next_due() == T0 + 850


async def test_the_backlog_counts_what_has_not_ended(store: Store) -> None:
    nothing = {State.WAITING: 0, State.HELD: 0, State.SENDING: 0}
    assert await store.backlog() == Backlog(counts=nothing, oldest_due_at=None)
    await store.record(make_publications(6))
    accepted, held, _ = await store.lease(now=T0 + 100, until=T0 + 900, limit=3)
    await store.settle(
        [
            settlement(accepted, Cause.ACCEPTED),
            settlement(held, Cause.HELD, due_at=T0 + 50_000, tried=False),
        ]
    )

    counts = {State.WAITING: 3, State.HELD: 1, State.SENDING: 1}
    assert await store.backlog() == Backlog(counts=counts, oldest_due_at=T0 + 3)


async def test_waiting_for_work_ends_when_deliveries_are_recorded(store: Store) -> None:
    waiter = asyncio.create_task(store.wait_for_work(timeout=30))
    await store.record([make_publication()])

    async with asyncio.timeout(10):
        await waiter


async def test_work_that_came_before_the_wait_is_not_missed(store: Store) -> None:
    await store.record([make_publication()])

    async with asyncio.timeout(10):
        await store.wait_for_work(timeout=30)


async def test_work_is_announced_although_its_publisher_has_gone(store: Store) -> None:
    """One that goes before its transaction begins has recorded nothing; so they stay longer and longer."""
    for number in range(200):
        publishing = asyncio.create_task(store.record([make_publication(make_event(f"e-{number}"))]))
        for _ in range(3):  # let it reach the store's queue
            await asyncio.sleep(0)
        stand_still(number / 1000)
        publishing.cancel()
        await asyncio.wait({publishing})
        await store.check()  # comes after it
        if await store.get_event(50750, f"e-{number}") is not None:
            break

    assert publishing.cancelled()
    async with asyncio.timeout(10):
        await store.wait_for_work(timeout=30)
    assert len(await store.lease(now=T0, until=T0 + 900, limit=1)) == 1


def stand_still(seconds: float) -> None:
    """Keep the event loop from turning while a store's threads go on."""
    time.sleep(seconds)


async def test_a_delivery_put_back_to_wait_is_work(store: Store) -> None:
    await store.record([make_publication()])
    await store.wait_for_work(timeout=30)
    leased = await lease_one(store)
    await store.settle([settlement(leased, Cause.DEFERRED, due_at=T0 + 20)])

    async with asyncio.timeout(10):
        await store.wait_for_work(timeout=30)


async def test_without_work_the_wait_ends_at_its_timeout(store: Store) -> None:
    await store.record([make_publication(deliveries=0)])
    started = asyncio.get_running_loop().time()

    await store.wait_for_work(timeout=0.05)

    assert asyncio.get_running_loop().time() - started >= 0.05
