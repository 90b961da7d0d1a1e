"""Gateways on a PostgreSQL that goes away for a while; ``test_chaos_postgres`` kills and pauses several."""

import asyncio
from collections.abc import AsyncIterator, Iterator
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
    state_of,
    write_config,
)
from postgres_kit import Cluster, a_cluster, needs_postgres
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import PublishResponse

pytestmark = needs_postgres


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with a_cluster(durable=True) as started:
        yield started


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


def issued(event_id: str) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = event_id
    return event


def configured(folder: Path, cluster: Cluster, sink: HttpSink, **sections: object) -> Path:
    folder.mkdir(exist_ok=True)
    rules = write_rulebook(folder / "rules", crm=sink.url)
    return write_config(folder, store=cluster.url("postgres"), rules=str(rules), **sections)


async def refusal(gateway: RunningGateway, event: Event) -> RetryInfo:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.publish(event)
    info, retry = ErrorInfo(), RetryInfo()
    unpacked = [each.Unpack(into) for each, into in zip(details_of(caught.value), (info, retry), strict=True)]
    assert (caught.value.code(), info.reason, unpacked) == (
        grpc.StatusCode.UNAVAILABLE,
        "STORE_UNAVAILABLE",
        [True, True],
    )
    return retry


async def readiness(gateway: RunningGateway) -> int:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        http.get("/readyz") as response,
    ):
        return response.status


async def test_a_database_that_goes_away_is_waited_for(tmp_path: Path, cluster: Cluster, sink: HttpSink) -> None:
    async with open_test_gateway(configured(tmp_path, cluster, sink)) as gateway:
        before = await gateway.publish(issued("before"))
        await gateway.ended(before.delivery_ids[0])
        await asyncio.to_thread(cluster.stop)

        assert (await refusal(gateway, issued("meanwhile"))).retry_delay.seconds == 1
        assert await readiness(gateway) == 503
        await asyncio.to_thread(cluster.start)

        async def served() -> PublishResponse | None:
            try:
                return await gateway.publish(issued("meanwhile"))
            except grpc.aio.AioRpcError:
                return None

        after = await eventually(served)
        assert not after.duplicate
        assert state_of(await gateway.ended(after.delivery_ids[0])) == "DELIVERED"
        assert await readiness(gateway) == 200
    assert {call.headers["webhook-id"] for call in sink.received} == {*before.delivery_ids, *after.delivery_ids}
