"""Traces over the wire: from whoever calls the gateway to whoever it calls, collected by a real collector."""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway_kit import RunningGateway, eventually, open_test_gateway, running_gateway, state_of, write_config
from rulebook_kit import RULES, write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest, PublishRequest, PublishStreamRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from traces_kit import Collector, ReceivedSpan, collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
UNSAMPLED = f"00-{TRACE}-{CALLER}-00"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
RETRIED = """
version: 1
rules:
  - id: issued
    event: pointsIssued
    retry: [1s, 1s]
    notify:
      - webhook: {to: crm}
"""


@pytest.fixture(autouse=True)
def _export_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")


@pytest.fixture
async def kept() -> AsyncIterator[Collector]:
    async with collector() as running:
        yield running


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(SECRET) as server:
        yield server


def configured(folder: Path, sink: HttpSink, kept: Collector, *, sample: float = 0, rules: str = RULES) -> Path:
    """Trace what callers want traced, and that share of the rest."""
    book = write_rulebook(folder / "rules", crm=sink.url, rules=rules)
    traces = {"endpoint": kept.endpoint, "sample": sample}
    return write_config(folder, rules=str(book), traces=traces, intake={"capillary": {}})


def issued(event_id: str = "evt-1", **trace_attributes: str) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = event_id
    event.trace_attributes.clear()
    event.trace_attributes.update(trace_attributes)
    return event


async def delivered(gateway: RunningGateway, event: Event, traceparent: str = "") -> str:
    """Publish, wait until it has arrived, and return its delivery's id."""
    metadata = (("traceparent", traceparent),) if traceparent else ()
    answer = await EventServiceStub(gateway.channel).Publish(PublishRequest(event=event), metadata=metadata)
    assert state_of(await gateway.ended(answer.delivery_ids[0])) == "DELIVERED"
    return str(answer.delivery_ids[0])


async def seen(kept: Collector, name: str, count: int = 1) -> list[ReceivedSpan]:
    async def look() -> list[ReceivedSpan] | None:
        return kept.named(name) if len(kept.named(name)) >= count else None

    return await eventually(look)


async def test_one_trace_goes_from_the_caller_to_the_endpoint(tmp_path: Path, kept: Collector, sink: HttpSink) -> None:
    async with open_test_gateway(configured(tmp_path, sink, kept)) as gateway:
        name = await delivered(gateway, issued(), SAMPLED)
        await seen(kept, "settle")
    (publish,), (deliver,), (send,) = kept.named("publish"), kept.named("deliver"), kept.named("send")
    assert {each.trace_id for each in kept.spans} == {TRACE}
    assert (publish.parent_id, deliver.parent_id, send.parent_id) == (CALLER, publish.span_id, deliver.span_id)
    assert sorted(kept.children(publish)) == ["commit", "decide", "deliver"]
    assert sorted(kept.children(deliver)) == ["compose", "lease", "send", "settle"]
    assert sink.received[0].headers["traceparent"] == f"00-{TRACE}-{send.span_id}-01"
    assert sink.received[0].verified
    assert publish.attributes == {
        "tidings.org_id": 51186,
        "tidings.event_id": "evt-1",
        "tidings.event": "pointsIssued",
        "tidings.outcome": "new",
    }
    assert {key: value for key, value in deliver.attributes.items() if key != "tidings.rule"} == {
        "tidings.org_id": 51186,
        "tidings.event_id": "evt-1",
        "tidings.delivery_id": name,
        "tidings.channel": "webhook",
        "tidings.endpoint": "crm",
        "tidings.outcome": "accepted",
        "tidings.attempt": 1,
    }
    assert all(publish.began <= each.began <= each.ended for each in kept.spans)
    assert kept.services == {"tidings"}


async def test_spans_name_nobody(tmp_path: Path, kept: Collector, sink: HttpSink) -> None:
    event = issued(requestId="asha@example.com", memberName="Asha Rao", **{"x-cap-lineage-id": "fbcc3a9e-fbc0-4e82"})
    async with open_test_gateway(configured(tmp_path, sink, kept, sample=1)) as gateway:
        await delivered(gateway, event)
        await seen(kept, "settle")
    (publish,) = kept.named("publish")
    assert publish.attributes["vendor.lineage_id"] == "fbcc3a9e-fbc0-4e82"
    said = json.dumps([[dict(each.attributes), each.name] for each in kept.spans])
    payload = json.dumps(sample("pointsIssued")["data"])
    personal = [text for text in re.findall(r'"([^"]+)"', payload) if "@" in text]
    customer = str(sample("pointsIssued")["data"]["customerIdentifiers"]["customerId"])
    for text in ["asha@example.com", "Asha Rao", customer, *personal]:
        assert text not in said


@pytest.mark.parametrize("name", ["traceparent", "TraceParent"])
async def test_a_vendors_trace_context_is_joined_where_the_caller_sends_none(
    tmp_path: Path, kept: Collector, sink: HttpSink, name: str
) -> None:
    async with open_test_gateway(configured(tmp_path, sink, kept)) as gateway:
        await delivered(gateway, issued(**{name: SAMPLED}))
        await delivered(gateway, issued("evt-2", **{name: "00-not-a-context-01"}))
        await delivered(gateway, issued("evt-3", **{name: SAMPLED}), UNSAMPLED)
        (publish,) = await seen(kept, "publish")
        await seen(kept, "settle")
    assert (publish.trace_id, publish.parent_id) == (TRACE, CALLER)
    assert len(kept.named("publish")) == 1


async def test_an_http_intake_joins_its_callers_trace(tmp_path: Path, kept: Collector, sink: HttpSink) -> None:
    body = json.dumps(sample("pointsIssued"))
    async with (
        open_test_gateway(configured(tmp_path, sink, kept)) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
    ):
        for headers in ({"traceparent": SAMPLED}, {}):  # over one connection: the second is not the first one's
            async with http.post("/intake/capillary", data=body, headers=headers) as response:
                assert response.status == 200
        (publish,) = await seen(kept, "publish")
    assert (publish.trace_id, publish.parent_id) == (TRACE, CALLER)


async def test_events_of_batches_and_streams_have_spans_of_their_own(
    tmp_path: Path, kept: Collector, sink: HttpSink
) -> None:
    metadata = (("traceparent", SAMPLED),)
    async with open_test_gateway(configured(tmp_path, sink, kept)) as gateway:
        stub = EventServiceStub(gateway.channel)
        batch = [issued(f"b-{number}") for number in range(3)]
        await stub.PublishBatch(PublishBatchRequest(events=[*batch, issued("b-1")]), metadata=metadata)
        requests = iter([PublishStreamRequest(sequence=number, event=issued(f"s-{number}")) for number in range(2)])
        async for _ in stub.PublishStream(requests, metadata=metadata):
            pass
        spans = await seen(kept, "publish", 6)
    found = sorted((each.attributes["tidings.event_id"], each.attributes["tidings.outcome"]) for each in spans)
    assert found == [
        ("b-0", "new"),
        ("b-1", "duplicate"),
        ("b-1", "new"),
        ("b-2", "new"),
        ("s-0", "new"),
        ("s-1", "new"),
    ]
    assert len({each.span_id for each in kept.spans}) == len(kept.spans)


async def test_retries_after_a_restart_continue_the_trace_and_are_linked(
    tmp_path: Path, kept: Collector, sink: HttpSink
) -> None:
    sink.script(Reply(status=503))
    config = configured(tmp_path, sink, kept, rules=RETRIED)
    async with running_gateway(config) as first:
        stub = EventServiceStub(first.channel)
        answer = await stub.Publish(PublishRequest(event=issued()), metadata=(("traceparent", SAMPLED),))
        await seen(kept, "deliver")
        assert await first.stop() == 0
    async with running_gateway(config) as second:
        assert state_of(await second.ended(answer.delivery_ids[0])) == "DELIVERED"
        await seen(kept, "deliver", 2)
    failed, made = sorted(kept.named("deliver"), key=lambda each: each.ended)
    assert (failed.failed, made.failed) == (True, False)
    assert (failed.attributes["tidings.attempt"], made.attributes["tidings.attempt"]) == (1, 2)
    assert failed.parent_id == made.parent_id == kept.named("publish")[0].span_id
    assert (failed.links, made.links) == ((), ((TRACE, failed.span_id),))
    assert [each.headers["traceparent"][:35] for each in sink.received] == [f"00-{TRACE}"] * 2
    assert len({each.headers["traceparent"] for each in sink.received}) == 2


async def test_nothing_is_passed_on_for_what_is_not_traced(tmp_path: Path, kept: Collector, sink: HttpSink) -> None:
    async with open_test_gateway(configured(tmp_path, sink, kept)) as gateway:
        await delivered(gateway, issued(), UNSAMPLED)
        await delivered(gateway, issued("evt-2"))
        await delivered(gateway, issued("evt-3"), SAMPLED)
        await seen(kept, "settle")
    assert ["traceparent" in each.headers for each in sink.received] == [False, False, True]
    assert {each.attributes["tidings.event_id"] for each in kept.named("publish")} == {"evt-3"}


@pytest.mark.long
async def test_a_collector_that_is_away_costs_neither_events_nor_a_long_stop(
    tmp_path: Path, kept: Collector, sink: HttpSink
) -> None:
    config = configured(tmp_path, sink, Collector(port=1), sample=1)
    async with running_gateway(config) as gateway:
        for number in range(20):
            await delivered(gateway, issued(f"evt-{number}"))
        began = time.monotonic()
        assert await gateway.stop() == 0
    assert time.monotonic() - began < 10


@pytest.mark.long
async def test_without_configuration_opentelemetry_is_not_even_imported() -> None:
    code = "import sys, tidings.cli, tidings.app; print([each for each in sys.modules if 'opentelemetry' in each])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"


async def test_without_the_extra_a_configured_collector_is_explained(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("raise ImportError('as if it were not there')")
    rules = write_rulebook(tmp_path / "rules", crm="https://crm.example.com")
    config = write_config(tmp_path, rules=str(rules), traces={"endpoint": "http://127.0.0.1:4317"})
    code = "import sys; sys.path.insert(0, sys.argv.pop()); from tidings.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "serve", "--config", str(config), str(tmp_path), stderr=asyncio.subprocess.PIPE,
        env={"EXAMPLE_CRM_SECRET": SECRET, "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert "tidings[traces]" in err.decode()
