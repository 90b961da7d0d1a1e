"""What an event calls off: in one commit with the event, and only what was there before it."""

from dataclasses import replace

import pytest

from store_kit import T0, by_hand, lease_one, make_event, make_publication, settlement, state_of
from tidings.model import Cause, State
from tidings.store import CallOff, Claim, Limit, Publication, Store

OFF = CallOff(rule_id="rule-0", customer_id="c-7", reason="called off by pointsRedeemed r-1")


def revocable(event_id: str = "e-1", *, org_id: int = 50750, deliveries: int = 1) -> Publication:
    """Return an event with deliveries of rules ``rule-0``, ``rule-1``, … that may be called off."""
    made = make_publication(make_event(event_id, org_id=org_id), deliveries=deliveries)
    return made._replace(deliveries=tuple(each._replace(revocable=True) for each in made.deliveries))


def calling_off(event_id: str = "r-1", *call_offs: CallOff) -> Publication:
    event = make_event(event_id, received_at=T0 + 50)
    return Publication(event=event, deliveries=(), call_offs=call_offs or (OFF,))


async def test_what_waits_is_cancelled_with_the_event_and_says_why(store: Store) -> None:
    publication = revocable()
    await store.record([publication])
    await store.record([calling_off()])
    found = await store.get_delivery(publication.deliveries[0].id)
    assert found is not None
    assert (found[0].state, found[0].reason, found[0].settled_at) == (State.CANCELLED, OFF.reason, T0 + 50)
    assert await store.lease(now=T0 + 1_000, until=T0 + 2_000, limit=10) == []


async def test_what_is_held_is_cancelled_too_and_its_room_is_free(store: Store) -> None:
    publication = revocable()
    await store.record([publication])
    leased = await lease_one(store)
    limit = Limit(key="k", limit=1, per=1_000)
    await store.reserve(Claim(org_id=50750, delivery_id=leased.delivery.id, limits=(limit,), now=T0))
    await store.settle([settlement(leased, Cause.HELD, due_at=T0 + 9_000)])
    await store.record([calling_off()])
    assert await state_of(store, publication.deliveries[0].id) is State.CANCELLED
    other = Claim(org_id=50750, delivery_id="other", limits=(limit,), now=T0)
    assert await store.reserve(other) == (None,)


@pytest.mark.parametrize("cause", [Cause.DEFERRED, Cause.HELD, Cause.RELEASED])
async def test_what_comes_back_from_a_worker_unsent_is_cancelled_then(store: Store, cause: Cause) -> None:
    publication = revocable()
    await store.record([publication])
    leased = await lease_one(store)
    await store.record([calling_off()])
    assert await store.settle([settlement(leased, cause, due_at=T0 + 9_000)]) == [True]
    found = await store.get_delivery(leased.delivery.id)
    assert found is not None
    assert (found[0].state, found[0].reason) == (State.CANCELLED, OFF.reason)
    assert await store.lease(now=T0 + 90_000, until=T0 + 99_000, limit=10) == []


async def test_what_somebody_sends_again_by_hand_is_called_off_no_more(store: Store) -> None:
    publication = revocable()
    await store.record([publication])
    leased = await lease_one(store)
    await store.record([calling_off()])
    await store.settle([settlement(leased, Cause.REFUSED)])
    await store.intervene([leased.delivery.id], by_hand(Cause.REQUEUED))
    again = await lease_one(store, now=T0 + 9_000)
    await store.settle([settlement(again, Cause.DEFERRED, due_at=T0 + 99_000)])
    assert await state_of(store, leased.delivery.id) is State.WAITING


async def test_what_is_in_a_workers_hands_or_has_ended_stays(store: Store) -> None:
    publication = revocable()
    await store.record([publication])
    leased = await lease_one(store)
    await store.record([calling_off()])
    assert await state_of(store, leased.delivery.id) is State.SENDING
    await store.settle([settlement(leased, Cause.ACCEPTED)])
    await store.record([calling_off("r-2")])
    assert await state_of(store, leased.delivery.id) is State.DELIVERED


async def test_other_rules_customers_and_organisations_are_left_alone(store: Store) -> None:
    publication, elsewhere = revocable(deliveries=2), revocable("e-2", org_id=1)
    await store.record([publication, elsewhere])
    await store.record([calling_off("r-1", replace(OFF, customer_id="c-8"))])
    first, second = (each.id for each in publication.deliveries)
    assert await state_of(store, first) is State.WAITING
    await store.record([calling_off("r-2")])
    states = [await state_of(store, each) for each in (first, second, elsewhere.deliveries[0].id)]
    assert states == [State.CANCELLED, State.WAITING, State.WAITING]


async def test_what_is_not_revocable_is_left_alone(store: Store) -> None:
    publication = make_publication()
    await store.record([publication, calling_off()])
    assert await state_of(store, publication.deliveries[0].id) is State.WAITING


@pytest.mark.parametrize("together", [True, False])
async def test_the_order_of_publication_decides(store: Store, together: bool) -> None:  # noqa: FBT001 (a parameter)
    """An event calls off what came before it, in the same commit as well, and nothing that comes after."""
    before, after = revocable("e-1"), revocable("e-2")
    sequence = [before, calling_off(), after]
    for batch in [sequence] if together else [[each] for each in sequence]:
        await store.record(batch)
    states = [await state_of(store, each.deliveries[0].id) for each in (before, after)]
    assert states == [State.CANCELLED, State.WAITING]


async def test_an_event_may_replace_what_its_own_rule_sent_before(store: Store) -> None:
    older, newer = revocable("e-1"), revocable("e-2")
    await store.record([older])
    await store.record([newer._replace(call_offs=(OFF,))])
    states = [await state_of(store, each.deliveries[0].id) for each in (older, newer)]
    assert states == [State.CANCELLED, State.WAITING]


async def test_a_duplicate_calls_nothing_off(store: Store) -> None:
    await store.record([calling_off()])
    publication = revocable()
    await store.record([publication])
    await store.record([calling_off()])
    assert await state_of(store, publication.deliveries[0].id) is State.WAITING


async def test_the_next_of_a_lane_goes_once_the_one_before_it_is_called_off(store: Store) -> None:
    publications = [revocable("e-1"), make_publication(make_event("e-2"))]
    in_lane = [
        each._replace(deliveries=tuple(planned._replace(lane="l") for planned in each.deliveries))
        for each in publications
    ]
    await store.record(in_lane)
    await store.record([calling_off()])
    (leased,) = await store.lease(now=T0 + 1_000, until=T0 + 2_000, limit=10)
    assert leased.delivery.event_id == "e-2"
