"""That an erased address is in no byte of the database's files, while the store is still open."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from store_kit import T0, make_event, make_publication, settlement
from tidings.errors import StoreUnavailable
from tidings.model import Cause, Contact, SuppressionReason, new_suppression
from tidings.store import Erasure, Person, Publication, RejectedBody, Store
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.store import open_sqlite

ADDRESS = "asha.rao@example.com"
PERSON = Person(org_id=50750, customer_id="c-asha.rao", addresses=(ADDRESS,))


def happened(number: int, customer: str) -> Publication:
    """Return an event of a customer; every tenth is so long that it takes pages of its own."""
    words = f"{customer}@example.com ".encode() * (600 if number % 10 == 0 else 3)
    event = make_event(f"e-{number}", content=words, received_at=T0)._replace(customer_id=customer)
    made = make_publication(event, lane=f"crm:{customer}")
    return made._replace(deliveries=tuple(each._replace(customer_id=customer) for each in made.deliveries))


async def live(store: Store) -> None:
    """Let a person and others leave traces everywhere, among each other, some of them more than once."""
    for turn in range(3):
        names = [f"c-{number}" for number in range(40)] + [PERSON.customer_id]
        told = [Contact(org_id=50750, customer_id=name, email=f"{name[2:]}@example.com" + "x" * turn) for name in names]
        await store.upsert_contacts(told)
        first = turn * 200
        await store.record(
            [happened(n, PERSON.customer_id if n % 3 else f"c-{n % 40}") for n in range(first, first + 200)]
        )
        leased = await store.lease(now=T0 + 10, until=T0 + 60_000, limit=80)
        await store.settle(
            [settlement(each, Cause.REFUSED, reason=f"550 <{each.delivery.customer_id}> not here") for each in leased]
        )
        body = f"mail {ADDRESS} ".encode() * 500
        await store.keep_rejected(
            RejectedBody(id=f"rej_{turn}", received_at=T0, intake="k", reason="no JSON", body=body),
            keep=2,
            not_before=0,
        )
    await store.suppress([new_suppression(50750, ADDRESS, SuppressionReason.HARD_BOUNCE, now=T0, detail=ADDRESS)])


def files_that_hold(folder: Path, words: str) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if words.encode() in each.read_bytes())


async def test_no_file_of_the_database_holds_an_erased_address(tmp_path: Path) -> None:
    async with open_sqlite(str(tmp_path / "tidings.db")) as store:
        await live(store)
        assert "tidings.db-wal" in files_that_hold(tmp_path, ADDRESS)
        done = await store.erase(PERSON, now=T0 + 100)
        assert (done.under_way, done.contacts, done.suppressions) == (0, 1, 1)
        assert files_that_hold(tmp_path, ADDRESS) == []
        assert "tidings.db" in files_that_hold(tmp_path, "7@example.com")


async def test_an_erasure_whose_log_is_in_use_says_so_and_can_be_done_again(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    async with open_sqlite(str(path), SqliteSettings(busy_timeout_ms=100)) as store:
        await live(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchone()
            with pytest.raises(StoreUnavailable, match="erase it again"):
                await store.erase(PERSON, now=T0 + 100)
            assert files_that_hold(tmp_path, ADDRESS) != []
        assert await store.erase(PERSON, now=T0 + 100) == Erasure()
        assert files_that_hold(tmp_path, ADDRESS) == []
