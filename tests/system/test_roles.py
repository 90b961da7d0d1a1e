"""Several processes that share one store and one port: two take in, one sends."""

import asyncio
import functools
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    eventually,
    run_tidings,
    running_gateway,
    state_of,
    write_config,
)
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from tidings.client import ClientSettings, TidingsClient
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.delivery_service_pb2 import WatchDeliveriesRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

COUNT = 600


def issued(number: int) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = f"evt-{number}"
    return event


@dataclass(frozen=True, slots=True)
class Cluster:
    """Two that take in, one that sends, and where its webhooks arrive."""

    first: RunningGateway
    second: RunningGateway
    dispatch: RunningGateway
    sink: HttpSink


def on_port(config: Path, name: str, *, grpc_port: int, http_port: int) -> Path:
    """Copy a configuration for another process, on these ports."""
    settings = json.loads(config.read_text())
    settings["grpc"] = {"listen": f"127.0.0.1:{grpc_port}", "reuse_port": True}
    settings["http"] = {"listen": f"127.0.0.1:{http_port}", "reuse_port": True}
    file = config.with_name(name)
    file.write_text(json.dumps(settings))
    return file


@asynccontextmanager
async def cluster(folder: Path, *, share_port: bool = True) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as closing:
        sink = await closing.enter_async_context(http_sink(CRM_SECRET))
        rules = write_rulebook(folder / "rules", crm=sink.url)
        plain = write_config(folder, rules=str(rules))
        dispatch = await closing.enter_async_context(running_gateway(plain, arguments=("--role", "dispatch")))
        intake = on_port(plain, "first.yaml", grpc_port=0, http_port=0) if share_port else plain
        first = await closing.enter_async_context(running_gateway(intake, arguments=("--role", "intake")))
        same = on_port(plain, "second.yaml", grpc_port=first.grpc_port, http_port=first.http_port)
        same = same if share_port else plain
        second = await closing.enter_async_context(running_gateway(same, arguments=("--role", "intake")))
        yield Cluster(first, second, dispatch, sink)


@pytest.mark.long
async def test_nothing_is_lost_when_one_of_those_that_take_in_and_the_one_that_sends_are_killed(tmp_path: Path) -> None:
    """Callers reconnect to whoever is left on the port; what was sent twice has the same id."""
    async with cluster(tmp_path) as running, AsyncExitStack() as closing:
        address = f"127.0.0.1:{running.first.grpc_port}"
        clients = [
            await closing.enter_async_context(TidingsClient(address, settings=ClientSettings(patience=60)))
            for _ in range(4)
        ]
        telling = [asyncio.create_task(clients[number % 4].publish(issued(number))) for number in range(COUNT)]
        await eventually(lambda: _arrived(running.sink, COUNT // 10))
        await running.first.kill()
        await running.dispatch.kill()
        published = await asyncio.gather(*telling)
        names = {name for each in published for name in each.delivery_ids}
        assert len(names) == COUNT
        async with running_gateway(tmp_path / "tidings.yaml", arguments=("--role", "dispatch")):
            await eventually(lambda: _all_arrived(running.sink, names))
        assert {webhook.headers["webhook-id"] for webhook in running.sink.received} == names


async def _arrived(sink: HttpSink, count: int) -> bool:
    return len(sink.received) >= count


async def _all_arrived(sink: HttpSink, names: set[str]) -> bool:
    return names <= {webhook.headers["webhook-id"] for webhook in sink.received}


async def test_the_same_events_published_to_both_are_recorded_once(tmp_path: Path) -> None:
    async with cluster(tmp_path, share_port=False) as running:
        channels = [running.first.channel, running.second.channel]
        stubs = [EventServiceStub(channel) for channel in channels]
        batches = [
            PublishBatchRequest(events=[issued(start + each) for each in range(20)]) for start in (0, 10, 20, 30)
        ]
        answers = await asyncio.gather(*(stub.PublishBatch(batch) for batch in batches * 4 for stub in stubs))
        published = [result.published for answer in answers for result in answer.results]
        new = Counter(each.event_id for each in published if not each.duplicate)
        assert new == Counter({f"evt-{number}": 1 for number in range(50)})
        assert len(published) == 4 * 2 * 80
        assert len({each.event_id: list(each.delivery_ids) for each in published}) == 50
        names = {name for each in published for name in each.delivery_ids}
        await eventually(lambda: _all_arrived(running.sink, names))
        assert (len(names), len(running.sink.received)) == (50, 50)


async def test_the_same_id_with_other_content_is_refused_by_whichever_process(tmp_path: Path) -> None:
    async with cluster(tmp_path, share_port=False) as running:
        await running.first.publish(issued(1))
        other = issued(1)
        other.created_at += 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.second.publish(other)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_what_one_process_takes_in_another_sends_at_once(tmp_path: Path) -> None:
    """The one that sends sleeps half a minute when nothing is due, unless it hears of work."""
    async with cluster(tmp_path, share_port=False) as running:
        for number in range(5):
            began = asyncio.get_running_loop().time()
            await running.first.publish(issued(number))
            await eventually(functools.partial(_arrived, running.sink, number + 1))
            assert asyncio.get_running_loop().time() - began < 20


async def test_both_processes_answer_on_the_port_they_share(tmp_path: Path) -> None:
    async with cluster(tmp_path) as running:
        revision = (await get(running.dispatch.http_port, "/readyz"))["checks"]["rulebook"]["revision"]
        await running.first.kill()
        assert (await get(running.second.http_port, "/readyz"))["checks"]["rulebook"]["revision"] == revision
        assert (await running.second.publish(issued(1))).event_id == "evt-1"


async def get(port: int, path: str) -> Any:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http, http.get(path) as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def test_the_one_that_sends_takes_nothing_in(tmp_path: Path) -> None:
    async with cluster(tmp_path, share_port=False) as running:
        assert running.dispatch.grpc_port == 0
        async with aiohttp.ClientSession(f"http://127.0.0.1:{running.dispatch.http_port}") as http:
            assert (await http.post("/intake/capillary", json={})).status == 404
            assert (await http.get("/healthz")).status == 200


async def test_moves_are_not_watched_where_nothing_moves(tmp_path: Path) -> None:
    async with cluster(tmp_path, share_port=False) as running:
        watching = DeliveryServiceStub(running.first.channel).WatchDeliveries(WatchDeliveriesRequest())
        with pytest.raises(grpc.aio.AioRpcError, match="sent by another process"):
            await anext(aiter(watching))


async def test_an_endpoint_enabled_where_events_are_taken_in_is_used_where_they_are_sent(tmp_path: Path) -> None:
    async with cluster(tmp_path, share_port=False) as running:
        running.sink.script(Reply(status=410))
        gone = (await running.first.publish(issued(1))).delivery_ids[0]
        assert state_of(await running.first.ended(gone)) == "DEAD"
        suppressed = (await running.second.publish(issued(2))).delivery_ids[0]
        assert state_of(await running.second.ended(suppressed)) == "SUPPRESSED"
        to = ("--to", f"127.0.0.1:{running.second.grpc_port}")
        code, _, _ = await run_tidings("endpoints", "enable", "51186", "crm", *to)
        assert code == 0

        numbers = itertools.count(3)

        async def used_again() -> bool:
            name = (await running.first.publish(issued(next(numbers)))).delivery_ids[0]
            return state_of(await running.first.ended(name)) == "DELIVERED"

        await eventually(used_again)
