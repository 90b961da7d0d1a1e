"""The write-ahead log: how long it gets, who copies it, and that nothing is lost by it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from disk_kit import largest_file
from dispatch_kit import until
from family_kit import writer_process
from store_kit import make_event, make_publication
from tidings.errors import StoreUnavailable
from tidings.store import Publication
from tidings.store.sqlite.checkpoints import Checkpoints
from tidings.store.sqlite.driver import Connection, SqliteSettings, connect, copy_log, empty_log, leave_log
from tidings.store.sqlite.store import SqliteStore, open_sqlite

SETTINGS = SqliteSettings()
ENOUGH = 16_000_000
MUCH = b"\x00" * 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def writing(path: Path) -> Iterator[Connection]:
    with closing(connect(str(path), SETTINGS)) as connection:
        connection.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB)")
        leave_log(connection)
        yield connection


@pytest.fixture
def checkpoints(path: Path, writing: Connection) -> Iterator[Checkpoints]:
    with closing(Checkpoints(str(path), SETTINGS)) as made:
        yield made


def write(connection: Connection, megabytes: int) -> None:
    for _ in range(megabytes):
        connection.execute("INSERT INTO note (text) VALUES (?)", (MUCH,))


def log_of(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def wait(checkpoints: Checkpoints) -> None:
    until = time.monotonic() + 30
    while checkpoints.busy:
        assert time.monotonic() < until
        time.sleep(0.001)


def copied(checkpoints: Checkpoints, transactions: int) -> None:
    """Wait for the copying that is under way, and let the rest be copied."""
    wait(checkpoints)
    checkpoints.follow(transactions)


def copies_at(path: Path, checkpoints: Checkpoints, transactions: int) -> bool:
    """Say whether what was written since is copied after so many transactions."""
    size = path.stat().st_size
    checkpoints.follow(transactions)
    wait(checkpoints)
    return path.stat().st_size > size


def test_commits_do_not_copy_what_is_copied_beside(path: Path, writing: Connection) -> None:
    write(writing, 20)

    assert path.stat().st_size < 1_000_000
    assert log_of(path) > 20_000_000


def test_commits_copy_where_that_falls_behind(path: Path, writing: Connection) -> None:
    write(writing, 40)

    assert path.stat().st_size > 2 * ENOUGH
    assert log_of(path) < 2 * ENOUGH + 2_000_000


def test_a_log_that_is_long_enough_is_copied_and_begun_anew(
    path: Path, writing: Connection, checkpoints: Checkpoints
) -> None:
    write(writing, 17)
    checkpoints.follow(1_000)
    write(writing, 2)  # beside, or after it
    copied(checkpoints, 1_002)
    length = log_of(path)

    write(writing, 10)

    assert path.stat().st_size > 19_000_000
    assert log_of(path) == length


def test_what_is_written_seldom_stays_in_the_log(path: Path, writing: Connection, checkpoints: Checkpoints) -> None:
    write(writing, 1)
    assert not any(copies_at(path, checkpoints, transactions) for transactions in range(100))


def learn(checkpoints: Checkpoints, writing: Connection) -> None:
    """Let it be known that one transaction adds a megabyte; 1,001 were committed."""
    write(writing, 17)
    checkpoints.follow(1_000)
    wait(checkpoints)
    write(writing, 1)
    checkpoints.follow(1_001)


def test_how_much_a_transaction_adds_is_learned(path: Path, writing: Connection, checkpoints: Checkpoints) -> None:
    learn(checkpoints, writing)
    write(writing, 1)

    assert not copies_at(path, checkpoints, 1_016)
    assert copies_at(path, checkpoints, 1_017)


def test_a_log_that_others_have_begun_anew_is_followed_as_before(
    path: Path, writing: Connection, checkpoints: Checkpoints
) -> None:
    learn(checkpoints, writing)
    write(writing, 17)
    empty_log(str(path), SETTINGS)
    checkpoints.follow(1_018)
    copied(checkpoints, 1_019)  # there is nothing to learn from what is no longer there
    write(writing, 1)

    assert not copies_at(path, checkpoints, 1_034)
    assert copies_at(path, checkpoints, 1_036)


def test_a_reader_keeps_the_log_from_being_begun_anew_until_it_is_done(
    path: Path, writing: Connection, checkpoints: Checkpoints
) -> None:
    with closing(connect(str(path), SETTINGS, read_only=True)) as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM note").fetchone() == (0,)
        write(writing, 17)
        checkpoints.follow(17)
        for transactions in range(1_000, 1_100):  # tries now and then, and not each time
            wait(checkpoints)
            checkpoints.follow(transactions)
        assert reading.execute("SELECT count(*) FROM note").fetchone() == (0,)
        reading.execute("COMMIT")
    checkpoints.follow(5_000)
    copied(checkpoints, 5_000)
    length = log_of(path)

    write(writing, 10)

    assert log_of(path) == length


@contextmanager
def another_copies(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Have another process hold the lock of who copies, at its place in the file of shared memory."""
    holding = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as shared:\n"
        "    fcntl.lockf(shared, fcntl.LOCK_EX, 1, 121)\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = (sys.executable, "-c", holding, f"{path}-shm")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process  # and leaving lets go of its input, so that it ends


def test_nothing_is_copied_while_another_does_it(path: Path, writing: Connection, checkpoints: Checkpoints) -> None:
    write(writing, 17)
    with another_copies(path):
        checkpoints.follow(1_000)
        copied(checkpoints, 1_000)
        assert path.stat().st_size < 1_000_000
    checkpoints.follow(2_000)
    copied(checkpoints, 2_000)

    assert path.stat().st_size > 17_000_000


def test_a_disk_that_fails_to_take_the_copy_is_tried_again(
    path: Path, writing: Connection, checkpoints: Checkpoints
) -> None:
    write(writing, 17)
    with largest_file(1_000_000, os.getpid()):
        copies_at(path, checkpoints, 1_000)
        checkpoints.follow(1_001)
    assert path.stat().st_size <= 1_000_000
    assert not copies_at(path, checkpoints, 1_002)  # not at once
    assert copies_at(path, checkpoints, 2_000)

    assert path.stat().st_size > 17_000_000


def test_a_log_is_emptied_once_another_has_copied_it(path: Path, writing: Connection) -> None:
    write(writing, 1)
    with another_copies(path) as another, ThreadPoolExecutor(1) as beside:
        emptying = beside.submit(empty_log, str(path), SETTINGS)
        with pytest.raises(TimeoutError):
            emptying.result(timeout=0.1)
        another.communicate()
        emptying.result(timeout=30)

    assert log_of(path) == 0


def test_who_copies_for_too_long_keeps_a_log_from_being_emptied(path: Path, writing: Connection) -> None:
    write(writing, 1)
    with another_copies(path), pytest.raises(StoreUnavailable, match="erase it again"):
        empty_log(str(path), SqliteSettings(busy_timeout_ms=50))


def large(number: int) -> Publication:
    return make_publication(make_event(f"e-{number}", content=b"%d " % number * 40_000), deliveries=0)


def more_than(before: int, now: Callable[[], int]) -> Callable[[], bool]:
    return lambda: now() > before


async def test_the_writer_has_its_log_copied_without_another_commit(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    async with open_sqlite(str(path), apart=True) as store:
        for number in range(130):  # long enough to be copied beside, not long enough for commits to do it
            await store.record([large(number)])
        await until(more_than(ENOUGH, lambda: path.stat().st_size))


async def test_a_writer_killed_while_it_copies_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    acknowledged: list[int] = []
    numbers = count()

    async def publish(store: SqliteStore) -> None:
        while True:
            number = next(numbers)
            try:
                await store.record([large(number)])
            except StoreUnavailable:
                await asyncio.sleep(0.01)
            else:
                acknowledged.append(number)

    async with open_sqlite(str(path), apart=True) as store, asyncio.TaskGroup() as callers:
        publishing = [callers.create_task(publish(store)) for _ in range(4)]
        for _ in range(5):
            await until(more_than(path.stat().st_size, lambda: path.stat().st_size))  # the log is being copied
            os.kill(writer_process(), signal.SIGKILL)
            await until(more_than(len(acknowledged), lambda: len(acknowledged)))
        for each in publishing:
            each.cancel()
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {int(bytes(content).split(b" ", 1)[0]) for (content,) in opened.execute("SELECT content FROM event")}
    assert kept >= set(acknowledged)


def test_copying_says_how_far_it_got(path: Path, writing: Connection) -> None:
    write(writing, 1)
    pages, done = copy_log(writing)

    assert pages == done > 1_000_000 // 8192
