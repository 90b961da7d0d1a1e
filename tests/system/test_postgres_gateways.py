"""Gateways that share a PostgreSQL: killed, paused, and with a database that goes away for a while."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
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
from postgres_kit import Cluster, a_cluster, needs_postgres
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import PublishResponse

pytestmark = needs_postgres

LEASE = 3.0
"""Seconds; what ``write_config`` gives gateways under test."""
_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


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


class Services:
    """Publish to whichever gateway is there, each event until it is acknowledged."""

    def __init__(self) -> None:
        self.gateways: list[RunningGateway] = []
        self.acknowledged: dict[str, tuple[str, ...]] = {}
        self.enough = False
        self._numbers = count()

    async def publish(self) -> None:
        while not self.enough:
            event = issued(f"evt-{next(self._numbers)}")
            answer = await self._until_acknowledged(event)
            self.acknowledged[answer.event_id] = tuple(answer.delivery_ids)

    async def _until_acknowledged(self, event: Event) -> PublishResponse:
        for turn in count():
            try:
                return await self.gateways[turn % len(self.gateways)].publish(event, timeout=2)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise
            await asyncio.sleep(0.02)
        raise AssertionError("unreachable")

    async def more(self, wanted: int) -> None:
        """Wait until so many more events are acknowledged."""
        wanted += len(self.acknowledged)

        async def look() -> bool:
            return len(self.acknowledged) >= wanted

        await eventually(look)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_gateways_that_are_killed_and_paused_lose_nothing(
    tmp_path: Path, cluster: Cluster, sink: HttpSink
) -> None:
    services = Services()
    first, second = (configured(tmp_path / name, cluster, sink) for name in ("a", "b"))
    async with running_gateway(first) as killed, running_gateway(second) as paused:
        services.gateways = [killed, paused]
        publishing = [asyncio.create_task(services.publish()) for _ in range(8)]
        await services.more(150)
        await killed.kill()
        async with running_gateway(first) as successor:
            services.gateways = [successor, paused]
            await services.more(100)
            paused.process.send_signal(signal.SIGSTOP)
            await services.more(50)
            await asyncio.sleep(LEASE + 1.5)  # whatever was in its hands is taken by the other
            paused.process.send_signal(signal.SIGCONT)
            await services.more(100)
            services.enough = True
            await asyncio.gather(*publishing)
            names = {name for answer in services.acknowledged.values() for name in answer}

            async def ended() -> bool:
                return all(state_of(each) == "DELIVERED" for each in await successor.deliveries())

            await eventually(ended)
            assert {each.id for each in await successor.deliveries()} == names

    bodies = {(call.headers["webhook-id"], call.body) for call in sink.received}
    assert {name for name, _ in bodies} == names
    assert len(bodies) == len(names), "a repeat differs from the first"
    assert len(sink.received) - len(names) < 200, "only what was in hand is sent again"


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
