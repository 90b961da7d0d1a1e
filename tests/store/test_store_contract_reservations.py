"""What every store must count exactly: deliveries against limits, under way, sent, repeated and given up."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from store_kit import (
    LASTING,
    STORES,
    T0,
    by_hand,
    lease_one,
    make_event,
    make_publication,
    make_publications,
    settlement,
)
from tidings.model import Cause
from tidings.store import Claim, Leased, Limit, Retention, Store

DAY = 86_400_000
ONE_A_DAY = Limit(key="one", limit=1, per=DAY)


def claim(name: str, *limits: Limit, now: int = T0, unit: str = "", org_id: int = 50750) -> Claim:
    wanted = tuple(replace(each, unit=unit) for each in limits or (ONE_A_DAY,))
    return Claim(org_id=org_id, delivery_id=name, limits=wanted, now=now)


async def leased(store: Store, count: int = 1) -> list[Leased]:
    """Record deliveries and put them in the hands of a worker."""
    await store.record(make_publications(count))
    return [await lease_one(store) for _ in range(count)]


async def settle(store: Store, given: Leased, cause: Cause, *, at: int, due_at: int | None = None) -> None:
    assert await store.settle([settlement(given, cause, due_at=due_at)._replace(settled_at=at)]) == [True]


async def test_no_more_than_the_limit_are_under_way(store: Store) -> None:
    three = Limit(key="three", limit=3, per=DAY)
    answers = [await store.reserve(claim(f"d-{number}", three)) for number in range(5)]
    assert answers == [(None,)] * 3 + [(T0 + DAY,)] * 2


async def test_a_delivery_that_asks_again_has_its_room_and_counts_once(store: Store) -> None:
    two = Limit(key="two", limit=2, per=DAY)
    again = [await store.reserve(claim("d-1", two, now=T0 + number)) for number in range(3)]
    assert again == [(None,)] * 3
    assert await store.reserve(claim("d-2", two)) == (None,)
    assert await store.reserve(claim("d-3", two)) == (T0 + DAY,)


async def test_the_window_slides_from_when_each_was_sent(store: Store) -> None:
    two = Limit(key="two", limit=2, per=DAY)
    for hour, given in zip((1, 5), await leased(store, 2), strict=True):
        assert await store.reserve(claim(given.delivery.id, two)) == (None,)
        await settle(store, given, Cause.ACCEPTED, at=T0 + hour)

    assert await store.reserve(claim("d-3", two, now=T0 + DAY)) == (T0 + 1 + DAY,)
    assert await store.reserve(claim("d-3", two, now=T0 + 1 + DAY)) == (None,)
    assert await store.reserve(claim("d-4", two, now=T0 + 2 + DAY)) == (T0 + 5 + DAY,)


@pytest.mark.parametrize("cause", [Cause.REFUSED, Cause.EXHAUSTED, Cause.EXPIRED, Cause.SUPPRESSED])
async def test_what_ended_without_being_sent_never_counted(store: Store, cause: Cause) -> None:
    (given,) = await leased(store)
    assert await store.reserve(claim(given.delivery.id)) == (None,)
    assert await store.reserve(claim("d-2")) == (T0 + DAY,)
    await settle(store, given, cause, at=T0 + 1)
    assert await store.reserve(claim("d-2")) == (None,)


@pytest.mark.parametrize("cause", [Cause.DEFERRED, Cause.HELD, Cause.RELEASED])
async def test_what_waits_for_another_try_is_still_under_way_and_comes_back_to_its_room(
    store: Store, cause: Cause
) -> None:
    (given,) = await leased(store)
    assert await store.reserve(claim(given.delivery.id)) == (None,)
    await settle(store, given, cause, at=T0 + 1, due_at=T0 + 2 * DAY)
    later = T0 + 2 * DAY
    assert await store.reserve(claim("d-2", now=later)) == (later + DAY,)
    assert await store.reserve(claim(given.delivery.id, now=later)) == (None,)


async def test_what_is_cancelled_while_it_waits_counts_no_more(store: Store) -> None:
    (given,) = await leased(store)
    await store.reserve(claim(given.delivery.id))
    await settle(store, given, Cause.DEFERRED, at=T0 + 1, due_at=T0 + DAY)
    await store.intervene([given.delivery.id], by_hand(Cause.CANCELLED))
    assert await store.reserve(claim("d-2")) == (None,)


async def test_deliveries_of_one_unit_count_once(store: Store) -> None:
    first = [await store.reserve(claim(f"d-{number}", unit="e-1")) for number in range(3)]
    assert first == [(None,)] * 3
    assert await store.reserve(claim("d-9", unit="e-2")) == (T0 + DAY,)


async def test_a_unit_counts_until_the_last_of_it_is_given_up(store: Store) -> None:
    one, other = await leased(store, 2)
    for given in (one, other):
        await store.reserve(claim(given.delivery.id, unit="e-1"))
    await settle(store, one, Cause.REFUSED, at=T0 + 1)
    assert await store.reserve(claim("d-9", unit="e-2")) == (T0 + DAY,)
    await settle(store, other, Cause.REFUSED, at=T0 + 1)
    assert await store.reserve(claim("d-9", unit="e-2")) == (None,)


async def test_a_delivery_counts_against_all_its_limits_or_none(store: Store) -> None:
    wide = Limit(key="wide", limit=2, per=7 * DAY)
    assert await store.reserve(claim("d-1", ONE_A_DAY, wide)) == (None, None)
    assert await store.reserve(claim("d-2", ONE_A_DAY, wide)) == (T0 + DAY, None)
    assert await store.reserve(claim("d-3", wide)) == (None,), "the one refused must not have taken it"


async def test_keys_and_organisations_do_not_share_room(store: Store) -> None:
    assert await store.reserve(claim("d-1")) == (None,)
    assert await store.reserve(claim("d-2", org_id=1)) == (None,)
    assert await store.reserve(claim("d-3", replace(ONE_A_DAY, key="other"))) == (None,)


async def test_a_limit_is_as_it_is_asked_for_now(store: Store) -> None:
    """A rule that changes its limit or window finds what was counted before."""
    (given,) = await leased(store)
    await store.reserve(claim(given.delivery.id))
    await settle(store, given, Cause.ACCEPTED, at=T0)
    assert await store.reserve(claim("d-2", replace(ONE_A_DAY, per=2 * DAY), now=T0 + DAY)) == (T0 + 2 * DAY,)
    assert await store.reserve(claim("d-2", replace(ONE_A_DAY, per=2 * DAY, limit=2), now=T0 + DAY)) == (None,)


async def test_many_at_once_get_no_more_than_there_is(store: Store) -> None:
    five = Limit(key="five", limit=5, per=DAY)
    answers = await asyncio.gather(*(store.reserve(claim(f"d-{number % 40}", five)) for number in range(200)))
    granted = {number % 40 for number, answer in enumerate(answers) if answer == (None,)}
    assert len(granted) == 5


async def test_old_ones_are_purged_and_those_under_way_stay(store: Store) -> None:
    given, under_way = await leased(store, 2)
    await store.reserve(claim(given.delivery.id))
    await settle(store, given, Cause.ACCEPTED, at=T0 + 1)
    await store.reserve(claim(under_way.delivery.id, replace(ONE_A_DAY, key="other")))
    gone = Retention(events_before=0, deliveries_before=0, reservations_before=T0 + 2)
    assert [await store.purge(gone, limit=10), await store.purge(gone, limit=10)] == [1, 0]
    assert await store.reserve(claim("d-3")) == (None,)
    assert await store.reserve(claim("d-4", replace(ONE_A_DAY, key="other"))) == (T0 + DAY,)


@pytest.mark.parametrize("name", LASTING)
async def test_counts_survive_a_restart(name: str, tmp_path: Path) -> None:
    async with STORES[name](tmp_path) as store:
        await store.record([make_publication(make_event())])
        given = await lease_one(store)
        await store.reserve(claim(given.delivery.id))
    async with STORES[name](tmp_path) as store:
        assert await store.reserve(claim("d-2")) == (T0 + DAY,)
        assert await store.reserve(claim(given.delivery.id)) == (None,)


@pytest.mark.parametrize("limit", [Limit(key="k", limit=0, per=DAY), Limit(key="k", limit=1, per=0)])
async def test_a_limit_that_is_none_is_refused(store: Store, limit: Limit) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        await store.reserve(claim("d-1", limit))
