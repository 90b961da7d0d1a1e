"""The Python client over the real wire: a gateway that answers, refuses, restarts and is not there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_kit import CRM_SECRET, RunningGateway, open_test_gateway, running_gateway, write_config
from rulebook_kit import RULES, write_rulebook
from sink_kit import http_sink
from tidings.client import (
    BufferFull,
    CallFailed,
    ClientClosed,
    ClientSettings,
    GatewayUnreachable,
    TidingsClient,
    event_of,
)
from tidings.errors import EventIdReused, InvalidEvent, InvalidRequest, NotFound
from tidings.events.v1.common_pb2 import CustomerIdentifiers
from tidings.events.v1.event_pb2 import Event, GenericEvent
from tidings.events.v1.points_pb2 import PointsIssued
from tidings.gateway.v1.contact_service_pb2 import Contact

ORG = 50750


def issued(event_id: str, *, customer: int = 4711) -> Event:
    data = PointsIssued(customer_identifiers=CustomerIdentifiers(customer_id=customer))
    return event_of(data, org_id=ORG, event_id=event_id, created_at=1_685_864_957_859)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES)
        async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as running:
            yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[TidingsClient]:
    async with TidingsClient(f"127.0.0.1:{gateway.grpc_port}") as connected:
        yield connected


async def test_an_event_is_committed_when_publish_returns(client: TidingsClient, gateway: RunningGateway) -> None:
    answer = await client.publish(issued("one"))
    assert (answer.event_id, answer.duplicate) == ("one", False)
    assert (await client.publish(issued("one"))).duplicate
    delivery = await gateway.ended(answer.delivery_ids[0])
    assert (await client.delivery(delivery.id)).delivery.event_id == "one"


async def test_each_event_of_a_batch_has_its_own_answer(client: TidingsClient) -> None:
    events = [issued("a"), Event(event_id="b"), issued("a", customer=5), *(issued(f"n{i}") for i in range(1_500))]
    answers = await client.publish_all(events)
    assert isinstance(answers[1], InvalidEvent)
    assert [each.field for each in answers[1].violations] == ["event.org_id", "event.data"]
    assert isinstance(answers[2], EventIdReused)
    assert (answers[2].org_id, answers[2].event_id) == (ORG, "a")
    assert not [each for each in answers[3:] if isinstance(each, BaseException)]


async def test_closing_sends_what_waits(gateway: RunningGateway) -> None:
    client = TidingsClient(f"127.0.0.1:{gateway.grpc_port}")
    futures = [client.publish_soon(issued(f"e{number}")) for number in range(500)]
    await client.close()
    assert {(await each).event_id for each in futures} == {f"e{number}" for number in range(500)}
    with pytest.raises(ClientClosed):
        client.publish_soon(issued("late"))


async def test_flush_returns_once_all_is_answered(client: TidingsClient) -> None:
    futures = [client.publish_soon(issued(f"e{number}")) for number in range(300)]
    await client.flush()
    assert all(each.done() for each in futures)


@pytest.mark.long
async def test_a_gateway_that_restarts_is_waited_for_and_nothing_is_kept_twice(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES)
        port = free_port()
        config = write_config(tmp_path, rules=str(rules), grpc={"listen": f"127.0.0.1:{port}"})
        settings = ClientSettings(batch=20, first_pause=0.05, longest_pause=0.5)
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(running_gateway(config))
            client = await stack.enter_async_context(TidingsClient(f"127.0.0.1:{port}", settings=settings))
            futures = [client.publish_soon(issued(f"e{number}")) for number in range(2_000)]
            await futures[200]
            await first.kill()
            second = await stack.enter_async_context(running_gateway(config))
            answers = await asyncio.gather(*futures)
            assert {each.event_id for each in answers} == {f"e{number}" for number in range(2_000)}
            names = {name for each in answers for name in each.delivery_ids}
            assert {each.id for each in await second.deliveries()} == names


async def test_a_gateway_that_is_not_there_is_an_error_in_time() -> None:
    settings = ClientSettings(patience=0.5, first_pause=0.05)
    async with TidingsClient(f"127.0.0.1:{free_port()}", settings=settings) as client:
        with pytest.raises(GatewayUnreachable, match=r"after 0\.5 s of trying"):
            await client.publish(issued("one"))


async def test_what_was_not_sent_when_closing_took_too_long_fails() -> None:
    client = TidingsClient(f"127.0.0.1:{free_port()}")
    future = client.publish_soon(issued("one"))
    waiting = asyncio.create_task(client.publish(issued("two")))
    await asyncio.sleep(0)
    await client.close(timeout=0.1)
    for each in (future, waiting):
        with pytest.raises(ClientClosed):
            await each


async def test_a_full_buffer_refuses_at_once_or_makes_wait(gateway: RunningGateway) -> None:
    settings = ClientSettings(buffer=10)
    async with TidingsClient(f"127.0.0.1:{gateway.grpc_port}", settings=settings) as client:
        futures = [client.publish_soon(issued(f"e{number}")) for number in range(10)]
        with pytest.raises(BufferFull, match="10 events"):
            client.publish_soon(issued("more"))
        answers = await client.publish_all(issued(f"m{number}") for number in range(200))
        assert not [each for each in answers if isinstance(each, BaseException)]
        await asyncio.gather(*futures)


async def test_who_stops_waiting_for_room_does_not_keep_others_from_it(gateway: RunningGateway) -> None:
    async with TidingsClient(f"127.0.0.1:{gateway.grpc_port}", settings=ClientSettings(buffer=1)) as client:
        calls = [asyncio.create_task(client.publish(issued(f"e{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        for each in calls[1::2]:
            each.cancel()
        done = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 20)
    assert [isinstance(each, asyncio.CancelledError) for each in done] == [False, True] * 10


async def test_one_event_that_is_too_large_does_not_fail_the_others(gateway: RunningGateway) -> None:
    huge = event_of(GenericEvent(name="note"), org_id=ORG, event_id="huge")
    huge.generic.data["text"] = "x" * (5 * 1024 * 1024)
    settings = ClientSettings(batch_bytes=16 * 1024 * 1024)
    async with TidingsClient(f"127.0.0.1:{gateway.grpc_port}", settings=settings) as client:
        first, failed, last = await client.publish_all([issued("a"), huge, issued("b")])
    assert isinstance(failed, CallFailed)
    assert failed.code == "RESOURCE_EXHAUSTED"
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)


async def test_other_calls_raise_the_gateways_own_errors(client: TidingsClient) -> None:
    assert await client.upsert_contacts([Contact(org_id=ORG, customer_id="1", email="a@example.com")]) == 1
    with pytest.raises(InvalidRequest, match=r"contacts\[0\]\.email"):
        await client.upsert_contacts([Contact(org_id=ORG, customer_id="1", email="nobody")])
    with pytest.raises(NotFound):
        await client.delivery("dlv_none")


def test_an_event_is_built_from_its_data() -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    event = event_of(PointsIssued(), org_id=1, created_at=moment)
    assert event.WhichOneof("data") == "points_issued"
    assert event.created_at == int(moment.timestamp() * 1000)
    assert not event.HasField("event_id")
    with pytest.raises(TypeError, match="CustomerIdentifiers is not the data of an event"):
        event_of(CustomerIdentifiers(), org_id=1)
    with pytest.raises(ValueError, match="time zone"):
        event_of(PointsIssued(), org_id=1, created_at=datetime(2026, 1, 31))  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"batch": 1_001}, {"linger": -1}, {"patience": 0}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClientSettings(**wrong)  # type: ignore[arg-type]
