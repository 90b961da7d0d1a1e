"""Publishing many events: in a batch and as a stream, over the real wire; the stream's bounds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import dropwhile
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest

from gateway_kit import CRM_SECRET, RunningGateway, details_of, open_test_gateway, state_of, write_config
from rulebook_kit import RULES, write_rulebook
from sink_kit import HttpSink, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import (
    ListEventsRequest,
    PublishAcknowledgement,
    PublishBatchRequest,
    PublishResult,
    PublishStreamRequest,
    PublishStreamResponse,
)
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.intake import Publish, StreamRoom, publish_stream
from tidings.intake.group_commit import MOST_TOGETHER
from tidings.intake.streaming import MOST_WAITING
from tidings.rulebook import Rulebooks, load, read_folder
from tidings.store import open_store
from tidings.telemetry.metrics import Metrics


def issued(event_id: str, *, org_id: int | None = 50750, created_at: int = 1_685_864_957_859) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id, event.created_at = event_id, created_at
    if org_id is None:
        event.ClearField("org_id")
    else:
        event.org_id = org_id
    return event


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, sink: HttpSink) -> AsyncIterator[RunningGateway]:
    rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES)
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as running:
        yield running


def outcome(result: PublishResult) -> str:
    """Return the reason of a fault, ``duplicate``, or ``new``."""
    if result.HasField("fault"):
        return result.fault.reason
    return "duplicate" if result.published.duplicate else "new"


MIXED = (
    issued("a"),
    issued("b", org_id=None),
    issued("a"),
    issued("a", created_at=1),
    issued("c"),
)
OUTCOMES = ["new", "INVALID_EVENT", "duplicate", "EVENT_ID_REUSED", "new"]


async def test_each_event_of_a_batch_has_its_own_result(gateway: RunningGateway, sink: HttpSink) -> None:
    answer = await EventServiceStub(gateway.channel).PublishBatch(PublishBatchRequest(events=MIXED))
    assert [outcome(each) for each in answer.results] == OUTCOMES
    assert [each.field for each in answer.results[1].fault.fields] == ["event.org_id"]
    for result in (answer.results[0], answer.results[4]):
        for name in result.published.delivery_ids:
            assert state_of(await gateway.ended(name)) == "DELIVERED"
    assert len(sink.received) == 2


async def test_a_batch_that_is_too_long_is_refused_whole(gateway: RunningGateway) -> None:
    stub = EventServiceStub(gateway.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PublishBatch(PublishBatchRequest(events=[Event()] * 1_001))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = BadRequest()
    assert details_of(caught.value)[1].Unpack(bad)
    assert [each.field for each in bad.field_violations] == ["events"]
    assert not (await stub.ListEvents(ListEventsRequest())).events


async def test_an_empty_batch_is_answered_empty(gateway: RunningGateway) -> None:
    answer = await EventServiceStub(gateway.channel).PublishBatch(PublishBatchRequest())
    assert not answer.results


async def test_a_stream_is_acknowledged_in_order_with_the_callers_numbers(gateway: RunningGateway) -> None:
    events = [*MIXED, *(issued(f"many-{number}") for number in range(1_000))]
    requests = [PublishStreamRequest(sequence=7 * number, event=event) for number, event in enumerate(events)]
    acknowledged: list[PublishAcknowledgement] = []
    async for response in EventServiceStub(gateway.channel).PublishStream(iter(requests)):
        acknowledged.extend(response.acknowledgements)
    assert [each.sequence for each in acknowledged] == [each.sequence for each in requests]
    assert [outcome(each.result) for each in acknowledged] == [*OUTCOMES, *["new"] * 1_000]


async def test_what_is_acknowledged_stays_when_the_caller_breaks_off(gateway: RunningGateway) -> None:
    stub = EventServiceStub(gateway.channel)
    call = stub.PublishStream()
    await call.write(PublishStreamRequest(sequence=1, event=issued("kept")))
    response = await call.read()
    assert isinstance(response, PublishStreamResponse)
    assert [each.sequence for each in response.acknowledgements] == [1]
    call.cancel()
    again = await gateway.publish(issued("kept"))
    assert again.duplicate


async def test_what_is_being_committed_takes_room(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:1/", rules=RULES)
    event, ended, room = issued("e-1"), asyncio.Event(), StreamRoom()

    async def incoming() -> AsyncIterator[tuple[int, Event]]:
        yield 1, event
        await ended.wait()

    async def no_past(_: str) -> None:
        return None

    async with open_store("sqlite://") as store:
        books = Rulebooks(load(read_folder(rules)), read_past=no_past)
        stream = publish_stream(Publish(store=store, rulebooks=books, metrics=Metrics()), incoming(), room=room)
        committing = asyncio.ensure_future(anext(stream))
        used = []
        while not committing.done():
            used.append(room.used)
            await asyncio.sleep(0)
        assert set(dropwhile(lambda each: not each, used)) == {event.ByteSize()}
        assert room.used == 0
        ended.set()
        assert [each async for each in stream] == []


@pytest.mark.long
async def test_no_more_is_read_than_the_next_commits_can_take(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:1/", rules=RULES)
    read = 0

    def numbered() -> Iterator[tuple[int, Event]]:
        nonlocal read
        for number in range(10 * MOST_WAITING):
            read += 1
            yield number, issued(f"e-{number}")

    async def incoming() -> AsyncIterator[tuple[int, Event]]:
        for each in numbered():
            yield each

    async with open_store("sqlite://") as store:

        async def no_past(_: str) -> None:
            return None

        books = Rulebooks(load(read_folder(rules)), read_past=no_past)
        stream = publish_stream(Publish(store=store, rulebooks=books, metrics=Metrics()), incoming(), room=StreamRoom())
        first = await anext(stream)
        for _ in range(100):  # turns of the loop in which the reader could go on if it wanted to
            await asyncio.sleep(0)
        assert len(first) <= read <= MOST_WAITING + MOST_TOGETHER + 1
        count = len(first)
        async for more in stream:
            count += len(more)
    assert count == 10 * MOST_WAITING
