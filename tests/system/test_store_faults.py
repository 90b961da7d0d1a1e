"""A full disk and a locked database, as publishers see them: a clear refusal in time, nothing by halves, on again."""

import asyncio
import os
import re
import resource
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest

from disk_kit import filled_up, small_disk
from family_kit import writer_process
from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    eventually,
    open_test_gateway,
    running_gateway,
    state_of,
    write_config,
)
from outage_kit import is_logged, issued, readiness, refusal, served, until_refused
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, Reply, http_sink


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


def configured(folder: Path, sink: HttpSink, **sections: object) -> Path:
    return write_config(folder, rules=str(write_rulebook(folder / "rules", crm=sink.url)), **sections)


def rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (a literal below)
        return count


@contextmanager
def full_disk(process: int, database: Path) -> Iterator[None]:
    """Let no file of a process grow: every write past the end fails, as when the disk is full."""
    soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    longest = max(each.stat().st_size for each in database.parent.glob(f"{database.name}*"))
    resource.prlimit(process, resource.RLIMIT_FSIZE, (longest, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_events_keeps_no_half_and_is_forgotten_once_there_is_room(
    tmp_path: Path, sink: HttpSink
) -> None:
    database = tmp_path / "tidings.db"
    async with running_gateway(configured(tmp_path, sink)) as gateway:
        first = await gateway.publish(issued("before"))
        await gateway.ended(first.delivery_ids[0])
        with full_disk(writer_process(gateway.process.pid), database):
            errors = await asyncio.gather(*(refusal(gateway, issued(f"full-{number}")) for number in range(5)))
            assert all("cannot serve" in error for error in errors)
            assert (await readiness(gateway))[0] == 503
            assert (rows(database, "event"), rows(database, "delivery")) == (1, 1)
        answers = [await gateway.publish(issued(f"full-{number}")) for number in range(5)]
        assert [answer.duplicate for answer in answers] == [False] * 5
        assert (await readiness(gateway))[0] == 200
        names = [*first.delivery_ids, *(name for answer in answers for name in answer.delivery_ids)]
        assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


async def test_a_disk_without_a_free_byte_is_told_of_and_what_was_acknowledged_is_delivered(
    tmp_path: Path, sink: HttpSink
) -> None:
    with small_disk(8) as disk:
        config = configured(tmp_path, sink, store=f"sqlite:///{disk}/tidings.db")
        async with open_test_gateway(config) as gateway:
            with filled_up(disk):
                names, refused = await until_refused(gateway)
                assert re.search("the disk.* is full|the disk failed", refused)
                _, store = await readiness(gateway)
                assert (store["status"] != "ok", refused in store["detail"]) == (True, True)
            names += (await gateway.publish(issued("after"))).delivery_ids
            assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
    assert {call.headers["webhook-id"] for call in sink.received} == set(names)


async def test_what_was_sent_while_the_disk_was_full_is_settled_once_there_is_room(
    tmp_path: Path, sink: HttpSink
) -> None:
    """The answer comes when it cannot be written down; it is kept in memory and nothing goes out twice."""
    sink.default = Reply(fault="hold")
    async with running_gateway(configured(tmp_path, sink)) as gateway:
        answer = await gateway.publish(issued("under-way"))
        await eventually(lambda: _reached(sink, 1))
        with full_disk(writer_process(gateway.process.pid), tmp_path / "tidings.db"):
            sink.release.set()
            await eventually(lambda: _logged(gateway, "cannot serve"))
        assert state_of(await gateway.ended(answer.delivery_ids[0])) == "DELIVERED"
    assert len(sink.received) == 1


async def test_a_gateway_whose_writer_is_killed_refuses_until_there_is_another(tmp_path: Path, sink: HttpSink) -> None:
    async with running_gateway(configured(tmp_path, sink)) as gateway:
        first = await gateway.publish(issued("before"))
        os.kill(writer_process(gateway.process.pid), signal.SIGKILL)
        refused: list[grpc.StatusCode] = []
        async with asyncio.timeout(30):
            while True:
                try:
                    second = await gateway.publish(issued("after"))
                except grpc.aio.AioRpcError as error:
                    refused.append(error.code())
                    await asyncio.sleep(0.02)
                else:
                    break
        names = [*first.delivery_ids, *second.delivery_ids]
        assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
        assert any(line["event"] == "store.writer_ended" for line in gateway.log)
    assert set(refused) == {grpc.StatusCode.UNAVAILABLE}
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


@asynccontextmanager
async def locked(database: Path) -> AsyncIterator[None]:
    """Hold the database from another connection."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.long
async def test_a_locked_database_refuses_events_in_time_and_is_forgotten_once_it_is_let_go(
    tmp_path: Path, sink: HttpSink
) -> None:
    database = tmp_path / "tidings.db"
    async with open_test_gateway(configured(tmp_path, sink)) as gateway:
        async with locked(database):
            began = time.monotonic()
            errors = await asyncio.gather(*(refusal(gateway, issued(f"locked-{number}")) for number in range(5)))
            assert time.monotonic() - began < 15  # the store waits 5 s for a lock
            assert all("another process holds it locked" in error for error in errors)
        assert rows(database, "event") == 0
        # Who comes while dispatch is still waiting where the last one waited for long may be sent away once more.
        answers = [await eventually(partial(served, gateway, issued(f"locked-{number}"))) for number in range(5)]
        names = [name for answer in answers for name in answer.delivery_ids]
        assert [answer.duplicate for answer in answers] == [False] * 5
        assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


async def _reached(sink: HttpSink, wanted: int) -> bool:
    return len(sink.received) >= wanted


async def _logged(gateway: RunningGateway, words: str) -> bool:
    return is_logged(gateway, words)
