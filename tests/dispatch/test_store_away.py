"""A store that is away for longer than a lease lasts: what was sent meanwhile is settled, not sent again."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from structlog.testing import capture_logs

from channels_kit import SECRET
from dispatch_kit import all_in, dispatching, open_desk, rulebook, until
from sink_kit import Reply, http_sink
from tidings.errors import StoreUnavailable
from tidings.model import State
from tidings.rulebook import Rulebook, Rulebooks
from tidings.store import Store
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.store import open_sqlite
from tidings.telemetry import events

HOUR = 3_600_000


async def test_what_was_sent_while_the_store_was_away_is_settled_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        open_sqlite(str(path), SqliteSettings(busy_timeout_ms=20)) as store,
    ):
        desk.store = store
        sink.default = Reply(fault="hold")
        async with dispatching(desk, lease=60) as dispatcher:
            names = await desk.publish(10)
            await until(lambda: len(sink.received) == 10)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                sink.release.set()
                sink.default = Reply()
                desk.clock.shift += HOUR  # every lease is long over
                await until(lambda: not dispatcher._workers.under_way)
                await asyncio.sleep(1.2)  # settling is tried again twice a second
                other.execute("ROLLBACK")
            await all_in(desk, State.DELIVERED, names)
            attempts = [len((await desk.delivery(name))[1]) for name in names]
    assert attempts == [1] * 10
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


class Deaf:
    """A store that cannot be listened to the first few times."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.faults = 2

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (the port's signature)
        if self.faults:
            self.faults -= 1
            raise StoreUnavailable("nobody answers")
        await self._store.wait_for_work(timeout=timeout)


async def test_a_store_that_cannot_be_listened_to_is_away_and_no_fault_of_ours() -> None:
    async with http_sink(SECRET) as sink, open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk:
        deaf = Deaf(desk.store)
        desk.store = cast("Store", deaf)
        with capture_logs() as heard:
            async with dispatching(desk):
                await until(lambda: not deaf.faults)
                await all_in(desk, State.DELIVERED, await desk.publish(1))
    assert {each["event"] for each in heard if each["log_level"] != "info"} == {events.STORE_UNAVAILABLE}


async def test_what_could_not_be_looked_up_is_no_attempt_and_waits_for_the_store() -> None:
    """A delivery of a past revision is sent by the rulebook that decided it, which the store keeps."""
    faults = 2

    async def read_past(_: str) -> Rulebook:
        nonlocal faults
        if faults:
            faults -= 1
            raise StoreUnavailable("nobody answers")
        return past

    async with http_sink(SECRET) as sink:
        past = rulebook(f"name: crm, url: '{sink.url}'")
        async with open_desk(past) as desk:
            (name,) = await desk.publish(1)
            desk.rulebooks = Rulebooks(rulebook(f"name: crm, url: '{sink.url}', rate: 100/s"), read_past=read_past)
            with capture_logs() as heard:
                async with dispatching(desk):
                    await all_in(desk, State.DELIVERED, [name])
            assert len((await desk.delivery(name))[1]) == 1
    assert [each["event"] for each in heard if each["log_level"] != "info"] == [events.STORE_UNAVAILABLE] * 2
