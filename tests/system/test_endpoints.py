"""Endpoints over the real wire: limits from the rulebook, a slow one beside a fast one, one that is gone."""

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway_kit import CRM_SECRET, RunningGateway, eventually, running_gateway, state_of, write_config
from sink_kit import HttpSink, Reply, http_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event

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
