"""Endpoints over the real wire: limits from the rulebook, a slow one beside a fast one, one that is gone."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import pytest

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    eventually,
    open_test_gateway,
    run_tidings,
    running_gateway,
    state_of,
    write_config,
)
from sink_kit import HttpSink, Reply, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.delivery_service_pb2 import Delivery, ListEndpointsRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub

RULES = """\
version: 1
rules:
  - id: to-all
    event: pointsExpiryReminder
    notify:
      - webhook: {to: all}
"""


def reminder(event_id: str) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = event_id
    return event


def write_rules(folder: Path, *endpoints: str) -> Path:
    """Write a rulebook that sends every reminder to each endpoint, given as ``name: …, url: …``."""
    (folder / "brands").mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(RULES)
    lines = "".join(f"      - {{secrets: ['env:EXAMPLE_CRM_SECRET'], {each}}}\n" for each in endpoints)
    brands = f"version: 1\nbrands:\n  - org: 50750\n    name: A\n    from: a@example.com\n    endpoints:\n{lines}"
    (folder / "brands" / "all.yaml").write_text(brands)
    return folder


async def publish(gateway: RunningGateway, count: int, *, start: int = 0) -> Sequence[str]:
    names: list[str] = []
    for number in range(start, start + count):
        names.extend((await gateway.publish(reminder(f"evt-{number}"))).delivery_ids)
    return names


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


async def test_a_rate_in_the_rulebook_is_kept(tmp_path: Path, sink: HttpSink) -> None:
    rules = write_rules(tmp_path / "rules", f"name: crm, url: '{sink.url}', rate: 20/s")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        started = time.monotonic()
        for name in await publish(gateway, 30):
            assert state_of(await gateway.ended(name)) == "DELIVERED"
        assert time.monotonic() - started >= 29 / 20
    assert len(sink.received) == 30


async def test_a_rules_pauses_go_before_its_endpoints(tmp_path: Path, sink: HttpSink) -> None:
    sink.default = Reply(status=503)
    rules = write_rules(tmp_path / "rules", f"name: crm, url: '{sink.url}', retry: [2h]")
    own = RULES.replace("to-all", "in-a-hurry").replace("notify:", "retry: [1h]\n    notify:")
    (rules / "own.yaml").write_text(own)
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        await publish(gateway, 1)

        async def deferred() -> list[Delivery]:
            found = await gateway.deliveries()
            return found if all(each.attempt_count and state_of(each) == "WAITING" for each in found) else []

        waits = {each.rule_id: each.due_at.seconds - each.created_at.seconds for each in await eventually(deferred)}
    assert waits.keys() == {"in-a-hurry", "to-all"}
    assert 3_600 <= waits["in-a-hurry"] < 3_600 * 1.1 + 30
    assert 7_200 <= waits["to-all"] < 7_200 * 1.1 + 30


async def test_endpoints_are_listed_and_one_that_was_disabled_is_used_again(tmp_path: Path, sink: HttpSink) -> None:
    rules = write_rules(
        tmp_path / "rules",
        f"name: crm, url: '{sink.url}?token=abc', rate: 600/m, headers: {{X-Key: visible}}",
        "name: lake, url: 'http://127.0.0.1:9/', concurrency: 2",
    )
    sink.script(Reply(status=410))
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        to = ("--to", f"127.0.0.1:{gateway.grpc_port}")
        first, _ = await publish(gateway, 1)
        assert state_of(await gateway.ended(first)) == "DEAD"
        later, _ = await publish(gateway, 1, start=1)
        assert state_of(await gateway.ended(later)) == "SUPPRESSED"
        code, out, _ = await run_tidings("endpoints", "list", "--format", "json", *to)
        crm, lake = json.loads(out)["endpoints"]
        told, shown, next_step = await run_tidings("endpoints", "list", "--org", "50750", *to)
        none = await run_tidings("endpoints", "list", "--org", "1", *to)
        enabled = await run_tidings("endpoints", "enable", "50750", "crm", *to)
        retry = enabled[2].partition("tidings ")[2].split()
        retried = await run_tidings(*retry, *to)
        assert state_of(await eventually(lambda: _delivered(gateway, later))) == "DELIVERED"
        unknown = await run_tidings("endpoints", "enable", "50750", "crn", *to)
    assert (code, told) == (0, 0)
    assert "disabled since" in shown
    assert crm.pop("disabled_at").endswith("Z")
    assert crm == {
        "org_id": 50750,
        "name": "crm",
        "host": f"127.0.0.1:{sink.port}",
        "rate": "600/m",
        "concurrency": 16,
        "state": "disabled",
        "reason": "it answered 410 Gone",
        "failing_since": crm["failing_since"],
        "paused_until": None,
    }
    assert (lake["name"], lake["rate"], lake["concurrency"], lake["state"]) == ("lake", None, 2, "failing")
    assert not any(secret in text for text in (out, shown) for secret in ("token", "abc", "visible", CRM_SECRET))
    assert next_step == "once crm of 50750 is mended: tidings endpoints enable 50750 crm\n"
    assert none == (0, "no endpoints\n", "")
    in_use, hint = enabled[2].splitlines()
    assert (enabled[0], in_use) == (0, "crm of 50750 is in use; 0 deliveries that waited for it go out now")
    assert hint.startswith("what was suppressed meanwhile: tidings deliveries retry --state suppressed")
    assert hint.endswith(" --org 50750 --recipient endpoint:crm")
    assert (retried[0], retried[2]) == (0, "1 deliveries are on their way again\n")
    assert unknown == (2, "", "NOT_FOUND: no endpoint '50750/crn'\n")


async def test_endpoints_are_listed_page_by_page(tmp_path: Path) -> None:
    names = [f"e-{number}" for number in range(5)]
    rules = write_rules(tmp_path / "rules", *(f"name: {name}, url: 'http://127.0.0.1:9/'" for name in reversed(names)))
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        stub = DeliveryServiceStub(gateway.channel)
        found: list[list[str]] = []
        request = ListEndpointsRequest(page_size=2)
        while request.page_token or not found:
            page = await stub.ListEndpoints(request)
            found.append([each.name for each in page.endpoints])
            request.page_token = page.next_page_token
        with pytest.raises(grpc.aio.AioRpcError, match="page_token: is not one that a list gave"):
            await stub.ListEndpoints(ListEndpointsRequest(page_token="crm"))
    assert found == [names[:2], names[2:4], names[4:]]


async def _delivered(gateway: RunningGateway, name: str) -> Delivery | None:
    delivery = (await gateway.delivery(name)).delivery
    return delivery if state_of(delivery) == "DELIVERED" else None


async def test_an_endpoint_that_never_answers_delays_no_other(tmp_path: Path, sink: HttpSink) -> None:
    async with http_sink(CRM_SECRET) as hanging:
        hanging.default = Reply(fault="hang")
        rules = write_rules(
            tmp_path / "rules", f"name: slow, url: '{hanging.url}', concurrency: 2", f"name: crm, url: '{sink.url}'"
        )
        config = write_config(
            tmp_path, rules=str(rules), dispatch={"lease": "3s", "concurrency": 8, "batch": 8, "drain": "100ms"}
        )
        async with running_gateway(config) as gateway:
            started = time.monotonic()
            await publish(gateway, 100)

            async def arrived() -> bool:
                return len(sink.received) == 100

            await eventually(arrived)
            assert time.monotonic() - started < 10


async def test_an_endpoint_that_is_gone_stays_disabled_over_a_restart_until_its_url_changes(
    tmp_path: Path, sink: HttpSink
) -> None:
    async with http_sink(CRM_SECRET) as gone:
        gone.default = Reply(status=410)
        rules = write_rules(tmp_path / "rules", f"name: crm, url: '{gone.url}'")
        config = write_config(tmp_path, rules=str(rules))
        async with running_gateway(config) as gateway:
            (first,) = await publish(gateway, 1)
            assert state_of(await gateway.ended(first)) == "DEAD"
        async with running_gateway(config) as gateway:
            (second,) = await publish(gateway, 1, start=1)
            ended = await gateway.ended(second)
            assert state_of(ended) == "SUPPRESSED"
            assert "endpoint crm is disabled: it answered 410 Gone" in ended.reason
        write_rules(tmp_path / "rules", f"name: crm, url: '{sink.url}'")
        async with running_gateway(config) as gateway:
            (third,) = await publish(gateway, 1, start=2)
            assert state_of(await gateway.ended(third)) == "DELIVERED"
        assert (len(gone.received), len(sink.received)) == (1, 1)
