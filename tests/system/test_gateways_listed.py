"""Who runs what: gateways that share a store tell of each other over the wire, also during a roll-out."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway_kit import RunningGateway, eventually, open_test_gateway, run_tidings, running_gateway, write_config
from postgres_kit import database_url, needs_postgres, shared_cluster
from rulebook_kit import write_rulebook
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub


async def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/tidings.db"


async def postgres(folder: Path) -> str:
    return await database_url(shared_cluster(), folder)


STORES = [sqlite, pytest.param(postgres, marks=needs_postgres)]


async def listed(gateway: RunningGateway) -> list[pb.Gateway]:
    answer = await RuleServiceStub(gateway.channel).ListGateways(pb.ListGatewaysRequest())
    return list(answer.gateways)


@asynccontextmanager
async def two_gateways(folder: Path, store: str) -> AsyncIterator[tuple[RunningGateway, RunningGateway]]:
    """One of this process, and a younger one of its own process that takes in only."""
    configs = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        rules = write_rulebook(folder / name / "rules", crm="http://127.0.0.1:9/")
        configs.append(write_config(folder / name, store=store, rules=str(rules)))
    async with (
        open_test_gateway(configs[0]) as first,
        running_gateway(configs[1], arguments=["--role", "intake"]) as second,
    ):
        yield first, second


@pytest.mark.parametrize("store_url", STORES)
async def test_gateways_say_who_runs_what(tmp_path: Path, store_url: Callable[[Path], Awaitable[str]]) -> None:
    async with two_gateways(tmp_path, await store_url(tmp_path)) as (first, second):
        both = await listed(second)
        assert [(each.role, each.answering) for each in both] == [("all", False), ("intake", True)]
        assert both[0].revision == both[1].revision
        assert all(each.id and each.host and each.version for each in both)
        assert all(each.started_at.seconds <= each.seen_at.seconds for each in both)

        write_rulebook(tmp_path / "second" / "rules", crm="http://127.0.0.1:9/new")
        reloaded = await RuleServiceStub(second.channel).ReloadRules(pb.ReloadRulesRequest())
        assert reloaded.succeeded

        async def told() -> list[pb.Gateway] | None:
            found = await listed(first)
            return found if found[1].revision == reloaded.revision else None

        assert (await eventually(told))[0].revision == both[0].revision

        to = ("--to", f"127.0.0.1:{first.grpc_port}")
        _, as_json, _ = await run_tidings("gateways", "--format", "json", *to)
        assert [(each["role"], each["answering"]) for each in json.loads(as_json)["gateways"]] == [
            ("all", True),
            ("intake", False),
        ]
        code, shown, hint = await run_tidings("gateways", *to)
        assert code == 0
        assert all(text in shown for text in (both[0].revision[:12], reloaded.revision[:12], both[1].host))
        assert "different rulebooks are live" in hint

        if store_url is sqlite:
            await second.kill()

            async def gone() -> bool:
                return [each.id for each in await listed(first)] == [both[0].id]

            assert await eventually(gone), "a process of the same machine is seen to have ended"
        else:
            assert await second.stop() == 0
            assert [each.id for each in await listed(first)] == [both[0].id], "one that stops takes leave"
