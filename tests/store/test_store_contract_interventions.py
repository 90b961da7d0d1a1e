"""What every store must do when somebody lays hands on deliveries, follows them, or notes an endpoint's health."""

import asyncio
from dataclasses import replace

import pytest

from store_kit import (
    T0,
    by_hand,
    lease_one,
    make_attempt,
    make_event,
    make_publication,
    make_publications,
    settlement,
    state_of,
    waiting,
)
from tidings.model import MOVES, Cause, Recipient, RecipientKind, State
from tidings.store import DeliveryChange, DeliveryFilter, EndpointState, Leased, Retention, Store

CUSTOMER = Recipient(kind=RecipientKind.CUSTOMER, name="c-7")
"""Whom the deliveries of these tests go to."""

REACHED = {
    State.WAITING: None,
    State.HELD: Cause.HELD,
    State.DELIVERED: Cause.ACCEPTED,
    State.DEAD: Cause.REFUSED,
    State.EXPIRED: Cause.EXPIRED,
    State.SUPPRESSED: Cause.SUPPRESSED,
}
"""By state, the settlement that leads there."""


async def bring_to(store: Store, state: State, name: str = "e-1", org_id: int = 1) -> str:
    """Record a delivery and bring it to a state; return its id."""
    publication = make_publication(make_event(name, org_id=org_id))
    await store.record([publication])
    delivery = publication.deliveries[0].id
    if state is State.CANCELLED:
        await store.intervene([delivery], by_hand(Cause.CANCELLED))
    elif state is not State.WAITING:
        leased = await lease_one(store)
        if state is not State.SENDING:
            cause = REACHED[state]
            assert cause is not None
            await store.settle([settlement(leased, cause, due_at=T0 + 9_000)])
    return delivery


@pytest.mark.parametrize("cause", [Cause.REQUEUED, Cause.CANCELLED])
@pytest.mark.parametrize("state", State)
async def test_an_intervention_moves_by_the_table(store: Store, state: State, cause: Cause) -> None:
    delivery = await bring_to(store, state)
    expected = MOVES.get((state, cause), state)

    assert await store.intervene([delivery, "dlv_unknown"], by_hand(cause)) == [expected, None]

    assert await state_of(store, delivery) is expected


@pytest.mark.parametrize("cause", [each for each in Cause if each not in (Cause.REQUEUED, Cause.CANCELLED)])
async def test_another_cause_is_no_intervention(store: Store, cause: Cause) -> None:
    with pytest.raises(ValueError, match="is no intervention"):
        await store.intervene([], by_hand(cause))
    with pytest.raises(ValueError, match="is no intervention"):
        await store.intervene_all(DeliveryFilter(), by_hand(cause), limit=1)


async def test_a_requeued_delivery_has_a_fresh_round_and_keeps_its_history(store: Store) -> None:
    publication = make_publication()
    await store.record([publication])
    for cause in (Cause.DEFERRED, Cause.EXHAUSTED):
        await store.settle([settlement(await lease_one(store), cause, due_at=T0)])

    await store.intervene([publication.deliveries[0].id], by_hand(Cause.REQUEUED, now=T0 + 70))
    await store.wait_for_work(timeout=30)
    assert await store.next_due() == T0 + 70
    again = await lease_one(store, now=T0 + 70)
    await store.settle([settlement(again, Cause.ACCEPTED)])

    fresh = waiting(publication)._replace(state=State.SENDING, reason="by hand", due_at=T0 + 70)
    assert again == Leased(delivery=fresh, fence=3, event=b"content")
    causes = [Cause.DEFERRED, Cause.EXHAUSTED, Cause.ACCEPTED]
    assert await store.get_delivery(fresh.id) == (
        fresh._replace(state=State.DELIVERED, reason="", attempts=1, settled_at=T0 + 1_000),
        tuple(make_attempt(cause, number=number) for number, cause in enumerate(causes, 1)),
    )


async def test_a_cancelled_delivery_has_ended(store: Store) -> None:
    publication = make_publication()
    await store.record([publication])

    await store.intervene([publication.deliveries[0].id], by_hand(Cause.CANCELLED, now=T0 + 7))

    expected = waiting(publication)._replace(state=State.CANCELLED, reason="by hand", settled_at=T0 + 7)
    assert await store.get_delivery(expected.id) == (expected, ())
    assert await store.next_due() is None
    assert await store.lease(now=T0 + 90, until=T0 + 900, limit=1) == []


async def test_a_worker_that_comes_late_does_not_undo_an_intervention(store: Store) -> None:
    delivery = await bring_to(store, State.SENDING)
    late = await lease_one(store, now=T0 + 90_000, until=T0 + 90_001)
    taken = await lease_one(store, now=T0 + 99_000, until=T0 + 99_001)
    await store.settle([settlement(taken, Cause.REFUSED)])
    await store.intervene([delivery], by_hand(Cause.REQUEUED))

    assert await store.settle([settlement(late, Cause.ACCEPTED), settlement(taken, Cause.ACCEPTED)]) == [False, False]

    assert await state_of(store, delivery) is State.WAITING


async def test_of_a_delivery_named_twice_both_answers_are_the_same(store: Store) -> None:
    delivery = await bring_to(store, State.DEAD)

    assert await store.intervene([delivery, delivery], by_hand(Cause.REQUEUED)) == [State.WAITING] * 2


async def in_every_state(store: Store) -> dict[str, State]:
    """Bring deliveries of two organisations to every state."""
    return {
        await bring_to(store, state, f"e-{state}", org_id): state
        for state in sorted(State, key=lambda each: each is State.WAITING)
        for org_id in (1, 2)
    }


WANTED = [
    DeliveryFilter(),
    DeliveryFilter(org_id=2),
    DeliveryFilter(event_id="e-dead"),
    DeliveryFilter(event_id="e-waiting", org_id=1),
    DeliveryFilter(states=frozenset({State.DEAD, State.DELIVERED, State.HELD})),
    DeliveryFilter(states=frozenset({State.DELIVERED, State.SENDING})),
    DeliveryFilter(rule_id="another"),
    DeliveryFilter(created_before=T0),
    DeliveryFilter(created_from=T0, created_before=T0 + 1, rule_id="rule-0"),
]


@pytest.mark.parametrize("cause", [Cause.REQUEUED, Cause.CANCELLED])
@pytest.mark.parametrize("wanted", WANTED)
async def test_all_that_a_filter_means_are_moved_in_batches(store: Store, wanted: DeliveryFilter, cause: Cause) -> None:
    before = await in_every_state(store)
    page = await store.list_deliveries(wanted, page_size=100, page_token="")
    meant = {each.id for each in page.deliveries if (each.state, cause) in MOVES}
    moved = []
    while count := await store.intervene_all(wanted, by_hand(cause), limit=3):
        moved.append(count)

    after = {each: await state_of(store, each) for each in before}

    assert sum(moved) == len(meant)
    assert moved[:-1] == [3] * (len(moved) - 1)
    assert after == {name: MOVES[state, cause] if name in meant else state for name, state in before.items()}


async def test_what_has_lost_its_event_cannot_be_requeued(store: Store) -> None:
    delivery = await bring_to(store, State.DEAD)
    await store.purge(Retention(events_before=T0 + 1, deliveries_before=T0), limit=10)

    assert await store.intervene([delivery], by_hand(Cause.REQUEUED)) == [State.DEAD]
    assert await store.intervene_all(DeliveryFilter(), by_hand(Cause.REQUEUED), limit=10) == 0


async def test_a_reader_follows_every_move(store: Store) -> None:
    publication = make_publication(make_event(org_id=1))
    await store.record([publication])
    delivery = publication.deliveries[0].id
    async with store.changes() as changes, asyncio.timeout(10):
        leased = await lease_one(store)
        await store.settle([settlement(leased, Cause.REFUSED, reason="no such address")])
        await store.intervene([delivery], by_hand(Cause.REQUEUED, now=T0 + 7))
        await store.intervene_all(DeliveryFilter(), by_hand(Cause.CANCELLED, now=T0 + 9), limit=5)
        seen = [await anext(changes) for _ in range(4)]

    expected = [
        (State.SENDING, "", T0 + 10),
        (State.DEAD, "no such address", T0 + 1_000),
        (State.WAITING, "by hand", T0 + 7),
        (State.CANCELLED, "by hand", T0 + 9),
    ]
    assert seen == [
        DeliveryChange(delivery_id=delivery, org_id=1, state=state, reason=reason, at=at)
        for state, reason, at in expected
    ]


async def test_every_reader_has_a_feed_of_its_own(store: Store) -> None:
    await store.record([make_publication()])
    async with store.changes() as first, store.changes() as second, asyncio.timeout(10):
        leased = await lease_one(store)
        states = [(await anext(each)).state for each in (first, second)]
        waiting_reader = asyncio.ensure_future(anext(first))
        await asyncio.sleep(0)
        await store.settle([settlement(leased, Cause.ACCEPTED)])

        assert (states, (await waiting_reader).state) == ([State.SENDING] * 2, State.DELIVERED)


async def test_a_slow_reader_misses_the_oldest(store: Store) -> None:
    async with store.changes() as changes, asyncio.timeout(60):
        await store.record(make_publications(50, deliveries=100))
        newest = (await store.lease(now=T0 + 100, until=T0 + 900, limit=4_999))[-1]
        last = await lease_one(store, now=T0 + 100)
        seen = [await anext(changes)]
        while seen[-1].delivery_id != last.delivery.id:
            seen.append(await anext(changes))

    assert len(seen) < 4_999
    assert seen[-2].delivery_id == newest.delivery.id


async def due_of(store: Store, delivery_id: str) -> int:
    found = await store.get_delivery(delivery_id)
    assert found is not None
    return found[0].due_at


async def test_what_waits_for_a_recipient_is_hastened(store: Store) -> None:
    held = await bring_to(store, State.HELD, "held")
    other = await bring_to(store, State.HELD, "other", org_id=2)
    waits = make_publication(make_event("waits", org_id=1))
    later = make_publication(make_event("later", org_id=1), due_at=T0 + 9_000)
    await store.record([waits])
    await store.settle([settlement(await lease_one(store), Cause.DEFERRED, due_at=T0 + 8_000)])
    await store.record([later])
    dead = await bring_to(store, State.DEAD, "dead")

    assert await store.hasten(1, CUSTOMER, now=T0 + 70) == 2

    names = (held, waits.deliveries[0].id, later.deliveries[0].id, other)
    assert [await due_of(store, name) for name in names] == [T0 + 70, T0 + 70, T0 + 9_000, T0 + 9_000]
    assert [await state_of(store, name) for name in (*names, dead)] == [
        *(State.HELD, State.WAITING, State.WAITING, State.HELD, State.DEAD),
    ]
    await store.wait_for_work(timeout=30)
    leased = await store.lease(now=T0 + 70, until=T0 + 900, limit=10)
    assert {each.delivery.id: each.delivery.attempts for each in leased} == {held: 1, waits.deliveries[0].id: 1}


async def test_only_what_is_due_later_is_hastened_and_to_that_recipient_alone(store: Store) -> None:
    await bring_to(store, State.HELD)
    nobody = Recipient(kind=RecipientKind.ENDPOINT, name="crm")

    assert await store.hasten(1, nobody, now=T0 + 70) == 0
    assert await store.hasten(1, CUSTOMER, now=T0 + 9_000) == 0
    assert await store.next_due() == T0 + 9_000


async def test_many_are_hastened_each_once(store: Store) -> None:
    await store.record(make_publications(25, deliveries=100))
    while leased := await store.lease(now=T0 + 100, until=T0 + 900, limit=1_000):
        await store.settle([settlement(each, Cause.HELD, due_at=T0 + 9_000, tried=False) for each in leased])

    assert await store.hasten(50750, CUSTOMER, now=T0 + 200) == 2_500
    assert await store.hasten(50750, CUSTOMER, now=T0 + 200) == 0


async def test_of_a_lane_the_first_is_hastened_and_the_others_stay_behind_it(store: Store) -> None:
    await store.record([make_publication(make_event(f"e-{number}"), lane="c-7") for number in range(3)])
    first = await lease_one(store)
    await store.settle([settlement(first, Cause.HELD, due_at=T0 + 9_000, tried=False)])

    assert await store.hasten(50750, CUSTOMER, now=T0 + 200) == 1
    assert (await lease_one(store, now=T0 + 200)).delivery.id == first.delivery.id
    assert await store.lease(now=T0 + 200, until=T0 + 900, limit=10) == []


async def test_an_endpoints_state_is_remembered_until_it_is_in_order(store: Store) -> None:
    failing = EndpointState(org_id=1, name="crm", failing_since=T0, reason="HTTP 503")
    disabled = EndpointState(
        org_id=1, name="bi", failing_since=T0, disabled_at=T0 + 9, reason="410 Gone", url_digest="ab12"
    )
    other = EndpointState(org_id=2, name="crm", disabled_at=T0 + 9)
    for state in (failing, replace(disabled, disabled_at=None), other, disabled):
        await store.save_endpoint_state(state)
    assert await store.endpoint_states() == [disabled, failing, other]

    again = replace(disabled, disabled_at=T0 + 10)
    assert not await store.save_endpoint_state(again), "the first who disables it has disabled it"
    assert not await store.save_endpoint_state(replace(disabled, disabled_at=None))
    assert await store.save_endpoint_state(disabled)
    assert await store.endpoint_states() == [disabled, failing, other]
    moved = replace(again, url_digest="cd34")
    assert await store.save_endpoint_state(moved), "this is another one"
    await store.save_endpoint_state(EndpointState(org_id=1, name="bi"))
    assert await store.save_endpoint_state(disabled)

    await store.save_endpoint_state(EndpointState(org_id=1, name="crm"))
    await store.save_endpoint_state(EndpointState(org_id=3, name="never seen"))

    assert await store.endpoint_states() == [disabled, other]
