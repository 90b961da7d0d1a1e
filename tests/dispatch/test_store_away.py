"""A store that is away for longer than a lease lasts: what was sent meanwhile is settled, not sent again."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from channels_kit import SECRET
from dispatch_kit import all_in, dispatching, open_desk, rulebook, until
from sink_kit import Reply, http_sink
from tidings.model import State
from tidings.store.sqlite import SqliteSettings, open_sqlite

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
                await until(lambda: not dispatcher._tasks)
                await asyncio.sleep(1.2)  # settling is tried again twice a second
                other.execute("ROLLBACK")
            await all_in(desk, State.DELIVERED, names)
            attempts = [len((await desk.delivery(name))[1]) for name in names]
    assert attempts == [1] * 10
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)
