"""Purging on PostgreSQL: what it reads does not grow with what is kept, nor with what is gone already."""

from pathlib import Path

import asyncpg

from postgres_kit import database_url, needs_postgres, open_in_shared_cluster, shared_cluster
from store_kit import T0, make_event, make_publication, settlement
from tidings.model import Cause
from tidings.store import Retention, open_store
from tidings.store.postgres import PostgresSettings
from tidings.store.postgres.driver import SQL, Connection

pytestmark = needs_postgres

ENDED = (
    """
    INSERT INTO event SELECT n, 7, 'e-' || n, 'name', n, 'rev-1', '', '', NULL, '[]'
    FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO delivery (
        seq, id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, state,
        created_at, due_at, settled_at
    ) SELECT
        n, 'dlv_' || md5(n::text), n, 7, 'e-' || n, 'name', 'rev-1', 'rule', 0, 'email', 'customer:c-7', 'delivered',
        n, n, n
    FROM generate_series(1, 20000) AS n
    """,
)
"""Events that all may go, whose deliveries have all ended and stay for longer."""


async def test_no_batch_reads_all_deliveries_where_hardly_any_is_unfinished(tmp_path: Path) -> None:
    """The planner would rather read them all for each batch than look an event's up a hundred times."""
    url = await database_url(shared_cluster(), tmp_path)
    async with open_store(url):
        pass
    raw = await asyncpg.connect(url)
    for each in (*ENDED, "VACUUM ANALYZE"):
        await raw.execute(each)
    await Connection(raw, PostgresSettings()).begin()
    given = {"before": 19_000, "received_at": 0, "seq": 0, "limit": 100, "seqs": list(range(1, 101))}
    for name in ("events_to_drop", "drop_events"):
        statement = SQL[name]
        values = [given[each] for each in statement.names]
        plan = "\n".join(row[0] for row in await raw.fetch("EXPLAIN " + statement.text, *values))
        assert "Index Scan using delivery_event" in plan, plan
        assert "Seq Scan on delivery" not in plan, plan
    await raw.close()


async def test_a_pass_goes_on_where_it_was_and_begins_anew_before_it_ends(tmp_path: Path) -> None:
    """What stands dead in an index is not gone through for each batch; so a late one is found at the end of a pass."""
    past = Retention(events_before=0, deliveries_before=T0 + 99)
    async with open_in_shared_cluster(tmp_path) as store:
        await store.record([make_publication(make_event(f"e-{number}")) for number in range(3)])
        first, second, late = await store.lease(now=T0, until=T0 + 9_000, limit=3)
        for leased, at in ((first, T0 + 10), (second, T0 + 11)):
            await store.settle([settlement(leased, Cause.ACCEPTED)._replace(settled_at=at)])
        assert await store.purge(past, limit=1) == 1
        assert await store.purge(past, limit=1) == 1
        await store.settle([settlement(late, Cause.ACCEPTED)._replace(settled_at=T0 + 5)])
        assert [await store.purge(past, limit=1) for _ in range(3)] == [1, 0, 0]
