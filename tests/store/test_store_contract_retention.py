"""What every store must let go of in time, and what it must keep."""

import pytest

from store_kit import T0, by_hand, lease_one, make_event, make_publication, make_publications, settlement
from tidings.model import Cause
from tidings.store import DeliveryFilter, EventFilter, Publication, Recorded, Retention, Revision, Store

FAR = T0 + 10**9


async def purge(store: Store, *, events: int = 0, deliveries: int = 0, limit: int = 3) -> list[int]:
    """Purge until nothing is left to delete; how many went each time."""
    counts = []
    while count := await store.purge(Retention(events_before=events, deliveries_before=deliveries), limit=limit):
        counts.append(count)
        assert len(counts) < 1_000
    return counts


async def end(store: Store, *, ended_at: int) -> None:
    """End the delivery that was due first."""
    leased = await lease_one(store, now=FAR, until=FAR)
    await store.settle([settlement(leased, Cause.ACCEPTED)._replace(settled_at=ended_at)])


async def left(store: Store) -> tuple[list[str], list[str]]:
    """Return the ids of the events that are left, and those of the events of the deliveries that are left."""
    events = await store.list_events(EventFilter(), page_size=100, page_token="")
    deliveries = await store.list_deliveries(DeliveryFilter(), page_size=100, page_token="")
    return sorted(each.event_id for each in events.events), sorted(each.event_id for each in deliveries.deliveries)


async def test_deliveries_go_by_when_they_ended(store: Store) -> None:
    publications = make_publications(5)
    await store.record(publications)
    for ended_at in (50, 10, 20, 30):
        await end(store, ended_at=T0 + ended_at)

    assert await purge(store, deliveries=T0 + 30, limit=1) == [1, 1]

    assert (await left(store))[1] == ["e-0", "e-3", "e-4"]
    assert await store.get_delivery(publications[1].deliveries[0].id) is None


async def test_an_event_stays_while_a_delivery_of_it_has_not_ended(store: Store) -> None:
    await store.record(make_publications(5))
    await end(store, ended_at=T0 + 9)
    await lease_one(store, now=FAR, until=FAR)

    assert await purge(store, events=T0 + 3) == [1]
    assert (await left(store))[0] == ["e-1", "e-2", "e-3", "e-4"]

    await end(store, ended_at=T0 + 9)
    assert await purge(store, events=T0 + 4) == [1]
    assert (await left(store))[0] == ["e-1", "e-3", "e-4"]


async def test_one_parked_in_a_lane_keeps_its_event(store: Store) -> None:
    await store.record([make_publication(make_event(f"e-{number}"), lane="a") for number in range(3)])

    assert await purge(store, events=FAR, deliveries=FAR) == []


async def test_batches_go_on_past_what_must_stay(store: Store) -> None:
    await store.record([make_publication(each.event, due_at=FAR) for each in make_publications(4)])
    await store.record(
        [make_publication(make_event(f"x-{number}", received_at=T0), deliveries=0) for number in range(8)]
    )

    assert await purge(store, events=FAR) == [3, 3, 2]

    assert (await left(store))[0] == ["e-0", "e-1", "e-2", "e-3"]


async def test_an_event_whose_retention_is_over_may_come_again(store: Store) -> None:
    publications = make_publications(40, deliveries=0)
    await store.record(publications)

    assert sum(await purge(store, events=T0 + 20)) == 20

    results = await store.record(publications)
    assert [each.recorded for each in results] == [Recorded.NEW] * 20 + [Recorded.DUPLICATE] * 20
    assert await store.get_event(50750, "e-1") == publications[1].event


async def test_a_delivery_that_outlives_its_event_is_complete(store: Store) -> None:
    (publication,) = make_publications(1)
    await store.record([publication])
    await end(store, ended_at=T0 + 500)

    assert await purge(store, events=FAR) == [1]

    found = await store.get_delivery(publication.deliveries[0].id)
    assert found is not None
    assert len(found[1]) == 1


def decided_by(revision: str, number: int, *, deliveries: int = 1) -> Publication:
    return make_publication(make_event(f"e-{number}")._replace(revision=revision), deliveries=deliveries)


async def save(store: Store, *names: str) -> None:
    for name in names:
        await store.save_revision(Revision(id=name, created_at=T0, archive=b"sources"))


async def kept(store: Store, *names: str) -> list[str]:
    return [name for name in names if await store.get_revision(name) is not None]


async def test_a_revision_goes_with_the_last_that_it_decided(store: Store) -> None:
    await save(store, "rev-1")
    await store.record([decided_by("rev-1", 1)])
    await save(store, "rev-2")
    await end(store, ended_at=T0 + 9)

    await purge(store, events=FAR)
    assert await kept(store, "rev-1", "rev-2") == ["rev-1", "rev-2"]  # its delivery is there

    await purge(store, events=FAR, deliveries=FAR)
    assert await kept(store, "rev-1", "rev-2") == ["rev-2"]


@pytest.mark.parametrize("names", [["rev-1"], ["rev-2", "rev-1"], ["rev-1", "rev-2", "rev-1"]])
async def test_the_revision_in_use_stays_though_it_decided_nothing(store: Store, names: list[str]) -> None:
    await save(store, *names)

    await purge(store, events=FAR, deliveries=FAR)

    assert await kept(store, "rev-1", "rev-2") == ["rev-1"]


async def test_a_revision_of_what_has_not_ended_stays(store: Store) -> None:
    await save(store, "rev-1")
    await store.record([decided_by("rev-1", 1)])
    await save(store, "rev-2")
    await store.record([decided_by("rev-2", number) for number in range(2, 9)])
    later = [decided_by("rev-2", number).deliveries[0].id for number in range(2, 9)]
    await store.intervene(later, by_hand(Cause.CANCELLED))

    await purge(store, events=FAR, deliveries=FAR)

    assert await left(store) == (["e-1"], ["e-1"])
    assert await kept(store, "rev-1", "rev-2") == ["rev-1", "rev-2"]


async def test_a_revision_younger_than_the_events_kept_stays(store: Store) -> None:
    await save(store, "rev-1", "rev-2")

    await purge(store, events=T0, deliveries=FAR)

    assert await kept(store, "rev-1", "rev-2") == ["rev-1", "rev-2"]
