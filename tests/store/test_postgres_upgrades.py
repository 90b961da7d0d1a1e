"""Gateways of the release before go on while a newer one brings the tables up to date."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from postgres_kit import database_url, needs_postgres, shared_cluster
from store_kit import T0, make_event, make_publication, settlement
from tidings.model import Cause, Contact, State
from tidings.store import Recorded, Retention, Store, open_store
from tidings.store.postgres import PostgresSettings
from tidings.store.postgres.driver import connect
from tidings.store.postgres.migrate import MIGRATIONS, migrate

_ADDS = tuple(
    re.compile(each, re.IGNORECASE | re.DOTALL)
    for each in (
        r"CREATE TABLE \w+ \(.*\)",
        r"CREATE SEQUENCE \w+",
        r"CREATE INDEX \w+ ON \w+ .*",  # one that is unique would refuse what older code writes
        r"ALTER TABLE \w+ ADD COLUMN \w+ [^,;]*",
        r"ALTER TABLE \w+ SET \([^;]*\)",
    )
)
_NEW_TABLE = re.compile(r"CREATE TABLE (\w+) ", re.IGNORECASE)
_UNIQUE = re.compile(r"CREATE UNIQUE INDEX \w+ ON (\w+) .*", re.IGNORECASE)
_LACKS_DEFAULT = re.compile(r"ALTER TABLE \w+ ADD COLUMN (?!.*\bDEFAULT\b).*\bNOT NULL\b", re.IGNORECASE | re.DOTALL)


def statements_of(step: str) -> Iterator[str]:
    plain = re.sub(r"--[^\n]*", "", step)
    yield from filter(None, (" ".join(each.split()) for each in plain.split(";")))


def burdens(step: str) -> list[str]:
    """Return the statements of a step that code which does not know them could stumble over."""
    statements = list(statements_of(step))
    new = {found[1] for each in statements if (found := _NEW_TABLE.match(each))}
    return [each for each in statements if not _is_harmless(each, new)]


def _is_harmless(statement: str, new_tables: Collection[str]) -> bool:
    if unique := _UNIQUE.fullmatch(statement):
        return unique[1] in new_tables
    return not _LACKS_DEFAULT.match(statement) and any(kind.fullmatch(statement) for kind in _ADDS)


@pytest.mark.parametrize("number", range(1, len(MIGRATIONS)))
def test_a_step_only_adds(number: int) -> None:
    """What older code does not know of it leaves alone: what it writes is still allowed, what it reads still there."""
    assert burdens(MIGRATIONS[number]) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE event DROP COLUMN trace",
        "ALTER TABLE event RENAME COLUMN trace TO traceparent",
        "ALTER TABLE event ALTER COLUMN trace SET NOT NULL",
        "ALTER TABLE event ADD COLUMN size bigint NOT NULL",
        "ALTER TABLE event ADD COLUMN a bigint, DROP COLUMN b",
        "CREATE UNIQUE INDEX one ON event (name)",
        "DROP INDEX event_received",
        "UPDATE event SET trace = NULL",
    ],
)
def test_what_older_code_would_stumble_over_is_noticed(statement: str) -> None:
    assert burdens(f"{statement}; CREATE TABLE other (x int); ALTER TABLE event ADD COLUMN y int DEFAULT 0") == [
        statement
    ]


async def work(store: Store, name: str) -> State:
    """Use every table that a gateway uses day by day, one call at a time."""
    await store.upsert_contacts([Contact(org_id=50750, customer_id=name)])
    (result,) = await store.record([make_publication(make_event(name))])
    assert result.recorded is Recorded.NEW
    (leased,) = await store.lease(now=T0 + 1_000, until=T0 + 9_000, limit=10, weights=MappingProxyType({}))
    assert await store.renew([(leased.delivery.id, leased.fence)], until=T0 + 9_500) == [True]
    assert await store.settle([settlement(leased, Cause.ACCEPTED)]) == [True]
    assert await store.get_event(50750, name) is not None
    assert await store.get_contact(50750, name) is not None
    await store.purge(Retention(events_before=0, deliveries_before=0), limit=10)
    found = await store.get_delivery(leased.delivery.id)
    assert found is not None
    return found[0].state


@needs_postgres
async def test_a_gateway_goes_on_while_another_adds_to_the_tables_that_it_uses(tmp_path: Path) -> None:
    """Its prepared statements are of tables that have changed since."""
    url = await database_url(shared_cluster(), tmp_path)
    tables = ("event", "delivery", "attempt", "contact", "rejected_body", "revision", "endpoint_state")
    step = "".join(f"ALTER TABLE {each} ADD COLUMN later text NOT NULL DEFAULT '';" for each in tables)
    async with open_store(url) as store:
        assert await work(store, "before") is State.DELIVERED
        newer = await connect(url, PostgresSettings())
        await migrate(newer, [*MIGRATIONS, step])
        await newer.close()
        assert await work(store, "after") is State.DELIVERED
