"""A PostgreSQL with a standby: what is acknowledged is on both, and the standby that is promoted is found."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway_kit import eventually
from postgres_kit import Cluster, needs_postgres, shared_cluster
from standby_kit import either, primary_and_standby
from store_kit import make_publications
from tidings.errors import StoreUnavailable
from tidings.store import Recorded, Store, open_store
from tidings.store.postgres.hosts import by_host


def unless_unavailable(call: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    async def look() -> object:
        try:
            return await call()
        except StoreUnavailable:
            return None

    return look


async def recorded(store: Store, number: int) -> Recorded:
    (result,) = await store.record(make_publications(4)[number : number + 1])
    return result.recorded


async def refused(store: Store, text: str) -> bool:
    """Say whether an event is refused in these words."""
    with pytest.raises(StoreUnavailable) as caught:
        await recorded(store, 2)
    return re.search(text, str(caught.value)) is not None


async def cancelled(primary: Cluster, waiting: asyncio.Task[Recorded]) -> bool:
    """Cancel whatever waits for the standby; say whether the call has ended."""
    primary.tell("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    return waiting.done()


@pytest.mark.long
@needs_postgres
@pytest.mark.timeout(240)
async def test_what_was_acknowledged_is_on_the_standby_that_takes_over() -> None:
    with primary_and_standby() as (primary, standby):
        async with open_store(either(primary, standby, transaction_timeout_ms="2000")) as store:
            assert await recorded(store, 0) is Recorded.NEW
            await asyncio.to_thread(standby.stop)
            for _ in range(2):  # the second time it is there, committed on one side: it must not pass for a duplicate
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    await recorded(store, 1)
            # Nor may one pass for kept that somebody cancels while it waits, which the server only warns of.
            waiting = asyncio.create_task(recorded(store, 3))
            await eventually(lambda: cancelled(primary, waiting))
            assert "canceling wait for synchronous replication" in str(waiting.exception())
            await asyncio.to_thread(standby.start)
            assert await eventually(unless_unavailable(lambda: recorded(store, 1))) is Recorded.DUPLICATE

            await asyncio.to_thread(primary.stop, at_once=True)
            await eventually(lambda: refused(store, "none of the PostgreSQL hosts can serve"))
            assert await refused(
                store,
                f"{primary.folder}: it cannot be reached .*; {standby.folder}: it is a standby, or takes no writes",
            )
            await asyncio.to_thread(standby.promote)
            assert await eventually(unless_unavailable(lambda: recorded(store, 2))) is Recorded.NEW
            assert [await recorded(store, number) for number in (0, 1)] == [Recorded.DUPLICATE] * 2


@contextmanager
def silent_host(folder: Path) -> Iterator[str]:
    """A host that takes connections and never says a word, as when its machine has gone."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / ".s.PGSQL.5432"))
        listening.listen(100)
        yield str(folder)


@needs_postgres
async def test_a_first_host_that_says_nothing_leaves_time_for_the_second(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cluster = shared_cluster()
    with silent_host(tmp_path_factory.mktemp("h")) as silent:
        hosts = f"host={silent},{cluster.folder}"
        async with open_store(f"postgresql://tidings@/postgres?{hosts}&connect_timeout_ms=300&listen=false") as store:
            await store.check()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        (
            "postgresql://u:p@a:1,b/db?sslmode=require",
            [("a:1", "postgresql://u:p@a:1/db?sslmode=require"), ("b", "postgresql://u:p@b/db?sslmode=require")],
        ),
        (
            "postgresql://u@/db?host=/a,/b&port=1,2",
            [("/a:1", "postgresql://u@/db?host=%2Fa&port=1"), ("/b:2", "postgresql://u@/db?host=%2Fb&port=2")],
        ),
        (
            "postgresql://u@/db?host=/a,/b&port=7",
            [("/a:7", "postgresql://u@/db?host=%2Fa&port=7"), ("/b:7", "postgresql://u@/db?host=%2Fb&port=7")],
        ),
        (
            "postgresql://u@[::1]:5,c/db",
            [("[::1]:5", "postgresql://u@[::1]:5/db"), ("c", "postgresql://u@c/db")],
        ),
        ("postgresql://u@h/db", [("h", "postgresql://u@h/db")]),
        ("postgresql://u@/db?host=/a", [("", "postgresql://u@/db?host=/a")]),
        ("postgresql:///db", [("", "postgresql:///db")]),
    ],
)
def test_each_host_of_a_url_has_a_url_of_its_own(url: str, hosts: list[tuple[str, str]]) -> None:
    assert by_host(url) == hosts
