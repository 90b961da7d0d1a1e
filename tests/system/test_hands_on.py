"""Hands on deliveries over the wire: watch, cancel, retry; and what is done when an endpoint is gone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    details_of,
    eventually,
    open_test_gateway,
    run_tidings,
    state_of,
    write_config,
)
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import delivery_service_pb2 as pb
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, sink: HttpSink) -> AsyncIterator[RunningGateway]:
    rules = write_rulebook(tmp_path / "rules", crm=sink.url)
    email = {"transport": f"capture:{tmp_path}/mail", "timeout": "2s"}
    async with open_test_gateway(write_config(tmp_path, rules=str(rules), email=email)) as running:
        yield running


def issued(number: int) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = f"evt-{number}"
    return event


def to(gateway: RunningGateway) -> tuple[str, str]:
    return "--to", f"127.0.0.1:{gateway.grpc_port}"


async def in_state(gateway: RunningGateway, name: str, state: str) -> pb.Delivery:
    async def look() -> pb.Delivery | None:
        delivery = (await gateway.delivery(name)).delivery
        return delivery if state_of(delivery) == state else None

    return await eventually(look)


async def test_a_dead_delivery_is_retried_by_name_and_arrives_under_its_id(
    gateway: RunningGateway, sink: HttpSink
) -> None:
    sink.script(Reply(status=400))
    (name,) = (await gateway.publish(issued(1))).delivery_ids
    assert state_of(await gateway.ended(name)) == "DEAD"
    code, _, err = await run_tidings("deliveries", "retry", name, "dlv_none", *to(gateway))
    assert code == 1
    assert "dlv_none: there is no such delivery" in err
    assert "1 deliveries are on their way again" in err
    await in_state(gateway, name, "DELIVERED")
    shown = await gateway.delivery(name)
    assert [(each.number, each.outcome) for each in shown.attempts] == [(1, "refused"), (2, "accepted")]
    assert [call.headers["webhook-id"] for call in sink.received] == [name, name]


async def test_all_that_died_are_retried_by_what_they_have_in_common(gateway: RunningGateway, sink: HttpSink) -> None:
    sink.default = Reply(status=400)
    names = [(await gateway.publish(issued(number))).delivery_ids[0] for number in range(12)]
    for name in names:
        assert state_of(await gateway.ended(name)) == "DEAD"
    sink.default = Reply()
    other = await run_tidings("deliveries", "retry", "--state", "dead", "--org", "1", *to(gateway))
    ours = await run_tidings("deliveries", "retry", "--state", "dead", "--org", "51186", "--since", "1h", *to(gateway))
    assert (other[0], other[2]) == (0, "0 deliveries are on their way again\n")
    assert (ours[0], ours[2]) == (0, "12 deliveries are on their way again\n")
    for name in names:
        await in_state(gateway, name, "DELIVERED")


async def test_a_waiting_delivery_is_cancelled_and_an_ended_one_is_not(gateway: RunningGateway, sink: HttpSink) -> None:
    sink.default = Reply(status=503)  # for as long as cancelling takes, which can be longer than to the second attempt
    (name,) = (await gateway.publish(issued(1))).delivery_ids
    await in_state(gateway, name, "WAITING")
    await eventually(lambda: _received(sink, 1))
    await in_state(gateway, name, "WAITING")
    code, _, err = await run_tidings("deliveries", "cancel", name, "--reason", "no longer true", *to(gateway))
    assert (code, err) == (0, f"{name} is cancelled: no longer true\n")
    sink.default = Reply()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await DeliveryServiceStub(gateway.channel).CancelDelivery(pb.CancelDeliveryRequest(delivery_id=name + "x"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    (delivered,) = (await gateway.publish(issued(2))).delivery_ids
    await gateway.ended(delivered)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await DeliveryServiceStub(gateway.channel).CancelDelivery(pb.CancelDeliveryRequest(delivery_id=delivered))
    info = ErrorInfo()
    assert details_of(caught.value)[0].Unpack(info)
    assert (caught.value.code(), info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


async def _received(sink: HttpSink, count: int) -> bool:
    return len(sink.received) >= count


async def test_a_watcher_sees_deliveries_as_they_move(gateway: RunningGateway) -> None:
    watching = DeliveryServiceStub(gateway.channel).WatchDeliveries(
        pb.WatchDeliveriesRequest(org_id=51186, states=[pb.DELIVERY_STATE_DELIVERED])
    )
    await asyncio.wait_for(watching.initial_metadata(), 10)
    (name,) = (await gateway.publish(issued(1))).delivery_ids
    seen = await asyncio.wait_for(watching.read(), 10)
    assert isinstance(seen, pb.WatchDeliveriesResponse)
    assert (seen.delivery_id, seen.org_id, seen.state) == (name, 51186, pb.DELIVERY_STATE_DELIVERED)
    watching.cancel()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RetryDeliveriesRequest(), "selection.states"),
        (pb.RetryDeliveriesRequest(selection=pb.DeliverySelection(org_id=1)), "selection.states"),
        (
            pb.RetryDeliveriesRequest(selection=pb.DeliverySelection(states=[pb.DELIVERY_STATE_DELIVERED])),
            "selection.states",
        ),
        (pb.RetryDeliveriesRequest(delivery_ids=["a"], selection=pb.DeliverySelection()), "selection"),
        (
            pb.RetryDeliveriesRequest(
                selection=pb.DeliverySelection(states=[pb.DELIVERY_STATE_DEAD], recipient="nobody")
            ),
            "selection.recipient",
        ),
    ],
    ids=["nothing", "no state", "delivered ones", "both", "no recipient"],
)
async def test_a_careless_retry_is_refused(
    gateway: RunningGateway, request_: pb.RetryDeliveriesRequest, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await DeliveryServiceStub(gateway.channel).RetryDeliveries(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{field}: " in str(caught.value.details())


async def test_an_endpoint_that_is_gone_is_disabled_and_the_brand_is_told(
    gateway: RunningGateway, sink: HttpSink, tmp_path: Path
) -> None:
    sink.script(Reply(status=410))
    (first,) = (await gateway.publish(issued(1))).delivery_ids
    assert state_of(await gateway.ended(first)) == "DEAD"

    async def told() -> list[pb.Delivery]:
        return [each for each in await gateway.deliveries() if each.event_name == "tidings.endpointDisabled"]

    (alert,) = await eventually(told)
    assert (alert.recipient, state_of(await gateway.ended(alert.id))) == (
        "address:loyalty-team@example.com",
        "DELIVERED",
    )
    mail = (tmp_path / "mail" / f"{alert.id}.eml").read_text()
    assert "Subject: Example Rewards 51186: the endpoint crm gets no more webhooks" in mail
    (later,) = (await gateway.publish(issued(2))).delivery_ids
    suppressed = await gateway.ended(later)
    assert state_of(suppressed) == "SUPPRESSED"
    assert len(sink.received) == 1


async def test_what_is_past_its_time_is_let_go(tmp_path: Path, sink: HttpSink) -> None:
    rules = write_rulebook(tmp_path / "rules", crm=sink.url)
    config = write_config(tmp_path, rules=str(rules), retention={"events": "1ms", "deliveries": "1ms", "every": "50ms"})
    async with open_test_gateway(config) as gateway:
        answers = [await gateway.publish(issued(number)) for number in range(5)]
        await eventually(lambda: _received(sink, 5))

        async def gone() -> bool:
            return not await gateway.deliveries()

        assert await eventually(gone)
        assert len({answer.event_id for answer in answers}) == 5
    with sqlite3.connect(tmp_path / "tidings.db") as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (our own names)
            for table in ("event", "delivery", "attempt")
        ]
    connection.close()
    assert counts == [0, 0, 0]
