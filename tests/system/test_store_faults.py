"""A full disk and a locked database, as publishers see them: a clear refusal in time, nothing by halves, on again."""

import asyncio
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    details_of,
    eventually,
    open_test_gateway,
    running_gateway,
    state_of,
    write_config,
)
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event


def issued(event_id: str) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = event_id
    return event


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


def configured(folder: Path, sink: HttpSink) -> Path:
    return write_config(folder, rules=str(write_rulebook(folder / "rules", crm=sink.url)))


async def refusal(gateway: RunningGateway, event: Event) -> grpc.aio.AioRpcError:
    """Publish what cannot be taken; return the answer, with its details checked."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.publish(event)
    info, retry = ErrorInfo(), RetryInfo()
    assert [detail.Unpack(each) for detail, each in zip(details_of(caught.value), (info, retry), strict=True)] == [
        True
    ] * 2
    assert (caught.value.code(), info.reason, retry.retry_delay.seconds) == (
        grpc.StatusCode.UNAVAILABLE,
        "STORE_UNAVAILABLE",
        1,
    )
    return caught.value


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


async def readiness(gateway: RunningGateway) -> int:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        http.get("/readyz") as response,
    ):
        return response.status


async def test_a_full_disk_refuses_events_keeps_no_half_and_is_forgotten_once_there_is_room(
    tmp_path: Path, sink: HttpSink
) -> None:
    database = tmp_path / "tidings.db"
    async with running_gateway(configured(tmp_path, sink)) as gateway:
        first = await gateway.publish(issued("before"))
        await gateway.ended(first.delivery_ids[0])
        with full_disk(gateway.process.pid, database):
            errors = await asyncio.gather(*(refusal(gateway, issued(f"full-{number}")) for number in range(5)))
            assert all("cannot serve" in str(error.details()) for error in errors)
            assert await readiness(gateway) == 503
            assert (rows(database, "event"), rows(database, "delivery")) == (1, 1)
        answers = [await gateway.publish(issued(f"full-{number}")) for number in range(5)]
        assert [answer.duplicate for answer in answers] == [False] * 5
        assert await readiness(gateway) == 200
        names = [*first.delivery_ids, *(name for answer in answers for name in answer.delivery_ids)]
        assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


async def test_what_was_sent_while_the_disk_was_full_is_settled_once_there_is_room(
    tmp_path: Path, sink: HttpSink
) -> None:
    """The answer comes when it cannot be written down; it is kept in memory and nothing goes out twice."""
    sink.default = Reply(fault="hold")
    async with running_gateway(configured(tmp_path, sink)) as gateway:
        answer = await gateway.publish(issued("under-way"))
        await eventually(lambda: _reached(sink, 1))
        with full_disk(gateway.process.pid, tmp_path / "tidings.db"):
            sink.release.set()
            await eventually(lambda: _logged(gateway, "store.unavailable"))
        assert state_of(await gateway.ended(answer.delivery_ids[0])) == "DELIVERED"
    assert len(sink.received) == 1


@asynccontextmanager
async def locked(database: Path) -> AsyncIterator[None]:
    """Hold the database from another connection."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


async def test_a_locked_database_refuses_events_in_time_and_is_forgotten_once_it_is_let_go(
    tmp_path: Path, sink: HttpSink
) -> None:
    database = tmp_path / "tidings.db"
    async with open_test_gateway(configured(tmp_path, sink)) as gateway:
        async with locked(database):
            began = time.monotonic()
            errors = await asyncio.gather(*(refusal(gateway, issued(f"locked-{number}")) for number in range(5)))
            assert time.monotonic() - began < 15  # the store waits 5 s for a lock
            assert all("another process holds it locked" in str(error.details()) for error in errors)
        assert rows(database, "event") == 0
        answers = [await gateway.publish(issued(f"locked-{number}")) for number in range(5)]
        names = [name for answer in answers for name in answer.delivery_ids]
        assert [answer.duplicate for answer in answers] == [False] * 5
        assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
    assert sorted(call.headers["webhook-id"] for call in sink.received) == sorted(names)


async def _reached(sink: HttpSink, wanted: int) -> bool:
    return len(sink.received) >= wanted


async def _logged(gateway: RunningGateway, event: str) -> bool:
    return any(entry["event"] == event for entry in gateway.log)
