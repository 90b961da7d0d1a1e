"""A stop behind a load balancer: told first, then a delay in which calls are answered, then the end."""

import asyncio
import time
from pathlib import Path

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2

from gateway_kit import CRM_SECRET, running_gateway, write_config
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event

DELAY = 3.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def issued(number: int) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = f"evt-{number}"
    return event


@pytest.mark.long
async def test_health_turns_first_and_calls_are_answered_until_the_delay_has_passed(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        config = write_config(tmp_path, rules=str(rules), drain_delay=f"{DELAY:g}s")
        async with (
            running_gateway(config) as gateway,
            aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        ):
            watch = gateway.channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            seen = aiter(watch(health_pb2.HealthCheckRequest()))
            assert (await anext(seen)).status == SERVING
            began = time.monotonic()
            stopping = asyncio.create_task(gateway.stop())
            assert (await anext(seen)).status == NOT_SERVING
            assert (await http.get("/readyz")).status == 503
            assert (await http.get("/healthz")).status == 200
            names = [(await gateway.publish(issued(number))).delivery_ids[0] for number in range(5)]
            assert time.monotonic() - began < DELAY
            assert await stopping == 0
            assert DELAY <= time.monotonic() - began < DELAY + 10
            with pytest.raises(grpc.aio.AioRpcError):
                await gateway.publish(issued(9), timeout=2)
        # What came during the delay was sent, too, before the end.
        assert {webhook.headers["webhook-id"] for webhook in sink.received} == set(names)


async def test_without_a_delay_a_stop_takes_no_longer_than_what_is_under_way(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        assert await gateway.stop() == 0
    assert [entry["event"] for entry in gateway.log][-2:] == ["gateway.stopping", "gateway.stopped"]
