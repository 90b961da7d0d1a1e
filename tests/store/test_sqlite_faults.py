"""What the SQLite store does when its process is killed, its file locked, or its disk full or broken."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from disk_kit import largest_file
from family_kit import writer_process
from long_kit import at_length
from store_kit import make_event, make_publication, make_publications, waiting
from tidings.errors import InvalidConfiguration, Overloaded, StoreUnavailable
from tidings.model import Contact
from tidings.store import DeliveryFilter, Publication, Store, open_store
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.key_runs import RUN
from tidings.store.sqlite.store import open_sqlite

PROCESS = "process"


@pytest.fixture(params=["thread", PROCESS])
def writer(request: pytest.FixtureRequest) -> str:
    """What writes to the file."""
    return str(request.param)


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (a literal below)
        return count


@pytest.mark.parametrize("acknowledged", [1, 60, at_length(400, RUN)])  # by then the first run of keys is written
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, acknowledged: int, writer: str) -> None:
    url = f"sqlite:///{tmp_path / 'tidings.db'}"
    program = [sys.executable, str(Path(__file__).with_name("acknowledging.py")), url, writer]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as child:  # noqa: ASYNC220 (nothing else runs here)
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(acknowledged)]
        child.kill()
        told += child.stdout.readlines()
    publications = [make_publication(make_event(f"e-{int(line)}")) for line in told if line.endswith("\n")]

    async with open_store(url) as store:
        found = [await store.get_delivery(each.deliveries[0].id) for each in publications]
        events = [await store.get_event(50750, each.event.event_id) for each in publications]

    assert len(publications) >= acknowledged
    assert found == [(waiting(each), ()) for each in publications]
    assert events == [each.event for each in publications]


async def test_calls_at_the_same_time_share_transactions(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "tidings.db"
    async with open_sqlite(str(path), apart=writer == PROCESS) as store:
        before = store.transactions
        await asyncio.gather(*(store.record([each]) for each in make_publications(1_000)))

        assert store.transactions - before <= 20
    assert rows(path, "event") == rows(path, "delivery") == 1_000


async def test_a_locked_database_is_unavailable_until_it_is_let_go(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "tidings.db"
    first, second = make_publications(2)
    async with open_sqlite(str(path), SqliteSettings(busy_timeout_ms=20), apart=writer == PROCESS) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for call in (store.record([first]), store.record([second]), store.check()):
                with pytest.raises(StoreUnavailable, match="another process holds it locked"):
                    await call
            other.execute("ROLLBACK")
        assert await store.get_event(50750, "e-0") is None

        await store.record([first])
        await store.check()
        assert await store.get_event(50750, "e-0") == first.event


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "tidings.db"
    (publication,) = make_publications(1)
    async with open_sqlite(str(path), apart=writer == PROCESS) as store:
        await store.record([publication])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await store.get_event(50750, "e-0") == publication.event
            assert len((await store.list_deliveries(DeliveryFilter(), page_size=5, page_token="")).deliveries) == 1


def big(number: int) -> Publication:
    return make_publication(make_event(f"big-{number}", content=bytes(50_000)))


async def fill(store: Store) -> int:
    """Record until the store refuses; return how many events it took."""
    for number in range(100):
        try:
            await store.record([big(number)])
        except StoreUnavailable as error:
            assert "full" in str(error)  # noqa: PT017 (what matters is how many came before)
            return number
    raise AssertionError("the database is never full")


async def test_a_full_disk_keeps_nothing_of_what_it_refuses(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "tidings.db"
    async with open_sqlite(str(path), SqliteSettings(max_pages=150), apart=writer == PROCESS) as store:
        taken = await fill(store)
        small = make_publication(deliveries=0)

        answers = await asyncio.gather(store.record([big(taken)]), store.record([big(taken)]), return_exceptions=True)

        assert [type(each) for each in answers] == [StoreUnavailable, StoreUnavailable]
        await store.record([small])  # the writer goes on, and what fits is taken
        assert await store.get_event(50750, "e-1") == small.event
        assert await store.get_event(50750, f"big-{taken}") is None
        assert await store.get_delivery(big(taken).deliveries[0].id) is None
    assert rows(path, "event") == taken + 1
    assert rows(path, "delivery") == taken
    async with open_sqlite(str(path), apart=writer == PROCESS) as store:
        assert await store.record([big(taken)]) is not None


async def test_a_failing_disk_is_unavailable_and_then_serves_again(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "tidings.db"
    async with open_sqlite(str(path), apart=writer == PROCESS) as store:
        await store.record([big(0)])
        process = writer_process() if writer == PROCESS else os.getpid()
        size = path.with_name("tidings.db-wal").stat().st_size
        with largest_file(size, process), pytest.raises(StoreUnavailable):
            await store.record([big(1)])

        assert await store.get_event(50750, "big-1") is None
        await store.record([big(1), big(2)])
        assert await store.get_event(50750, "big-2") == big(2).event
    assert rows(path, "event") == rows(path, "delivery") == 3


async def test_too_much_waiting_is_overload(tmp_path: Path, writer: str) -> None:
    publications = make_publications(30, deliveries=0)
    async with open_sqlite(
        str(tmp_path / "tidings.db"), SqliteSettings(queue_limit=20), apart=writer == PROCESS
    ) as store:
        answers = await asyncio.gather(*(store.record([each]) for each in publications), return_exceptions=True)

        refused = [each for each in answers if isinstance(each, Overloaded)]
        assert len(refused) == 10
        assert {each.retry_after for each in refused} == {1.0}
        await store.record(publications)  # alone, even more than the limit is taken
        await store.upsert_contacts([Contact(org_id=1, customer_id="c")])


async def test_what_waits_may_be_only_so_large(tmp_path: Path, writer: str) -> None:
    settings = SqliteSettings(queue_bytes=200_000)
    async with open_sqlite(str(tmp_path / "tidings.db"), settings, apart=writer == PROCESS) as store:
        answers = await asyncio.gather(*(store.record([big(each)]) for each in range(9)), return_exceptions=True)
        assert [type(each) for each in answers] == [list] * 4 + [Overloaded] * 5
        await store.record([big(each) for each in range(9)])  # alone, even more than the limit is taken


async def test_a_closed_store_has_kept_what_was_queued_and_takes_no_more(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "tidings.db"
    async with open_sqlite(str(path), apart=writer == PROCESS) as store:
        calls = [asyncio.create_task(store.record([each])) for each in make_publications(50)]
        await asyncio.sleep(0)  # let them reach the queue
    await asyncio.gather(*calls)

    assert rows(path, "event") == 50
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.check()


def modes_in(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    async with open_store(f"sqlite:///{path}") as store:
        await store.check()
        modes = modes_in(tmp_path)

    assert modes == dict.fromkeys(("tidings.db", "tidings.db-wal", "tidings.db-shm"), 0o600)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("oracle://localhost/x", "names no store that is supported"),
        ("tidings.db", "names no store that is supported"),
        ("oracle://user:secret@db.example.com/x", "oracle://…@db.example.com/x"),
        ("sqlite://tidings.db", "gives no path"),
        ("sqlite:///", "gives no path"),
        ("sqlite:///a.db?mode=ro", "gives no path"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, text: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        open_store(url)

    assert text in str(caught.value)
    assert "sqlite:///relative/path" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_relative_path_starts_where_the_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async with open_store("sqlite:///odd #%20name.db") as store:
        await store.check()

    assert (tmp_path / "odd #%20name.db").exists()


async def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="there is no folder"):
        async with open_store(f"sqlite:///{tmp_path / 'missing' / 'tidings.db'}"):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    path.write_text("not a database, although it is long enough to be taken for one" * 20)

    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        async with open_store(f"sqlite:///{path}"):
            pass
    assert path.read_text().startswith("not a database")
