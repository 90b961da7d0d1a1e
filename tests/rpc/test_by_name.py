"""Which methods of the gRPC server have a line of their own: few, for each costs every call something."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from gateway_kit import open_test_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.gateway.v1.event_service_pb2 import ListEventsRequest, PublishBatchRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.gateway.v1.rule_service_pb2 import GetRulebookRequest
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub


def lines() -> int:
    """Count the tasks of this loop in which grpc.aio waits for calls of one registered method."""
    waiting = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sum(each.endswith("._request_registered_call") for each in waiting)


async def test_methods_are_found_by_name_but_for_those_that_floods_come_by(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9")
    path = write_config(tmp_path, rules=str(rules), grpc={"listen": "127.0.0.1:0"})
    async with open_test_gateway(path) as gateway:
        channel: Any = gateway.channel
        assert not (await EventServiceStub(channel).PublishBatch(PublishBatchRequest(), timeout=10)).results
        assert not (await EventServiceStub(channel).ListEvents(ListEventsRequest(), timeout=10)).events
        assert (await RuleServiceStub(channel).GetRulebook(GetRulebookRequest(), timeout=10)).revision
        stub: Any = HealthStub(channel)
        health = await stub.Check(HealthCheckRequest(), timeout=10)
        assert health.status == HealthCheckResponse.SERVING
        reflection: Any = ServerReflectionStub(channel)
        asked = iter([ServerReflectionRequest(list_services="")])
        found = [answer async for answer in reflection.ServerReflectionInfo(asked, timeout=10)]
        assert "grpc.health.v1.Health" in {each.name for each in found[0].list_services_response.service}
        assert lines() == 2


async def test_a_method_that_there_is_not_is_not_implemented(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9")
    path = write_config(tmp_path, rules=str(rules), grpc={"listen": "127.0.0.1:0"})
    async with open_test_gateway(path) as gateway:
        channel: Any = gateway.channel
        for method in ("/tidings.gateway.v1.EventService/None", "/tidings.gateway.v1.NoService/Publish"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(method)(b"", timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
