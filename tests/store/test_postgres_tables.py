"""The PostgreSQL store's migrations and query plans."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from postgres_kit import database_url, needs_postgres, shared_cluster
from tidings.errors import InvalidConfiguration
from tidings.store import open_store
from tidings.store.postgres import PostgresSettings
from tidings.store.postgres.driver import SQL, Connection, connect
from tidings.store.postgres.migrate import MIGRATIONS, migrate, version_of

pytestmark = needs_postgres


@asynccontextmanager
async def a_connection(folder: Path) -> AsyncIterator[Connection]:
    connection = await connect(await database_url(shared_cluster(), folder), PostgresSettings())
    try:
        yield connection
    finally:
        await connection.close()


async def test_an_empty_database_is_brought_to_the_newest_version_by_whoever_comes_first(tmp_path: Path) -> None:
    async with a_connection(tmp_path) as first, a_connection(tmp_path) as second:
        assert await version_of(first) == 0
        await asyncio.gather(migrate(first), migrate(second))
        assert await version_of(first) == len(MIGRATIONS)


async def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    good, bad = "CREATE TABLE one (x int);", "CREATE TABLE two (x int); CREATE TABLE one (x int);"
    async with a_connection(tmp_path) as connection:
        with pytest.raises(asyncpg.DuplicateTableError):
            await migrate(connection, [good, bad])
        assert await version_of(connection) == 1
        await migrate(connection, [good, "CREATE TABLE two (x int);"])
        assert await version_of(connection) == 2


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    newer = len(MIGRATIONS) + 1
    async with a_connection(tmp_path) as connection:
        await migrate(connection)
        await connection.change("note_migration", {"version": newer})
    with pytest.raises(InvalidConfiguration, match=f"at version {newer}, written by a newer release"):
        async with open_store(await database_url(shared_cluster(), tmp_path)):
            pass


WALKED = {"lock_lanes", "lock_keys", "lock_digests", "only_one_purges", "last_seqs"}
"""Statements that read no table, or only its ends."""

EXPECTED_INDEXES = {
    "decided_events": "event_org_id_event_id_key",
    "get_event": "event_org_id_event_id_key",
    "list_events": "event_pkey",
    "due_organisations": "delivery_queue",
    "lapsed_leases": "delivery_leased",
    "queue_heads": "delivery_queue",
    "take_deliveries": "delivery_pkey",
    "held_deliveries": "delivery_id_key",
    "renew_deliveries": "delivery_pkey",
    "settle_deliveries": "delivery_pkey",
    "next_due": "delivery_queue",
    "backlog": "delivery_queue",
    "get_delivery": "delivery_id_key",
    "attempts_of": "attempt_pkey",
    "list_all": "delivery_created",
    "list_by_org": "delivery_org_created",
    "list_by_event": "delivery_event",
    "list_unfinished": "delivery_queue",
    "list_failed": "delivery_failed",
    "deliveries_by_id": "delivery_id_key",
    "events_to_keep": "event_pkey",
    "pick_by_event": "delivery_event",
    "pick_failed": "delivery_failed",
    "pick_unfinished": "delivery_queue",
    "deliveries_to_call_off": "delivery_revocable",
    "note_call_off": "delivery_pkey",
    "move_deliveries": "delivery_pkey",
    "hasten_deliveries": "delivery_queue",
    "lock_lanes_of": "delivery_id_key",
    "park_followers": "delivery_lane",
    "release_heads": "delivery_parked",
    "room_left": "reservation_newest",
    "keep_reservations": "reservation_delivery",
    "drop_reservations": "reservation_delivery",
    "drop_deliveries": "delivery_settled",
    "events_to_drop": "event_received",
    "drop_events": "event_pkey",
    "drop_revisions": "delivery_pkey",
    "drop_old_reservations": "reservation_sent",
    "persons_unfinished": "delivery_pkey",
    "persons_in_hands": "delivery_pkey",
    "persons_deliveries": "delivery_pkey",
    "persons_under_way": "delivery_queue",
    "scrub_attempts": "attempt_pkey",
    "scrub_deliveries": "delivery_pkey",
    "scrub_events": "event_pkey",
    "crowded_contacts": "contact_pkey",
    "get_contact": "contact_pkey",
    "contacts_named": "contact_pkey",
    "list_contacts": "contact_pkey",
    "drop_contact": "contact_pkey",
    "drop_suppressions": "suppression_org_id_address_key_reason_key",
    "suppressions_of": "suppression_org_id_address_key_reason_key",
    "list_suppressions": "suppression_pkey",
    "drop_expired_suppressions": "suppression_expiry",
    "lock_digests_of": "digest_pkey",
    "try_digests_of": "digest_pkey",
    "open_digest": "digest_open",
    "hold_digest": "delivery_pkey",
    "stretch_expiry": "delivery_pkey",
    "take_digests": "digest_pkey",
    "reopen_digests": "digest_pkey",
    "close_digests": "digest_pkey",
    "members_to_call_off": "delivery_revocable",
    "members_of_person": "event_pkey",
    "drop_members": "digest_member_pkey",
    "shrink_expiry": "digest_member_pkey",
    "empty_digests": "digest_member_pkey",
    "gathered": "digest_member_pkey",
    "scrub_suppressions": "suppression_org_id_address_key_reason_key",
}

SMALL = {
    "migrations_table",
    "newest_migration",
    "endpoint_states",
    "forget_endpoint",
    "get_revision",
    "use_revisions",
    "beat",
    "rejected_bodies",
    "drop_rejected",
    "drop_rejected_bodies",
    "list_rejected",
    "lock_migrations",
    "lock_revisions",
    "columns_of_tables",
    "set_event_seq",
    "set_delivery_seq",
    "set_suppression_seq",
    "set_rejected_seq",
    "tell_others",
    "lock_gateways",
    "gateways",
    "drop_gateway",
    "drop_rates",
    "count_dispatching",
    "shares_of_endpoint",
    "drop_share",
    "rate_of_endpoint",
    "endpoint_rates",
    "endpoint_pauses",
    "drop_pause",
}
"""Statements on tables that stay small, on none, or only of a store that is moved."""

WALKS = re.compile(r"Seq Scan on (event|delivery|attempt|contact|digest|digest_member|reservation|suppression)\b")

VALUES = {
    "limit": "101",
    "created_at": "9223372036854775807",
    "created_from": "-9223372036854775808",
    "id": "''",
    "before": "39000",
    "received_at": "0",
    "settled_at": "0",
    "seq": "0",
    "first": "-9223372036854775808",
    "now": "39000",
    "after": "0",
    "org_id": "7",
    "first_org_id": "7",
    "last_org_id": "7",
    "customer_id": "'c-7'",
    "recipient": "NULL",
    "rule_id": "NULL",
    "channel": "NULL",
    "name": "NULL",
    "reason": "NULL",
    "event_id": "'e-7'",
    "eventless": "true",
    "states": "NULL",
}
WAITING = {"states": "'{waiting,held}'"}
ENDED = {"states": "'{dead,cancelled}'"}
OTHER_VALUES = {
    "list_unfinished": WAITING,
    "pick_unfinished": WAITING,
    "pick_by_event": WAITING,
    "list_failed": ENDED,
    "pick_failed": ENDED,
    "hasten_deliveries": {"recipient": "'customer:c-7'"},
}
"""What statements that read a part are given; PostgreSQL plans these for the values that they have."""

HISTORY = """
INSERT INTO event SELECT n, n % 50, 'e-' || n, 'name', n, 'rev-1', '', '', 'c-' || n % 4000, '[]'
FROM generate_series(1, 40000) AS n;
INSERT INTO delivery (
    seq, id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, customer_id,
    state, created_at, due_at, wake_at, parked_at, settled_at, lane, revocable
) SELECT
    n, 'dlv_' || md5(n::text), n, n % 50, 'e-' || n, 'name', 'rev-1', 'rule-' || n % 20, 0, 'email',
    'customer:c-' || n % 4000, 'c-' || n % 4000,
    CASE WHEN n < 38000 THEN 'delivered' WHEN n < 38500 THEN 'dead' WHEN n < 38600 THEN 'sending' ELSE 'waiting' END,
    n, n, CASE WHEN n >= 38500 AND n % 5 > 0 THEN n END, CASE WHEN n >= 38600 AND n % 5 = 0 THEN n END,
    CASE WHEN n < 38500 THEN n END, CASE WHEN n % 2 = 0 THEN 'lane-' || n % 3000 END, n % 10 = 0
FROM generate_series(1, 40000) AS n;
INSERT INTO attempt SELECT n, 1, n, 5, 'accepted', 250, 'ok' FROM generate_series(1, 38500) AS n;
INSERT INTO reservation SELECT n % 50, 'key-' || n % 3000, n, 'u-' || n, 'dlv_' || md5(n::text)
FROM generate_series(1, 20000) AS n;
INSERT INTO digest SELECT n, n % 50, 'key-' || n, n, CASE WHEN n > 38600 THEN 1 END
FROM generate_series(20001, 40000) AS n;
INSERT INTO digest_member SELECT n, n, 'e-' || n, n, NULL FROM generate_series(20001, 40000) AS n;
INSERT INTO contact SELECT n % 50, 'c-' || n, NULL, NULL, NULL, NULL, '{}', '{}' FROM generate_series(1, 20000) AS n;
INSERT INTO suppression (org_id, address_key, reason, detail, created_at, expires_at)
SELECT n % 50, sha256(n::text::bytea), 'hard_bounce', '', n, n + 1000000 FROM generate_series(1, 20000) AS n;
VACUUM ANALYZE;
"""


@pytest.fixture
async def plans(tmp_path: Path) -> AsyncIterator[Any]:
    """Explain statements for any values, over 40,000 deliveries of which 1,500 have not ended."""
    url = await database_url(shared_cluster(), tmp_path)
    async with open_store(url):
        pass
    connection = await asyncpg.connect(url)
    for part in HISTORY.split(";\n"):
        if part.strip():
            await connection.execute(part)

    async def plan_of(name: str) -> str:
        statement = SQL[name]
        mode = "custom" if "limit" in statement.names else "generic"
        await connection.execute(f"SET plan_cache_mode = force_{mode}_plan")
        await connection.execute(f"PREPARE {name} AS {statement.text}")
        given = VALUES | OTHER_VALUES.get(name, {})
        values = ", ".join(given[each] if mode == "custom" else "NULL" for each in statement.names)
        rows = await connection.fetch(f"EXPLAIN EXECUTE {name}" + (f" ({values})" if values else ""))
        return "\n".join(row[0] for row in rows)

    yield plan_of
    await connection.close()


@pytest.mark.long
async def test_no_statement_walks_through_the_history(plans: Any) -> None:
    found = {name: await plans(name) for name in EXPECTED_INDEXES}

    assert {name: plan for name, plan in found.items() if WALKS.search(plan)} == {}
    assert {name: found[name] for name, index in EXPECTED_INDEXES.items() if index not in found[name]} == {}


@pytest.mark.long
async def test_no_queue_or_history_is_sorted_or_gathered_whole(plans: Any) -> None:
    """What a lease reads grows neither with what waits nor with what has ended."""
    for name in ("due_organisations", "lapsed_leases", "queue_heads", "next_due", "list_all", "list_by_org"):
        plan = await plans(name)
        assert "Sort" not in plan, plan
        assert "Bitmap" not in plan, plan


async def test_a_batch_is_found_by_its_index_while_the_table_is_small(tmp_path: Path) -> None:
    """A whole batch is a fair part of a small table; by the planner's price for a page of a disk all of it is read."""
    url = await database_url(shared_cluster(), tmp_path)
    async with open_store(url):
        pass
    raw = await asyncpg.connect(url)
    deliveries = HISTORY.split(";\n")[1]
    await raw.execute(deliveries.replace("(1, 40000)", "(1, 15000)"))
    await raw.execute("ANALYZE")
    connection = Connection(raw, PostgresSettings())
    await connection.begin()
    batch = list(range(10_000, 10_256))
    found = await raw.fetch("EXPLAIN " + SQL["take_deliveries"].text, 0, batch)
    await raw.close()
    plan = "\n".join(row[0] for row in found)
    assert "Index Scan using delivery_pkey" in plan, plan


def test_every_reading_statement_has_its_plan_proved() -> None:
    reading = {name for name, each in SQL.items() if re.search(r"^(SELECT|WITH|DELETE|UPDATE)", each.text)}
    inserting = {name for name, each in SQL.items() if "INSERT INTO" in each.text}
    assert reading - inserting - SMALL - WALKED == set(EXPECTED_INDEXES)
