"""How long a gateway keeps a caller's connection: unused, and long in use."""

import asyncio
from pathlib import Path

import grpc
import pytest

from gateway_kit import open_test_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.errors import InvalidConfiguration
from tidings.gateway.v1.rule_service_pb2 import GetRulebookRequest
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub


def config(folder: Path, **grpc_settings: object) -> Path:
    rules = write_rulebook(folder / "rules", crm="http://127.0.0.1:9")
    return write_config(folder, rules=str(rules), grpc={"listen": "127.0.0.1:0", **grpc_settings})


async def test_a_connection_without_calls_is_closed(tmp_path: Path) -> None:
    async with open_test_gateway(config(tmp_path, idle="1s")) as gateway:
        await RuleServiceStub(gateway.channel).GetRulebook(GetRulebookRequest(), timeout=10)

        await asyncio.wait_for(gateway.channel.wait_for_state_change(grpc.ChannelConnectivity.READY), 20)

        await RuleServiceStub(gateway.channel).GetRulebook(GetRulebookRequest(), timeout=10)


async def test_callers_who_stay_long_are_asked_to_connect_anew_and_lose_no_call(tmp_path: Path) -> None:
    async with open_test_gateway(config(tmp_path, max_connection_age="1s")) as gateway:
        stub = RuleServiceStub(gateway.channel)
        for _ in range(2):
            anew = asyncio.ensure_future(gateway.channel.wait_for_state_change(grpc.ChannelConnectivity.READY))
            while not anew.done():
                await stub.GetRulebook(GetRulebookRequest(), timeout=10)
            await stub.GetRulebook(GetRulebookRequest(), timeout=10)


async def test_the_far_side_is_asked_for_no_more_often_than_grpc_allows(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"grpc\.keepalive: .* greater than or equal to 10"):
        async with open_test_gateway(config(tmp_path, keepalive="1s")):
            pass
