"""What every store must do when several organisations want the room of a lease."""

from collections import Counter
from collections.abc import Sequence

import pytest

from long_kit import at_length
from store_kit import T0, make_event, make_publication, settlement
from tidings.model import Cause
from tidings.store import Leased, Store


async def burst(store: Store, org_id: int, count: int, *, per_event: int = 1) -> None:
    """Record deliveries of one organisation, an event a millisecond."""
    await store.record(
        [
            make_publication(make_event(f"e-{number}", org_id=org_id, received_at=T0 + number), deliveries=per_event)
            for number in range(count)
        ]
    )


def by_org(leased: Sequence[Leased]) -> dict[int, int]:
    return dict(Counter(each.delivery.org_id for each in leased))


async def test_a_long_backlog_does_not_delay_a_single_delivery(store: Store) -> None:
    """A backlog of 100,000, of 10,000 every day."""
    for start in range(0, at_length(100, 1_000), 100):
        events = [make_event(f"e-{number}", org_id=1) for number in range(start, start + 100)]
        await store.record([make_publication(event, deliveries=100) for event in events])
    await store.record([make_publication(make_event(org_id=2, received_at=T0 + 5))])

    first = await store.lease(now=T0 + 10, until=T0 + 900, limit=64)
    second = await store.lease(now=T0 + 10, until=T0 + 900, limit=64)

    assert (by_org(first), by_org(second)) == ({1: 63, 2: 1}, {1: 64})


async def test_what_one_leaves_the_others_get(store: Store) -> None:
    for org_id, count in ((1, 3), (2, 40), (3, 9)):
        await burst(store, org_id, count)

    first = await store.lease(now=T0 + 100, until=T0 + 900, limit=30)
    second = await store.lease(now=T0 + 100, until=T0 + 900, limit=30)

    assert (by_org(first), by_org(second)) == ({1: 3, 2: 18, 3: 9}, {2: 22})


async def test_room_is_shared_by_weight(store: Store) -> None:
    for org_id in (1, 2, 3):
        await burst(store, org_id, 100)

    leased = await store.lease(now=T0 + 100, until=T0 + 900, limit=60, weights={1: 3, 3: 2})

    assert by_org(leased) == {1: 30, 2: 10, 3: 20}


async def test_room_that_comes_one_by_one_is_shared_as_well(store: Store) -> None:
    for org_id in (1, 2, 3):
        await burst(store, org_id, 100)
    leased = []
    for _ in range(60):
        leased += await store.lease(now=T0 + 100, until=T0 + 900, limit=1, weights={1: 3, 3: 2})

    assert by_org(leased) == {1: 30, 2: 10, 3: 20}


async def test_who_had_nothing_to_send_gathers_no_claim(store: Store) -> None:
    await burst(store, 1, 400)
    for _ in range(5):
        await store.lease(now=T0 + 500, until=T0 + 9_000, limit=40)
    await burst(store, 2, 100)

    assert by_org(await store.lease(now=T0 + 500, until=T0 + 9_000, limit=40)) == {1: 20, 2: 20}


async def test_an_organisation_gives_its_oldest_first(store: Store) -> None:
    due = [300, 100, 200, 400]
    for org_id in (1, 2):
        events = [make_event(f"e-{each}", org_id=org_id) for each in due]
        await store.record([make_publication(event, due_at=T0 + each) for event, each in zip(events, due, strict=True)])

    leased = await store.lease(now=T0 + 900, until=T0 + 9_000, limit=6)

    expected = [T0 + 100, T0 + 200, T0 + 300]
    assert [[each.delivery.due_at for each in leased if each.delivery.org_id == org_id] for org_id in (1, 2)] == [
        expected,
        expected,
    ]


async def test_lapsed_leases_share_like_what_waits(store: Store) -> None:
    await burst(store, 1, 20)
    await burst(store, 2, 20)
    await store.lease(now=T0 + 100, until=T0 + 200, limit=20)

    leased = await store.lease(now=T0 + 201, until=T0 + 900, limit=40)

    assert by_org(leased) == {1: 20, 2: 20}
    assert Counter(each.fence for each in leased) == {1: 20, 2: 20}


async def test_a_thousand_organisations_take_turns(store: Store) -> None:
    await store.record(
        [
            make_publication(make_event(f"e-{number}", org_id=org_id), deliveries=2)
            for number, org_id in enumerate((-(2**63), 2**63 - 1, *range(998)))
        ]
    )

    hands = [by_org(await store.lease(now=T0, until=T0 + 900, limit=50)) for _ in range(20)]

    assert set(Counter(org_id for hand in hands for org_id in hand).values()) == {1}
    assert sum(len(hand) for hand in hands) == 1_000
    assert len(await store.lease(now=T0, until=T0 + 900, limit=2_000)) == 1_000


@pytest.mark.parametrize("weight", [0, -1])
async def test_a_weight_that_starves_is_refused(store: Store, weight: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        await store.lease(now=T0, until=T0 + 900, limit=1, weights={1: weight})


async def test_settled_work_makes_room_for_the_rest_of_a_burst(store: Store) -> None:
    await burst(store, 1, 10)
    done: list[str] = []
    while leased := await store.lease(now=T0 + 100, until=T0 + 900, limit=4):
        await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])
        done += [each.delivery.event_id for each in leased]

    assert done == [f"e-{number}" for number in range(10)]
