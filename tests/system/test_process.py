"""The gateway as a process: starting, telling how it is, stopping."""

import asyncio
import json
import re
import time
from pathlib import Path

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway_kit import CRM_SECRET, RunningGateway, eventually, run_tidings, running_gateway, state_of, write_config
from rulebook_kit import RULES, write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from tidings.events import convert_one, sample

BROKEN = """
version: 1
rules:
  - id: broken
    event: pointsExpiryReminder
    when: data.pointsScheduledForExpiry > 100
    notify: [{email: {to: customer, template: absent}}]
    colour: red
"""


async def test_health_reflection_readiness_and_metrics_answer(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        health = await gateway.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        await gateway.publish(convert_one(sample("pointsExpiryReminder")).event)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http:
            assert (await http.get("/healthz")).status == 200
            ready = await http.get("/readyz")
            assert (ready.status, (await ready.json())["ready"]) == (200, True)
            metrics = await (await http.get("/metrics")).text()
        assert 'tidings_events_total{outcome="new"} 1.0' in metrics
        assert 'tidings_rule_matches_total{mode="live",rule="points-expiring"} 1.0' in metrics


async def test_the_services_can_be_discovered(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        ask = gateway.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        asking = ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = {each.name async for answer in asking for each in answer.list_services_response.service}
    assert {
        "tidings.gateway.v1.EventService",
        "tidings.gateway.v1.ContactService",
        "tidings.gateway.v1.DeliveryService",
        "grpc.health.v1.Health",
    } <= names


async def test_a_stop_settles_what_is_under_way_within_its_bound(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        sink.default = Reply(fault="hold")
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        config = write_config(tmp_path, rules=str(rules))
        async with running_gateway(config) as gateway:
            answer = await gateway.publish(convert_one(sample("pointsIssued")).event)
            await eventually(lambda: _asked(sink))
            began = time.monotonic()
            stopping = asyncio.create_task(gateway.stop())
            await eventually(lambda: _logged(gateway, "gateway.stopping"))
            sink.release.set()
            assert await stopping == 0
            assert time.monotonic() - began < 10
        assert [webhook.headers["webhook-id"] for webhook in sink.received] == list(answer.delivery_ids)
        async with running_gateway(config) as gateway:
            delivery = (await gateway.delivery(answer.delivery_ids[0])).delivery
            assert (state_of(delivery), delivery.attempt_count) == ("DELIVERED", 1)
        assert len(sink.received) == 1


async def _asked(sink: HttpSink) -> bool:
    return bool(sink.received)


async def _logged(gateway: RunningGateway, event: str) -> bool:
    return any(entry["event"] == event for entry in gateway.log)


async def test_a_send_that_outlasts_the_stop_is_given_back_and_repeated_under_its_id(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        sink.default = Reply(fault="hang")
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        config = write_config(tmp_path, rules=str(rules), dispatch={"lease": "60s", "drain": "0.2s"})
        async with running_gateway(config) as gateway:
            answer = await gateway.publish(convert_one(sample("pointsIssued")).event)
            await eventually(lambda: _asked(sink))
            assert await gateway.stop() == 0
        sink.default = Reply()
        async with running_gateway(config) as gateway:
            delivery = await gateway.ended(answer.delivery_ids[0])
            assert state_of(delivery) == "DELIVERED"
        assert {webhook.headers["webhook-id"] for webhook in sink.received} == set(answer.delivery_ids)


async def test_serve_refuses_a_broken_rulebook_with_the_list_check_prints(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=BROKEN)
    config = write_config(tmp_path, rules=str(rules))
    code, _, refused = await run_tidings("serve", "--config", str(config))
    checked, out, _ = await run_tidings("check", str(rules))
    places = re.findall(r"^loyalty\.yaml:\d+:\d+: error\[[a-z-]+\]: .*$", out, re.MULTILINE)
    assert (code, checked) == (1, 1)
    assert len(places) == 3
    assert [place for place in places if place in refused] == places


async def test_check_prints_problems_as_data(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=BROKEN)
    code, out, _ = await run_tidings("check", str(rules), "--format", "json")
    problems = json.loads(out)["problems"]
    assert code == 1
    assert {tuple(sorted(each)) for each in problems} == {
        ("code", "column", "file", "hint", "line", "message", "severity")
    }
    assert {(each["file"], each["line"]) for each in problems if each["severity"] == "error"} == {
        ("loyalty.yaml", 5),
        ("loyalty.yaml", 6),
        ("loyalty.yaml", 7),
    }


async def test_a_missing_secret_is_a_problem_of_the_start(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    brands = rules / "brands" / "all.yaml"
    brands.write_text(brands.read_text().replace("EXAMPLE_CRM_SECRET", "NO_SUCH_SECRET_ANYWHERE"))
    code, _, refused = await run_tidings("serve", "--config", str(write_config(tmp_path, rules=str(rules))))
    assert code == 1
    assert "brands/all.yaml:8:59: error[missing-secret]" in refused
    assert "NO_SUCH_SECRET_ANYWHERE" in refused


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"rules": "/no/such/folder"}, "/no/such/folder"),
        ({"store": "mongodb://somewhere"}, "sqlite:///"),
        ({"email": {"transport": "pigeon:"}}, "email.transport"),
        ({"grpc": {"listen": "nonsense"}}, "grpc.listen"),
        ({"http": {"listen": "nonsense"}}, "http.listen"),
        ({"unknown": 1}, "unknown: there is no such setting"),
    ],
    ids=str,
)
async def test_a_wrong_configuration_is_explained_in_one_message(
    tmp_path: Path, sections: dict[str, object], said: str
) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, **({"rules": str(rules)} | sections))
    code, _, message = await run_tidings("serve", "--config", str(config))
    assert code == 2
    assert said in message
    assert "Traceback" not in message


async def test_a_port_that_is_taken_is_explained(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        second = tmp_path / "second"
        second.mkdir()
        taken = {"listen": f"127.0.0.1:{gateway.grpc_port}"}
        config = write_config(second, rules=str(rules), grpc=taken)
        code, _, message = await run_tidings("serve", "--config", str(config))
    assert code == 2
    assert f"cannot bind 127.0.0.1:{gateway.grpc_port}" in message


async def test_a_method_that_is_not_there_is_said_to_be_unimplemented(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=RULES)
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = gateway.channel.unary_unary(
            "/tidings.gateway.v1.EventService/Nothing"
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(call(b""), 5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
