"""A gateway whose PostgreSQL is stopped, refuses it or has no room left: told in words, outlived, nothing lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from disk_kit import filled_up, small_disk
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
from outage_kit import is_logged, issued, large, readiness, refusal, served, until_refused
from postgres_kit import Cluster, a_cluster, needs_postgres
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, http_sink
from standby_kit import either, primary_and_standby
from tidings.client import ClientSettings, TidingsClient

pytestmark = needs_postgres

MOST_CONNECTIONS = 14
CROWD = 100
"""Callers with a large event each, ten times what may wait."""


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


def configured(folder: Path, store: str, sink: HttpSink) -> Path:
    return write_config(folder, store=store, rules=str(write_rulebook(folder / "rules", crm=sink.url)))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server with a user for the gateway, who needs a password and has no connections reserved."""
    with a_cluster(durable=True, max_connections=str(MOST_CONNECTIONS)) as started:
        started.tell("CREATE ROLE gateway LOGIN PASSWORD 'right'", "CREATE DATABASE tidings OWNER gateway")
        started.admit("local all gateway scram-sha-256", "local all all trust")
        yield started


def gateways_url(cluster: Cluster) -> str:
    hasty = {"connect_timeout_ms": "1000", "transaction_timeout_ms": "2000", "queue_bytes": "2000000"}
    return cluster.url("tidings", **hasty).replace("tidings@", "gateway:right@")


def hang_up(cluster: Cluster) -> None:
    cluster.tell("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'")


@asynccontextmanager
async def no_connection_left(cluster: Cluster) -> AsyncIterator[None]:
    """Let somebody else have them all."""
    taken: list[asyncpg.Connection] = []
    cluster.tell("ALTER ROLE gateway CONNECTION LIMIT 0")
    hang_up(cluster)
    try:
        while True:
            taken.append(await asyncpg.connect(cluster.url("postgres").replace("tidings@", "somebody@")))
    except asyncpg.TooManyConnectionsError:
        cluster.tell("ALTER ROLE gateway CONNECTION LIMIT -1")
    yield
    for each in taken:
        await each.close()


@asynccontextmanager
async def another_password(cluster: Cluster) -> AsyncIterator[None]:
    cluster.tell("ALTER ROLE gateway PASSWORD 'another'")
    hang_up(cluster)
    yield
    cluster.tell("ALTER ROLE gateway PASSWORD 'right'")


@asynccontextmanager
async def stopped(cluster: Cluster) -> AsyncIterator[None]:
    await asyncio.to_thread(cluster.stop)
    yield
    await asyncio.to_thread(cluster.start, max_connections=str(MOST_CONNECTIONS))


@asynccontextmanager
async def hanging(cluster: Cluster) -> AsyncIterator[None]:
    with cluster.standing_still():
        yield


Trouble = Callable[[Cluster], AbstractAsyncContextManager[None]]
TROUBLES: tuple[tuple[Trouble, str], ...] = (
    (no_connection_left, "it has as many connections as it allows"),
    (another_password, "it refuses our name or password"),
    (stopped, "it cannot be reached"),
    (hanging, "did not answer"),
)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_database_that_refuses_is_told_of_in_words_and_waited_for(
    tmp_path: Path, cluster: Cluster, sink: HttpSink
) -> None:
    cluster.tell("CREATE ROLE somebody LOGIN")
    names: list[str] = []
    async with running_gateway(configured(tmp_path, gateways_url(cluster), sink)) as gateway:
        for number, (trouble, words) in enumerate(TROUBLES):
            async with trouble(cluster):
                await eventually(partial(is_refused, gateway, number, words))
                status, store = await readiness(gateway)
                assert (status, store["status"]) == (503, "failed")
                assert words in store["detail"]
                if trouble is hanging:
                    answers = await crowd(gateway)
                    assert answers.keys() == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
                    assert answers[grpc.StatusCode.UNAVAILABLE] < CROWD // 2
            answer = await eventually(partial(served, gateway, issued(f"after-{number}")))
            names += answer.delivery_ids
            assert (await readiness(gateway))[0] == 200
            assert is_logged(gateway, words)
        assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
    assert {call.headers["webhook-id"] for call in sink.received} >= set(names)


async def is_refused(gateway: RunningGateway, number: int, words: str) -> bool:
    """Publish; a connection that was just hung up on is told of in other words first."""
    return words in await refusal(gateway, issued(f"meanwhile-{number}"))


async def crowd(gateway: RunningGateway) -> Counter[grpc.StatusCode]:
    """Publish large events from all sides at once; return how they were answered."""

    async def publish(number: int) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.publish(large(f"large-{number}"))
        assert any(each.Is(RetryInfo.DESCRIPTOR) for each in details_of(caught.value))
        return caught.value.code()

    return Counter(await asyncio.gather(*(publish(number) for number in range(CROWD))))


@pytest.mark.timeout(240)
async def test_a_disk_without_room_keeps_what_was_acknowledged(tmp_path: Path, sink: HttpSink) -> None:
    with (
        small_disk(80) as disk,
        a_cluster(durable=True, within=disk, min_wal_size="8MB", max_wal_size="16MB") as cluster,
    ):
        async with open_test_gateway(configured(tmp_path, cluster.url("postgres"), sink)) as gateway:
            with filled_up(disk):
                names, refused = await until_refused(gateway)
                assert "its disk is full" in refused
                _, store = await readiness(gateway)
                assert (store["status"] != "ok", refused in store["detail"]) == (True, True)
            answer = await eventually(lambda: served(gateway, issued("after")))
            names += answer.delivery_ids
            assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
            assert (await readiness(gateway))[0] == 200
    assert {call.headers["webhook-id"] for call in sink.received} == set(names)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_standby_that_is_promoted_goes_on_with_everything_acknowledged(tmp_path: Path, sink: HttpSink) -> None:
    with primary_and_standby() as (primary, standby):
        config = configured(tmp_path, either(primary, standby, transaction_timeout_ms="2000"), sink)
        async with open_test_gateway(config) as gateway:
            address = f"127.0.0.1:{gateway.grpc_port}"
            async with TidingsClient(address, settings=ClientSettings(patience=120)) as client:
                publishing = [asyncio.create_task(client.publish(issued(f"evt-{number}"))) for number in range(100)]
                await asyncio.gather(*publishing)
                publishing += [asyncio.create_task(client.publish(issued(f"late-{number}"))) for number in range(100)]
                await asyncio.to_thread(primary.stop, at_once=True)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(standby.promote)
                published = await asyncio.gather(*publishing)
            names = {name for each in published for name in each.delivery_ids}
            assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
            assert (await readiness(gateway))[0] == 200
    assert {call.headers["webhook-id"] for call in sink.received} == names
    assert len(names) == 200
