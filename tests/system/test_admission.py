"""A database that is slow: what is refused, what is left undone, and what stays, over the real wire."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from gateway_kit import RunningGateway, details_of, open_test_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import ListEventsRequest, PublishBatchRequest, PublishRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

_PATIENCE = 10.0


def event(event_id: str) -> Event:
    """Return an event that no rule of the rulebook is about."""
    made = convert_one(sample("customerAdded")).event
    made.event_id = event_id
    return made


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as running:
        yield running


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the database as another process might, so that the gateway's transactions wait."""
    connection = sqlite3.connect(folder / "tidings.db", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def stored(gateway: RunningGateway) -> set[str]:
    answer = await EventServiceStub(gateway.channel).ListEvents(ListEventsRequest())
    return {each.event_id for each in answer.events}


async def test_who_gave_up_while_waiting_has_published_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    stub = EventServiceStub(gateway.channel)
    with locked(tmp_path):
        patient = asyncio.create_task(gateway.publish(event("patient")))
        for _ in range(2):
            assert await stored(gateway) == set()  # and by then its commit is under way, which others are not to share
        for call in (
            stub.Publish(PublishRequest(event=event("hasty")), timeout=0.3),
            stub.PublishBatch(PublishBatchRequest(events=[event("hasty-1"), event("hasty-2")]), timeout=0.3),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await stored(gateway) == set()  # and by now the gateway has heard that they gave up
    await patient
    assert await stored(gateway) == {"patient"}
    assert not (await gateway.publish(event("hasty"))).duplicate


async def test_what_was_committed_stays_when_the_call_is_cancelled(gateway: RunningGateway, tmp_path: Path) -> None:
    call = EventServiceStub(gateway.channel).Publish(PublishRequest(event=event("kept")))
    with locked(tmp_path):
        await asyncio.sleep(1)  # by now the call is in the gateway, before the database
    wait_for_commit(tmp_path / "tidings.db")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    again = await gateway.publish(event("kept"))
    assert again.duplicate
    assert await stored(gateway) == {"kept"}


def wait_for_commit(path: Path) -> None:
    """Look at the file until an event is there; no turn of the event loop passes, so that nothing is answered."""
    ends = time.monotonic() + _PATIENCE
    connection = sqlite3.connect(path)
    try:
        while not connection.execute("SELECT count(*) FROM event").fetchone()[0]:
            assert time.monotonic() < ends, "nothing was committed"
            time.sleep(0.005)
    finally:
        connection.close()


async def test_callers_are_sent_away_early_while_the_database_stands_still(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    with locked(tmp_path):
        patient = asyncio.create_task(gateway.publish(event("patient")))
        for _ in range(2):
            assert await stored(gateway) == set()  # and by then its commit is under way, which others are not to share
        refused = await refusal(gateway)
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = RetryInfo()
    assert any(each.Unpack(retry) for each in details_of(refused))
    assert retry.retry_delay.ToMilliseconds() == 1_000
    await patient
    assert await stored(gateway) == {"patient"}
    await until_taken(gateway, event("later"))


async def until_taken(gateway: RunningGateway, event: Event) -> None:
    """Publish again while the gateway still goes by how slow the database was."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            await gateway.publish(event)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > ends:
                raise
        else:
            return


async def refusal(gateway: RunningGateway) -> grpc.aio.AioRpcError:
    """Publish now and then, giving up each time after a moment, until the gateway answers first."""
    ends = time.monotonic() + _PATIENCE
    number = 0
    while time.monotonic() < ends:
        number += 1
        try:
            await gateway.publish(event(f"impatient-{number}"), timeout=0.5)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                return error
    raise AssertionError("nobody was refused")
