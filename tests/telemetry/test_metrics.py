"""Metrics: named by rule, described, bounded by the rulebook; and a dashboard that asks for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway_kit import CRM_SECRET, RunningGateway, eventually, open_test_gateway, state_of, write_config
from rulebook_kit import RULES, write_rulebook
from sink_kit import Reply, http_sink
from tidings.events import convert_one, sample
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.gateway.v1.rule_service_pb2 import ReloadRulesRequest
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub
from tidings.telemetry.metrics import Metrics

FOLDER: Final = Path(__file__).parents[2] / "dashboards"
_TOTALS: Final = {"counter": "_total"}
_PARTS: Final = {"histogram": ("_bucket", "_count", "_sum")}


def families() -> dict[str, str]:
    """Every metric of the gateway with its type, named as in what is exposed."""
    return {each.name + _TOTALS.get(each.type, ""): each.type for each in Metrics().registry.collect()}


def documented() -> dict[str, str]:
    """Every metric of the table with its type."""
    rows = re.findall(
        r"^\| (`(?:tidings|process|python)_[^|]+) \| (\w+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    return {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}


def queries(value: Any) -> Iterator[str]:
    """Every query of a dashboard."""
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key in {"expr", "query"} and isinstance(each, str))
        for each in value.values():
            yield from queries(each)
    elif isinstance(value, list):
        for each in value:
            yield from queries(each)


def test_every_metric_is_in_the_table_and_the_table_has_no_other() -> None:
    exposed = {"python_info": "gauge"} | families()
    assert documented() == exposed


def test_every_metric_is_described_and_named_by_the_rules() -> None:
    registry: CollectorRegistry = Metrics().registry
    for each in registry.collect():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", each.name)
        assert each.documentation
        if each.type == "histogram":
            assert each.name.endswith("_seconds")
        assert not each.name.endswith(("_milliseconds", "_ms", "_kb", "_mb", "_count"))


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    dashboard = json.loads((FOLDER / "tidings.json").read_text())
    known = {name + part for name, kind in families().items() for part in _PARTS.get(kind, ("",))}
    asked = {name for query in queries(dashboard) for name in re.findall(r"\b(?:tidings|process|python)_\w+", query)}
    assert asked - known == set()
    assert {name for name in families() if name.startswith("tidings_")} - {
        re.sub(r"_bucket$", "", each) for each in asked
    } == set()


def test_the_dashboards_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = json.loads((FOLDER / "tidings.json").read_text())["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert len({each["id"] for each in panels}) == len(panels)


async def scraped(gateway: RunningGateway) -> list[tuple[str, dict[str, str], float]]:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        http.get("/metrics") as response,
    ):
        text = await response.text()
    return [
        (each.name, dict(each.labels), each.value)
        for family in text_string_to_metric_families(text)
        for each in family.samples
    ]


async def publish_for(gateway: RunningGateway, members: int, prefix: str) -> list[str]:
    """Publish for as many members; return the deliveries."""
    events = []
    for number in range(members):
        event = convert_one(sample("pointsExpiryReminder")).event
        event.event_id = f"{prefix}-{number}"
        event.points_expiry_reminder.customer_identifiers.customer_id = 1_000_000 + number
        events.append(event)
    answer = await EventServiceStub(gateway.channel).PublishBatch(PublishBatchRequest(events=events))
    return [name for each in answer.results for name in each.published.delivery_ids]


def labels_of(samples: list[tuple[str, dict[str, str], float]]) -> set[tuple[str, str, str]]:
    return {
        (name, key, value)
        for name, labels, _ in samples
        for key, value in labels.items()
        if name.startswith("tidings_")
    }


async def test_series_are_as_many_as_the_rulebook_makes_them_however_many_members_there_are(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        sink.default = Reply(status=400)
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
            for name in await publish_for(gateway, 1, "first"):
                assert state_of(await gateway.ended(name)) in {"DEAD", "SUPPRESSED", "EXPIRED"}
            few = labels_of(await scraped(gateway))
            for name in await publish_for(gateway, 200, "more"):
                await gateway.ended(name)
            many = labels_of(await scraped(gateway))
    assert many - few <= {each for each in many if each[0] == "tidings_endpoint_breaker"}
    assert {value for _, key, value in many if key == "rule"} <= {"points-expiring", "points-issued"}
    assert {value for _, key, value in many if key == "endpoint"} <= {"crm"}
    assert {value for _, key, value in many if key == "org"} <= {"50750", "50261", "51186"}
    assert not [value for _, _, value in many if "10000" in value]


async def test_a_rule_that_leaves_the_rulebook_leaves_the_metrics(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="https://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules), reload={"every": 0})) as gateway:
        await publish_for(gateway, 1, "e")
        assert "points-expiring" in {labels.get("rule") for _, labels, _ in await scraped(gateway)}
        write_rulebook(rules, crm="https://127.0.0.1:9/", rules=RULES.replace("points-expiring", "renamed"))
        await RuleServiceStub(gateway.channel).ReloadRules(ReloadRulesRequest())
        assert "points-expiring" not in {labels.get("rule") for _, labels, _ in await scraped(gateway)}


async def test_process_collector_and_latency_are_measured(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
            answer = await gateway.publish(convert_one(sample("pointsIssued")).event)
            await gateway.ended(answer.delivery_ids[0])

            async def settled() -> dict[str, float] | None:
                found = {name + labels.get("operation", ""): value for name, labels, value in await scraped(gateway)}
                return found if found.get("tidings_store_commit_seconds_countsettle") else None

            found = await eventually(settled)
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["tidings_store_commit_seconds_countrecord"] == 1
    assert found["tidings_publish_seconds_count"] == 1
    assert "python_gc_collections_total" in found
