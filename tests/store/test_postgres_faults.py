"""What the PostgreSQL store does when its server is stopped, paused, full, locked or refuses."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway_kit import eventually
from postgres_kit import a_cluster, database_url, needs_postgres, shared_cluster
from store_kit import T0, lease_one, make_event, make_publication, make_publications, settlement, waiting
from tidings.errors import InvalidConfiguration, Overloaded, StoreUnavailable
from tidings.model import Cause
from tidings.store import Publication, Recorded, Store, open_store
from tidings.store.postgres import PostgresSettings, open_postgres, read_url

pytestmark = needs_postgres

HASTY = PostgresSettings(
    connect_timeout_ms=2_000, statement_timeout_ms=1_000, idle_timeout_ms=1_000, transaction_timeout_ms=3_000
)


@asynccontextmanager
async def hasty_store(url: str, settings: PostgresSettings = HASTY) -> AsyncIterator[Store]:
    async with open_postgres(url, settings) as store:
        yield store


@asynccontextmanager
async def another(url: str) -> AsyncIterator[Any]:
    """A connection of somebody else's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def soon(call: Callable[[], Awaitable[object]]) -> None:
    """Call until it is served."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call()
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("at_once", [False, True], ids=["stopped", "crashed"])
async def test_what_was_acknowledged_survives_and_the_store_goes_on_by_itself(at_once: bool) -> None:  # noqa: FBT001 (a parameter)
    acknowledged: list[Publication] = []
    refused = 0
    over = asyncio.Event()

    async def publish(store: Store, worker: int) -> None:
        nonlocal refused
        for number in range(100_000):
            publication = make_publication(make_event(f"e-{worker}-{number}"))
            try:
                await store.record([publication])
            except StoreUnavailable:
                refused += 1
                await asyncio.sleep(0.02)
            else:
                acknowledged.append(publication)
            if over.is_set():
                return

    async def more_than(count: int) -> None:
        async def look() -> bool | None:
            return len(acknowledged) > count or None

        await eventually(look)

    with a_cluster(durable=True) as cluster:
        async with hasty_store(cluster.url("postgres")) as store:
            workers = [asyncio.create_task(publish(store, number)) for number in range(5)]
            await more_than(100)
            await asyncio.to_thread(cluster.stop, at_once=at_once)
            before = len(acknowledged)
            with pytest.raises(StoreUnavailable):
                await store.check()
            await asyncio.to_thread(cluster.start)
            await more_than(before + 100)
            over.set()
            await asyncio.gather(*workers)

            found = [await store.get_delivery(each.deliveries[0].id) for each in acknowledged]

    assert refused > 0
    assert found == [(waiting(each), ()) for each in acknowledged]


@pytest.mark.long
async def test_a_server_that_says_nothing_is_unavailable_until_it_goes_on() -> None:
    first, second = make_publications(2)
    with a_cluster(durable=False) as cluster:
        async with hasty_store(cluster.url("postgres")) as store:
            await store.record([first])
            with cluster.standing_still():
                async with asyncio.timeout(40):
                    for call in (store.record([second]), store.get_event(50750, "e-0"), store.backlog()):
                        with pytest.raises(StoreUnavailable):
                            await call

            await soon(lambda: store.record([second]))
            assert await store.get_event(50750, "e-1") == second.event


async def test_a_full_disk_keeps_nothing_of_a_batch(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    good, late = make_publications(2)
    async with hasty_store(url) as store, another(url) as other:
        await other.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$;"
            "CREATE TRIGGER full_disk AFTER INSERT ON delivery EXECUTE FUNCTION full_disk()"
        )
        with pytest.raises(StoreUnavailable, match="its disk is full"):
            await store.record([good])
        assert await store.get_event(50750, "e-0") is None
        await other.execute("DROP TRIGGER full_disk ON delivery")
        (result,) = await store.record([good])
        assert result.recorded is Recorded.NEW
        await store.record([late])


async def test_a_lock_that_lasts_is_waited_for_no_longer_than_a_statement_may_take(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    (publication,) = make_publications(1)
    async with hasty_store(url) as store, another(url) as other:
        await store.record([])
        locking = other.transaction()
        await locking.start()
        await other.execute("LOCK TABLE event")
        with pytest.raises(StoreUnavailable, match="has ended the statement"):
            await store.record([publication])
        await locking.rollback()
        (result,) = await store.record([publication])
        assert result.recorded is Recorded.NEW


async def test_two_transactions_in_each_others_way_both_get_through(tmp_path: Path) -> None:
    """A deadlock is tried again, for whoever asked did nothing wrong."""
    url = await database_url(shared_cluster(), tmp_path)
    settings = PostgresSettings(statement_timeout_ms=20_000)
    first, second = sorted(make_publications(2), key=lambda each: each.event.event_id)
    insert = (
        "INSERT INTO event SELECT nextval('event_seq'), 50750, $1, 'n', 0, 'r', '', $2, NULL, '[]' "
        "ON CONFLICT DO NOTHING"
    )
    async with open_postgres(url, settings) as store, another(url) as other:
        async with other.transaction():
            await other.execute(insert, second.event.event_id, second.event.digest)
            recording = asyncio.create_task(store.record([first, second]))
            await eventually(lambda: other.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"))
            await other.execute("SET LOCAL deadlock_timeout = '60s'")  # so that it is the store that is ended
            await other.execute(insert, first.event.event_id, first.event.digest)
        results = await recording
    assert [each.recorded for each in results] == [Recorded.DUPLICATE] * 2


async def test_a_settlement_whose_answer_was_lost_counts_once(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    async with hasty_store(url) as store, another(url) as other:
        await store.record([make_publication()])
        leased = await lease_one(store)
        assert await store.settle([settlement(leased, Cause.ACCEPTED)]) == [True]
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        await soon(store.check)
        assert await store.settle([settlement(leased, Cause.ACCEPTED)]) == [False]


async def test_a_standby_is_unavailable(tmp_path: Path) -> None:
    cluster = shared_cluster()
    url = await database_url(cluster, tmp_path)
    name = url.partition("@/")[2].partition("?")[0]
    async with another(cluster.url("postgres")) as admin:
        await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable, match="standby, or takes no writes"):
        async with open_store(url):
            pass


async def test_too_much_at_once_is_refused(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    async with open_postgres(url, PostgresSettings(queue_limit=50)) as store:
        results = await asyncio.gather(
            *(store.record([each]) for each in make_publications(300)), return_exceptions=True
        )
        refused = [each for each in results if isinstance(each, BaseException)]
        assert len(refused) == 250
        assert all(isinstance(each, Overloaded) for each in refused)


async def test_a_database_that_hangs_holds_only_so_many_bytes(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    large = [make_publication(make_event(f"e-{number}", content=bytes(10_000))) for number in range(30)]
    async with open_postgres(url, PostgresSettings(queue_bytes=100_000)) as store, another(url) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE event")
            calls = [asyncio.create_task(store.record([each])) for each in large]
            done, waiting = await asyncio.wait(calls, timeout=0.2)
        assert {type(each.exception()) for each in done} == {Overloaded}
        assert len(waiting) == 10
        await asyncio.gather(*waiting)
        assert (await store.record(large))[-1].recorded is Recorded.NEW  # alone, more than the limit is taken


async def test_a_database_that_is_not_there_is_a_matter_of_configuration() -> None:
    with pytest.raises(InvalidConfiguration, match="there is no such database"):
        async with open_store(shared_cluster().url("nobody_made_it")):
            pass


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        async with open_store(f"postgresql://tidings@/db?host={tmp_path}"):
            pass


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("statement_timeout_ms=soon", "statement_timeout_ms='soon' in the URL must be a whole number"),
        ("listen=1", "listen='1' in the URL must be true or false"),
        ("connect_timeout_ms=0", "connect_timeout_ms must be at least 1"),
    ],
)
def test_options_that_say_nothing_are_refused(options: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(problem)):
        read_url(f"postgresql://tidings@db.example/tidings?{options}")


def test_our_options_are_taken_out_of_the_url_and_the_drivers_stay() -> None:
    url = "postgresql://tidings@db.example/tidings?sslmode=verify-full&statement_cache_size=0&sslrootcert=/ca.pem&listen=false"
    assert read_url(url) == (
        "postgresql://tidings@db.example/tidings?sslmode=verify-full&sslrootcert=%2Fca.pem",
        PostgresSettings(statement_cache_size=0, listen=False),
    )


async def test_calls_at_the_same_time_share_transactions(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    async with open_postgres(url) as store:
        before = store.transactions
        await asyncio.gather(*(store.record([each]) for each in make_publications(1_000)))
        assert store.transactions - before <= 20
        assert len(await store.lease(now=T0 + 1_000, until=T0 + 9_000, limit=2_000)) == 1_000
