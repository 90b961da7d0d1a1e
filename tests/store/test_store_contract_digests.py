"""Deliveries that gather events: each event in one of them, once, whatever happens."""

import asyncio
from dataclasses import replace

import pytest

from store_kit import T0, by_hand, lease_one, make_event, make_publication, settlement, state_of
from tidings.model import Cause, State
from tidings.store import CallOff, DeliveryFilter, Gathered, Leased, Person, Publication, Recorded, Retention, Store

MINUTE = 60_000
UNTIL = T0 + 30 * MINUTE
DAY = 1_440 * MINUTE


def gathering(
    event_id: str,
    *,
    at: int = T0,
    key: str = "k",
    org_id: int = 50750,
    customer: str = "c-7",
    expires_at: int | None = None,
) -> Publication:
    """Return an event whose one delivery is gathered for half an hour; its content is its id."""
    event = make_event(event_id, org_id=org_id, content=event_id.encode(), received_at=at)
    made = make_publication(event._replace(customer_id=customer), due_at=at + 30 * MINUTE)
    planned = made.deliveries[0]._replace(digest=key, expires_at=expires_at, revocable=True)
    return made._replace(deliveries=(planned,))


async def record(store: Store, *publications: Publication) -> list[str]:
    """Record events one after the other; return where each went."""
    results = [(await store.record([each]))[0] for each in publications]
    assert {each.recorded for each in results} == {Recorded.NEW}
    return [name for each in results for name in each.delivery_ids]


async def told(store: Store, delivery_id: str, *, now: int = UNTIL) -> list[str]:
    """Return the events that a digest tells of."""
    found = await store.gathered(delivery_id, now=now, most=100)
    return [] if found is None else [each.decode() for each in found.events]


async def flush(store: Store, *, now: int = UNTIL) -> Leased:
    return await lease_one(store, now=now, until=now + MINUTE)


async def test_events_of_a_key_gather_in_the_delivery_of_the_first_until_its_time(store: Store) -> None:
    names = await record(store, *(gathering(f"e-{number}", at=T0 + number) for number in range(3)))
    assert names == [gathering("e-0").deliveries[0].id] * 3
    found = await store.get_delivery(names[0])
    assert found is not None
    delivery = found[0]
    assert (delivery.state, delivery.event_id, delivery.due_at) == (State.HELD, "e-0", UNTIL)
    assert delivery.reason == "gathering until 2026-01-01T00:30:00Z"
    assert await store.lease(now=UNTIL - 1, until=UNTIL, limit=10) == []
    assert (await flush(store)).delivery.id == names[0]
    expected = Gathered(events=(b"e-0", b"e-1", b"e-2"), more=0, until=UNTIL)
    assert await store.gathered(names[0], now=UNTIL, most=3) == expected
    assert await store.gathered(names[0], now=UNTIL, most=2) == replace(expected, events=(b"e-1", b"e-2"), more=1)


async def test_events_recorded_at_once_gather_too_and_each_key_and_organisation_by_itself(store: Store) -> None:
    publications = [
        gathering("a"), gathering("b"), gathering("c", key="other"), gathering("d", org_id=100), gathering("e"),
    ]  # fmt: skip
    results = await store.record(publications)
    names = [each.delivery_ids[0] for each in results]
    assert names == [publications[number].deliveries[0].id for number in (0, 0, 2, 3, 0)]
    assert [await told(store, name) for name in dict.fromkeys(names)] == [["a", "b", "e"], ["c"], ["d"]]
    assert (await store.backlog()).counts[State.HELD] == 3


async def test_publishers_at_the_same_time_fill_one_digest(store: Store) -> None:
    results = await asyncio.gather(*(store.record([gathering(f"e-{number}")]) for number in range(40)))
    assert len({name for (each,) in results for name in each.delivery_ids}) == 1
    assert len(await told(store, results[0][0].delivery_ids[0])) == 40


async def test_an_event_published_again_counts_once_and_is_told_where_it_went(store: Store) -> None:
    first, second = gathering("e-1"), gathering("e-2")
    (name, _) = await record(store, first, second)
    again = await store.record([second, first, second])
    assert [(each.recorded, each.delivery_ids) for each in again] == [(Recorded.DUPLICATE, (name,))] * 3
    assert await told(store, name) == ["e-1", "e-2"]
    await store.settle([settlement(await flush(store), Cause.ACCEPTED)])
    (late,) = await store.record([second])
    assert (late.recorded, late.delivery_ids) == (Recorded.DUPLICATE, (name,))
    assert await store.lease(now=UNTIL + DAY, until=UNTIL + 2 * DAY, limit=10) == []


async def test_what_comes_while_a_digest_is_in_hand_or_after_opens_the_next(store: Store) -> None:
    (first,) = await record(store, gathering("e-1"))
    leased = await flush(store)
    (second,) = await record(store, gathering("e-2", at=UNTIL))
    assert second != first
    await store.settle([settlement(leased, Cause.ACCEPTED)])
    assert await record(store, gathering("e-3", at=UNTIL + 1)) == [second]
    assert [await told(store, name) for name in (first, second)] == [["e-1"], ["e-2", "e-3"]]


async def test_what_a_gate_holds_untried_gathers_on(store: Store) -> None:
    (name,) = await record(store, gathering("e-1"))
    await store.settle([settlement(await flush(store), Cause.HELD, due_at=UNTIL + DAY, tried=False)])
    assert await record(store, gathering("e-2", at=UNTIL + 1)) == [name]
    await flush(store, now=UNTIL + DAY)
    assert await told(store, name, now=UNTIL + DAY) == ["e-1", "e-2"]


async def test_of_two_digests_of_a_key_only_the_later_gathers(store: Store) -> None:
    await record(store, gathering("e-1"))
    leased = await flush(store)
    (second,) = await record(store, gathering("e-2", at=UNTIL))
    await store.settle([settlement(leased, Cause.HELD, due_at=UNTIL + DAY, tried=False)])
    assert await record(store, gathering("e-3", at=UNTIL + 1)) == [second]
    assert await told(store, leased.delivery.id) == ["e-1"]


@pytest.mark.parametrize("cause", [Cause.DEFERRED, Cause.RELEASED])
async def test_what_may_have_been_sent_gathers_no_more(store: Store, cause: Cause) -> None:
    (name,) = await record(store, gathering("e-1"))
    leased = await flush(store)
    await store.settle([settlement(leased, cause, due_at=UNTIL + 1, tried=cause is Cause.DEFERRED)])
    assert await record(store, gathering("e-2", at=UNTIL)) != [name]
    leased = await flush(store, now=UNTIL + 2)
    await store.settle([settlement(leased, Cause.HELD, due_at=UNTIL + DAY, tried=False)])
    assert await told(store, name) == ["e-1"]


async def test_what_a_worker_died_with_gathers_no_more(store: Store) -> None:
    (name,) = await record(store, gathering("e-1"))
    await flush(store)
    again = await flush(store, now=UNTIL + 5 * MINUTE)
    assert again.delivery.id == name
    await store.settle([settlement(again, Cause.HELD, due_at=UNTIL + DAY, tried=False)])
    assert await record(store, gathering("e-2", at=UNTIL + 6 * MINUTE)) != [name]
    assert await told(store, name) == ["e-1"]


async def test_what_was_cancelled_by_hand_gathers_no_more_even_when_it_is_wanted_again(store: Store) -> None:
    (name,) = await record(store, gathering("e-1"))
    assert await store.intervene([name], by_hand(Cause.CANCELLED)) == [State.CANCELLED]
    assert await record(store, gathering("e-2")) != [name]
    assert await store.intervene([name], by_hand(Cause.REQUEUED)) == [State.WAITING]
    assert await told(store, name) == ["e-1"]


async def test_events_leave_when_they_expire_and_the_digest_with_the_last(store: Store) -> None:
    (name, _, _) = await record(
        store,
        gathering("e-1", expires_at=UNTIL - 1),
        gathering("e-2", expires_at=UNTIL + 2 * MINUTE),
        gathering("e-3", expires_at=UNTIL + 1),
    )
    found = await store.get_delivery(name)
    assert found is not None
    assert found[0].expires_at == UNTIL + 2 * MINUTE
    assert await told(store, name) == ["e-2", "e-3"]
    assert await told(store, name, now=UNTIL + 1) == ["e-2"]
    assert await store.gathered(name, now=UNTIL + 2 * MINUTE, most=1) is None


@pytest.mark.parametrize("first", [UNTIL, None])
async def test_a_digest_with_an_event_that_never_expires_does_not_either(store: Store, first: int | None) -> None:
    second = None if first else UNTIL
    (name, _) = await record(store, gathering("e-1", expires_at=first), gathering("e-2", expires_at=second))
    found = await store.get_delivery(name)
    assert found is not None
    assert found[0].expires_at is None


def calling_off(event_id: str = "r-1", *, customer: str = "c-7") -> Publication:
    off = CallOff(rule_id="rule-0", customer_id=customer, reason="called off by pointsRedeemed r-1")
    return Publication(event=make_event(event_id, received_at=T0 + 50), deliveries=(), call_offs=(off,))


def for_the_brand(publication: Publication) -> Publication:
    """Return what gathers events of several customers, so that it is nobody's own."""
    return publication._replace(deliveries=(publication.deliveries[0]._replace(customer_id=None),))


async def test_what_is_called_off_leaves_the_digest_and_what_comes_later_stays(store: Store) -> None:
    mixed = [
        gathering("e-1", customer="c-7", expires_at=UNTIL + DAY),
        gathering("e-2", customer="c-8", expires_at=UNTIL + 1),
    ]
    (name, _) = await record(store, *map(for_the_brand, mixed))
    await store.record([calling_off()])
    await record(store, for_the_brand(gathering("e-3", expires_at=UNTIL + 2)))
    assert await told(store, name) == ["e-2", "e-3"]
    found = await store.get_delivery(name)
    assert found is not None
    assert (found[0].state, found[0].expires_at) == (State.HELD, UNTIL + 2)


async def test_a_digest_of_which_all_is_called_off_is_cancelled_and_the_next_event_opens_another(store: Store) -> None:
    (name, _) = await record(store, gathering("e-1"), gathering("e-2"))
    await store.record([calling_off()])
    found = await store.get_delivery(name)
    assert found is not None
    assert (found[0].state, found[0].reason) == (State.CANCELLED, "called off by pointsRedeemed r-1")
    (other,) = await record(store, gathering("e-3"))
    assert other != name
    assert await told(store, other) == ["e-3"]


async def test_a_digest_in_hand_of_which_all_is_called_off_is_cancelled_when_it_comes_back(store: Store) -> None:
    (name,) = await record(store, gathering("e-1"))
    leased = await flush(store)
    await store.record([calling_off()])
    assert await state_of(store, name) is State.SENDING
    await store.settle([settlement(leased, Cause.HELD, due_at=UNTIL + DAY, tried=False)])
    assert await state_of(store, name) is State.CANCELLED
    assert await record(store, gathering("e-2")) != [name]


async def test_erasing_a_person_takes_their_events_out_of_digests(store: Store) -> None:
    theirs = for_the_brand(gathering("e-1", customer="c-7"))
    (mixed, _) = await record(store, theirs, for_the_brand(gathering("e-2", customer="c-8")))
    (own, alone) = await record(
        store, gathering("e-3", key="own"), for_the_brand(gathering("e-4", key="alone", customer="c-7"))
    )
    done = await store.erase(Person(org_id=50750, customer_id="c-7"), now=T0 + 9)
    assert (done.cancelled, done.under_way) == (2, 0)
    assert await told(store, mixed) == ["e-2"]
    assert [await state_of(store, name) for name in (mixed, own, alone)] == [
        State.HELD,
        State.CANCELLED,
        State.CANCELLED,
    ]
    assert [await told(store, name) for name in (own, alone)] == [[], []]


async def test_erasing_waits_for_digests_in_hand(store: Store) -> None:
    await record(store, for_the_brand(gathering("e-1", customer="c-7")))
    await flush(store)
    done = await store.erase(Person(org_id=50750, customer_id="c-7"), now=UNTIL)
    assert done.under_way == 1


async def test_events_are_kept_for_as_long_as_a_digest_needs_them(store: Store) -> None:
    (name, _) = await record(store, gathering("e-1"), gathering("e-2", at=T0 + 1))
    past = Retention(events_before=T0 + DAY, deliveries_before=0)
    assert await store.purge(past, limit=100) == 0
    leased = await flush(store)
    assert await told(store, name) == ["e-1", "e-2"]
    await store.settle([settlement(leased, Cause.ACCEPTED)])
    assert await store.purge(past, limit=100) == 2
    assert await store.purge(Retention(events_before=0, deliveries_before=T0 + DAY), limit=100) == 1


async def test_the_deliveries_of_an_event_are_those_that_have_gathered_it(store: Store) -> None:
    (name, _) = await record(store, gathering("e-1"), gathering("e-2"))
    page = await store.list_deliveries(DeliveryFilter(org_id=50750, event_id="e-2"), page_size=5, page_token="")
    assert [each.id for each in page.deliveries] == [name]


async def test_what_gathers_is_not_hastened_and_what_is_due_is(store: Store) -> None:
    publication = gathering("e-1")
    await record(store, publication)
    recipient = publication.deliveries[0].recipient
    assert await store.hasten(50750, recipient, now=T0 + 1) == 0
    await store.settle([settlement(await flush(store), Cause.HELD, due_at=UNTIL + DAY, tried=False)])
    assert await store.hasten(50750, recipient, now=UNTIL + 1) == 1


async def test_whoever_waits_for_work_hears_of_a_digest_that_opens(store: Store) -> None:
    await record(store, gathering("e-1"))
    async with asyncio.timeout(5):
        await store.wait_for_work(timeout=60)
    assert await store.next_due() == UNTIL
