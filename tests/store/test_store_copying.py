"""Moving from SQLite to PostgreSQL: everything arrives as it was, or nothing does."""

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from gateway_kit import run_tidings, write_config
from postgres_kit import database_url, needs_postgres, shared_cluster
from rulebook_kit import write_rulebook
from store_kit import T0, lease_one, make_event, make_publication, make_publications, settlement
from tidings.errors import InvalidConfiguration, StoreUnavailable
from tidings.model import Cause, Contact, SuppressionReason, new_suppression
from tidings.store import (
    Claim,
    DeliveryFilter,
    EndpointState,
    EventFilter,
    Limit,
    Recorded,
    RejectedBody,
    Revision,
    Store,
    SuppressionFilter,
    open_store,
)
from tidings.store.copying import CopyDiffers, copy_store

pytestmark = needs_postgres

ODD = "nul\0 escape\x10 quote' emoji\N{PARTY POPPER}"
SENT = make_publication(make_event(ODD)._replace(customer_id=ODD, matched_rules=(ODD,)))
LIMIT = Limit(key="k", limit=1, per=10**9)


async def fill(store: Store) -> None:
    """Put something into every table."""
    await store.save_revision(Revision(id="rev-1", created_at=T0, archive=b"\0sources"))
    await store.record([SENT])
    leased = await lease_one(store)
    await store.settle([settlement(leased, Cause.REFUSED, reason=ODD)])
    await store.record([*make_publications(30), make_publication(make_event("a"), lane=ODD)])
    gathering = make_publication(make_event("g"), due_at=T0 + 10**6)
    await store.record([gathering._replace(deliveries=(gathering.deliveries[0]._replace(digest="k"),))])
    leased = await lease_one(store)
    await store.reserve(Claim(org_id=50750, delivery_id=leased.delivery.id, limits=(LIMIT,), now=T0))
    odd = {"name": ODD, ODD: "x"}
    await store.upsert_contacts(
        [Contact(org_id=1, customer_id=ODD, email="a@b.c", consents={"n": True}, attributes=odd)]
    )
    await store.suppress([new_suppression(1, "a@b.c", SuppressionReason.MANUAL, now=T0, detail=ODD)])
    await store.keep_rejected(
        RejectedBody(id="r", received_at=T0, intake="k42", reason="no", body=b"\0"), keep=9, not_before=0
    )
    await store.save_endpoint_state(EndpointState(org_id=1, name="crm", failing_since=T0))


async def everything(store: Store) -> list[object]:
    """Read whatever the store can tell."""
    deliveries = await store.list_deliveries(DeliveryFilter(), page_size=1_000, page_token="")
    events = await store.list_events(EventFilter(), page_size=1_000, page_token="")
    return [
        events.events,
        [await store.get_event(each.org_id, each.event_id) for each in events.events],
        [await store.get_delivery(each.id) for each in deliveries.deliveries],
        (await store.list_contacts(None, page_size=9, page_token="")).contacts,
        (await store.list_suppressions(SuppressionFilter(), page_size=9, page_token="")).suppressions,
        (await store.list_rejected(page_size=9, page_token="")).bodies,
        await store.endpoint_states(),
        await store.get_revision("rev-1"),
        await store.backlog(),
        await store.next_due(),
        await store.reserve(Claim(org_id=50750, delivery_id="other", limits=(LIMIT,), now=T0)),
    ]


@pytest.fixture
async def source(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'tidings.db'}"
    async with open_store(url) as store:
        await fill(store)
    return url


async def test_all_that_a_store_holds_arrives_and_goes_on(source: str, tmp_path: Path) -> None:
    target = await database_url(shared_cluster(), tmp_path)
    seen: list[tuple[str, int, int]] = []

    copied = await copy_store(source, target, moved=lambda *told: seen.append(told))

    rows = {each.table: each.rows for each in copied}
    assert all(rows.values()), rows
    assert (rows["event"], rows["delivery"]) == (33, 33)
    assert ("event", 33, 33) in seen
    async with open_store(source) as before, open_store(target) as after:
        assert await everything(after) == await everything(before)
        (again,) = await after.record([SENT])
        assert again.recorded is Recorded.DUPLICATE
        (new,) = await after.record([make_publication(make_event("new"))])
        assert new.recorded is Recorded.NEW
        await after.suppress([new_suppression(1, "c@d.e", SuppressionReason.MANUAL, now=T0)])


async def test_what_is_not_empty_is_left_alone(source: str, tmp_path: Path) -> None:
    target = await database_url(shared_cluster(), tmp_path)
    async with open_store(target) as store:
        await store.upsert_contacts([Contact(org_id=1, customer_id="c")])
    with pytest.raises(InvalidConfiguration, match="is not empty: contact has rows"):
        await copy_store(source, target, moved=lambda *_: None)


async def test_what_arrives_otherwise_is_not_kept(source: str, tmp_path: Path) -> None:
    target = await database_url(shared_cluster(), tmp_path)
    async with open_store(target):
        pass
    connection = await asyncpg.connect(target)
    await connection.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.name := 'x'; RETURN NEW; END$$;"
        "CREATE TRIGGER spoil BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION spoil()"
    )
    with pytest.raises(CopyDiffers, match="event: 33 rows were sent and 33 arrived, not all the same"):
        await copy_store(source, target, moved=lambda *_: None)
    assert await connection.fetchval("SELECT count(*) FROM delivery") == 0
    await connection.close()


async def test_a_store_that_a_gateway_writes_to_is_not_copied(source: str, tmp_path: Path) -> None:
    target = await database_url(shared_cluster(), tmp_path)
    with closing(sqlite3.connect(tmp_path / "tidings.db", isolation_level=None)) as gateway:
        gateway.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process holds it locked"):
            await copy_store(source, target, moved=lambda *_: None)


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        ("sqlite:///nowhere.db", "postgresql://x/y", "is no SQLite database that is there"),
        ("postgresql://x/y", "postgresql://x/y", "names no store that is supported"),
        ("sqlite:///nowhere.db", "sqlite://", "names no PostgreSQL"),
    ],
)
async def test_only_from_sqlite_to_postgresql(source: str, target: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration, match=problem):
        await copy_store(source, target, moved=lambda *_: None)


async def test_the_commands_say_where_the_tables_are_and_bring_them_on(source: str, tmp_path: Path) -> None:
    target = await database_url(shared_cluster(), tmp_path)
    rules = str(write_rulebook(tmp_path / "rules", crm="https://crm.example.com"))
    config = str(write_config(tmp_path, store=target, rules=rules))
    code, out, _ = await run_tidings("store", "status", "--config", config)
    assert (code, "at version 0" in out) == (1, True)
    code, _, told = await run_tidings("store", "migrate", "--config", config)
    assert (code, "were at version 0" in told) == (0, True)
    code, out, _ = await run_tidings("store", "status", "--config", config)
    assert (code, "the newest" in out) == (0, True)
    code, out, _ = await run_tidings("store", "copy", source, target)
    assert (code, "delivery" in out) == (0, True)
    code, _, told = await run_tidings("store", "copy", source, target)
    assert (code, "is not empty" in told) == (2, True)
