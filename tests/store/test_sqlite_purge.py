"""What the SQLite store must not leave behind when it lets go of things, and how a feed ends with its store."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

from store_kit import T0, lease_one, make_publications, settlement
from tidings.model import Cause
from tidings.store import DeliveryChange, Retention, Revision, open_store
from tidings.store.sqlite.store import open_sqlite

TABLES = ("event", "event_run", "event_page", "delivery", "attempt", "revision")


def counts_in(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (a literal above)
            for table in TABLES
        }


async def test_nothing_is_left_of_what_is_past_its_time(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    async with open_store(f"sqlite:///{path}") as store:
        for name in ("rev-1", "rev-2"):
            await store.save_revision(Revision(id=name, created_at=T0, archive=b"sources"))
        await store.record(make_publications(30))
        for cause in [Cause.DEFERRED] * 30 + [Cause.ACCEPTED] * 30:
            await store.settle([settlement(await lease_one(store, now=T0 + 100), cause, due_at=T0 + 50)])
        assert counts_in(path) == dict.fromkeys(TABLES, 0) | {
            "event": 30,
            "delivery": 30,
            "attempt": 60,
            "revision": 2,
        }

        gone = [
            await store.purge(Retention(events_before=T0 + 99, deliveries_before=T0 + 9_000), limit=8) for _ in range(9)
        ]

    assert (gone, counts_in(path)) == ([8, 8, 8, 8, 8, 8, 8, 5, 0], dict.fromkeys(TABLES, 0) | {"revision": 1})


async def test_a_batch_is_one_transaction(tmp_path: Path) -> None:
    async with open_sqlite(str(tmp_path / "tidings.db")) as store:
        await store.record(make_publications(50, deliveries=0))
        before = store.transactions
        await store.purge(Retention(events_before=T0 + 99, deliveries_before=0), limit=20)

        assert store.transactions - before == 1


async def test_a_feed_ends_with_its_store() -> None:
    async def follow(changes: AsyncIterator[DeliveryChange]) -> list[str]:
        return [each.state async for each in changes]

    async with AsyncExitStack() as following:
        async with open_store("sqlite://") as store:
            await store.record(make_publications(1))
            changes = await following.enter_async_context(store.changes())
            await lease_one(store)

        assert await follow(changes) == ["sending"]
