"""What several gateways on one PostgreSQL must not do to each other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from postgres_kit import database_url, needs_postgres, shared_cluster
from store_kit import T0, lease_one, make_event, make_publication, make_publications, settlement, state_of
from tidings.model import Cause, State
from tidings.store import CallOff, Claim, EventFilter, Limit, Recorded, Retention, Store, open_store

pytestmark = needs_postgres


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Three stores on one database; the last one is as behind a pooler that hands out connections by transaction."""
    cluster = shared_cluster()
    plain = await database_url(cluster, tmp_path)
    pooled = await database_url(cluster, tmp_path, statement_cache_size="0", listen="false")
    async with AsyncExitStack() as closing:
        yield [await closing.enter_async_context(open_store(url)) for url in (plain, plain, pooled)]


async def test_one_of_those_who_record_the_same_event_is_first(stores: list[Store]) -> None:
    publications = make_publications(200)
    orders = [publications, publications[::-1], publications[100:] + publications[:100]]

    answers = await asyncio.gather(
        *(
            store.record(order[start : start + 50])
            for store, order in zip(stores, orders, strict=True)
            for start in range(0, 200, 50)
        )
    )

    counts = Counter(result.recorded for answer in answers for result in answer)
    assert counts == {Recorded.NEW: 200, Recorded.DUPLICATE: 400}


async def test_no_delivery_is_in_two_hands(stores: list[Store]) -> None:
    await stores[0].record(make_publications(900))
    taken: list[str] = []

    async def work(store: Store) -> None:
        while len(taken) < 900:
            leased = await store.lease(now=T0 + 1_000, until=T0 + 90_000, limit=37)
            taken.extend(each.delivery.id for each in leased)
            assert all(await store.settle([settlement(each, Cause.ACCEPTED) for each in leased]))

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(store) for store in stores))

    assert len(set(taken)) == len(taken) == 900


async def test_customers_order_holds_whoever_records_and_whoever_sends(stores: list[Store]) -> None:
    lanes = [f"lane-{number}" for number in range(10)]
    in_hand: set[str] = set()
    seen: dict[str, list[int]] = {lane: [] for lane in lanes}
    done = 0

    async def publish(store: Store, lane: str, start: int) -> None:
        for number in range(start, start + 6):
            await store.record([make_publication(make_event(f"{lane}/{number}"), lane=lane)])

    async def work(store: Store) -> None:
        nonlocal done
        while done < 180:
            for each in await store.lease(now=T0 + 1_000, until=T0 + 90_000, limit=5):
                lane, _, number = each.delivery.event_id.partition("/")
                assert lane not in in_hand
                in_hand.add(lane)
                await asyncio.sleep(0)
                seen[lane].append(int(number))
                in_hand.discard(lane)
                assert await store.settle([settlement(each, Cause.ACCEPTED)]) == [True]
                done += 1

    async with asyncio.timeout(90):
        await asyncio.gather(
            *(publish(store, lane, 10 * which) for which, store in enumerate(stores) for lane in lanes),
            *(work(store) for store in stores),
        )

    for numbers in seen.values():
        assert len(numbers) == 18
        for which in range(3):
            own = [number for number in numbers if number // 10 == which]
            assert own == sorted(own)


async def test_many_at_once_get_no_more_room_than_there_is(stores: list[Store]) -> None:
    limits = (Limit(key="five", limit=5, per=1_000), Limit(key="wide", limit=40, per=1_000))
    answers = await asyncio.gather(
        *(
            store.reserve(Claim(org_id=1, delivery_id=f"d-{number % 60}", limits=limits, now=T0))
            for number in range(120)
            for store in stores
        )
    )
    granted = {number // 3 % 60 for number, answer in enumerate(answers) if answer == (None, None)}
    assert len(granted) == 5


async def test_a_worker_that_was_paused_settles_nothing_that_another_took(stores: list[Store]) -> None:
    await stores[0].record([make_publication()])
    late = await lease_one(stores[0], until=T0 + 100)
    taken = await lease_one(stores[1], now=T0 + 200, until=T0 + 900)

    assert await stores[0].renew([(late.delivery.id, late.fence)], until=T0 + 9_000) == [False]
    answers = await asyncio.gather(
        stores[0].settle([settlement(late, Cause.ACCEPTED)]), stores[1].settle([settlement(taken, Cause.REFUSED)])
    )
    assert tuple(answers) == ([False], [True])


async def test_an_event_that_calls_off_meets_a_settlement_without_losing_either(stores: list[Store]) -> None:
    off = CallOff(rule_id="rule-0", customer_id="c-7", reason="redeemed")
    made = [make_publication(make_event(f"e-{number}"), lane="a") for number in range(40)]
    revocable = [each._replace(deliveries=(each.deliveries[0]._replace(revocable=True),)) for each in made]
    await stores[0].record(revocable)
    calling = make_publication(make_event("off"), deliveries=0)._replace(call_offs=(off,))

    begun = asyncio.Event()

    async def send() -> int:
        sent = 0
        while leased := await stores[1].lease(now=T0 + 10, until=T0 + 9_000, limit=1):
            sent += sum(await stores[1].settle([settlement(leased[0], Cause.ACCEPTED)]))
            begun.set()
        return sent

    sending = asyncio.create_task(send())
    await begun.wait()
    await stores[2].record([calling])
    sent = await sending + await send()

    states = Counter([await state_of(stores[0], each.deliveries[0].id) for each in revocable])
    assert states == Counter({State.DELIVERED: sent, State.CANCELLED: 40 - sent})


async def test_work_recorded_by_one_wakes_the_others(stores: list[Store]) -> None:
    waiting = asyncio.create_task(stores[1].wait_for_work(timeout=60))
    await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()
    await stores[0].record([make_publication()])
    await waiting

    assert asyncio.get_running_loop().time() - started < 30
    assert len(await stores[1].lease(now=T0, until=T0 + 9, limit=1)) == 1


async def test_who_cannot_listen_looks_more_often(stores: list[Store]) -> None:
    started = asyncio.get_running_loop().time()
    await stores[2].wait_for_work(timeout=30)
    assert asyncio.get_running_loop().time() - started < 20


async def test_each_shares_what_is_due_fairly_among_organisations(stores: list[Store]) -> None:
    for org_id, count in ((1, 300), (2, 30)):
        events = [make_event(f"e-{number}", org_id=org_id, received_at=T0 + number) for number in range(count)]
        await stores[0].record([make_publication(each) for each in events])
    leases = [await stores[turn % 3].lease(now=T0 + 999, until=T0 + 9_999, limit=10) for turn in range(6)]
    assert [sum(each.delivery.org_id == 2 for each in lease) for lease in leases] == [5] * 6


async def test_what_is_past_its_time_goes_once(stores: list[Store]) -> None:
    await stores[0].record(make_publications(300, deliveries=0))
    retention = Retention(events_before=T0 + 10**6, deliveries_before=0)
    gone = 0
    for _ in range(100):
        counts = await asyncio.gather(*(store.purge(retention, limit=20) for store in stores))
        gone += sum(counts)
        if not any(counts):
            break

    assert gone == 300
    assert (await stores[1].list_events(EventFilter(), page_size=5, page_token="")).events == ()


async def test_nothing_is_left_in_a_session_that_a_pooler_could_not_hand_on(
    stores: list[Store], tmp_path: Path
) -> None:
    pooled = stores[2]
    await pooled.record(make_publications(3))
    await pooled.settle(
        [settlement(each, Cause.ACCEPTED) for each in await pooled.lease(now=T0 + 9, until=T0 + 99, limit=2)]
    )
    await pooled.backlog()
    connection = await asyncpg.connect(await database_url(shared_cluster(), tmp_path))
    try:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert await connection.fetchval(locks) == 0
        listening = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^LISTEN' AND datname = current_database()"
        assert await connection.fetchval(listening) == 2
    finally:
        await connection.close()
