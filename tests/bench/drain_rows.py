"""Draining a million waiting deliveries, beside ten thousand: does the rate hold, does memory stay level?

``ROWS=100000`` makes the long backlog shorter, ``DRAIN_SECONDS=10`` the time for which it is drained.
"""

import asyncio
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import uvloop
from measuring import Row, compared
from rich.console import Console
from rich.progress import track

from gateway_kit import RunningGateway, running_gateway, write_config
from tidings.app import load_rulebook
from tidings.config import load_settings
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.intake import system_clock
from tidings.model import Channel, PlannedDelivery, Recipient, RecipientKind, State, delivery_id
from tidings.store import Publication, StoredEvent, open_store

_MANY: Final = int(os.environ.get("ROWS", "1000000"))
_FEW: Final = 10_000
_SECONDS: Final = float(os.environ.get("DRAIN_SECONDS", "60"))
_RUNS: Final = 3
_RATE_GOAL: Final = 0.9
_MEMORY_GOAL: Final = 50.0
_BATCH: Final = 1_000
_ORG: Final = 50750
_PATIENCE: Final = 120.0
_LOOK_SECONDS: Final = 0.1
_LOOKS: Final = 10
"""A look counts what waits, so a long time is looked at no oftener than this."""
_RULES: Final = """\
version: 1
rules: [{id: expiring, event: pointsExpiryReminder, notify: [{email: {to: brand, template: expiring}}]}]
"""
_BRAND: Final = f"""\
version: 1
brands: [{{org: {_ORG}, name: Example, from: rewards@example.com, alerts_to: [team@example.com]}}]
"""
_TEMPLATE: Final = '---\nsubject: "{{ data.pointsScheduledForExpiry | int }} points expire"\n---\nUse them.\n'
_DELIVERED: Final = re.compile(
    r'^tidings_deliveries_ended_total\{channel="email",state="delivered"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a gateway says of itself while it drains."""

    at: float
    took: float
    delivered: int
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drained:
    """How a backlog was drained."""

    rate: float
    """Deliveries a second, between the first thousands and the end."""
    settled: int
    growth: float
    """How far memory went above what it was after the first ten thousand, MiB."""
    longest_look: float
    """Seconds that the slowest answer with the metrics took, for which the backlog is counted."""


def drain() -> Sequence[Row]:
    """Drain both in turn: the short backlog from full to empty each time, the long one for a share of the time."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        many, few = uvloop.run(_measure(Path(folder)))
    settled = sum(each.settled for each in many)
    growth = max(each.growth for each in many)
    return [
        compared(
            "drain",
            [each.rate for each in many],
            [each.rate for each in few],
            unit="deliveries/s",
            goal=_RATE_GOAL,
            note=f"{_MANY:,} waiting, {settled:,} drained, all of them settled; peer: ours with {_FEW:,} waiting",
        ),
        Row(
            row="drain",
            ours=growth,
            peer=None,
            unit="MiB more memory",
            ratio=None,
            goal=f"< {_MEMORY_GOAL:g}",
            met=growth < _MEMORY_GOAL,
            spread="",
            note=f"over that after the first {_FEW:,}; counting the backlog took "
            f"{max(each.longest_look for each in many) * 1000:.0f} ms at most",
        ),
    ]


async def _measure(folder: Path) -> tuple[list[_Drained], list[_Drained]]:
    many: list[_Drained] = []
    few: list[_Drained] = []
    left = _MANY
    await _fill(folder / "many", _MANY)
    for run in range(_RUNS):
        await _fill(folder / f"few-{run}", _FEW)
        few.append(await _drain(folder / f"few-{run}", _FEW, seconds=_PATIENCE))
        many.append(await _drain(folder / "many", left, seconds=_SECONDS / _RUNS))
        left -= many[-1].settled
    return many, few


# Filling


async def _fill(folder: Path, count: int) -> None:
    """Write a rulebook, a configuration and a database in which so many deliveries wait."""
    rules = folder / "rules"
    for name, text in (("brands/a.yaml", _BRAND), ("a.yaml", _RULES), ("templates/expiring.en.txt", _TEMPLATE)):
        (rules / name).parent.mkdir(parents=True, exist_ok=True)
        (rules / name).write_text(text)
    settings = load_settings(write_config(folder, rules=str(rules), reload={"every": 0}))
    revision = load_rulebook(settings).revision
    event = convert_one(sample("pointsExpiryReminder")).event
    event.org_id = _ORG
    console = Console(stderr=True)
    async with open_store(settings.store) as store:
        under_way: set[asyncio.Task[object]] = set()
        for start in track(range(0, count, _BATCH), f"filling {count:,}", console=console, disable=count <= _FEW):
            batch = [_publication(event, number, revision) for number in range(start, min(start + _BATCH, count))]
            under_way.add(asyncio.create_task(store.record(batch)))
            if len(under_way) > 2:
                _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*under_way)
        waiting = (await store.backlog()).counts[State.WAITING]
    if waiting != count:
        raise AssertionError(f"{waiting} deliveries wait, not {count}")


def _publication(event: Event, number: int, revision: str) -> Publication:
    event.event_id = f"drain-{number}"
    content = event.SerializeToString()
    recipient = Recipient(kind=RecipientKind.ADDRESS, name="team@example.com")
    now = system_clock()
    planned = PlannedDelivery(
        id=delivery_id(org_id=_ORG, event_id=event.event_id, rule_id="expiring", action=0, recipient=recipient),
        rule_id="expiring",
        action=0,
        channel=Channel.EMAIL,
        recipient=recipient,
        customer_id=None,
        due_at=now,
        expires_at=None,
    )
    stored = StoredEvent(
        org_id=_ORG,
        event_id=event.event_id,
        name="pointsExpiryReminder",
        received_at=now,
        revision=revision,
        content=content,
        digest=hashlib.sha256(content).digest(),
        customer_id=None,
        matched_rules=("expiring",),
    )
    return Publication(event=stored, deliveries=(planned,))


# Draining


async def _drain(folder: Path, count: int, *, seconds: float) -> _Drained:
    """Let a gateway drain the database until it is empty or the time is over."""
    async with running_gateway(folder / "tidings.yaml") as gateway:
        looks = await _watch(gateway, count, seconds=seconds)
        code = await gateway.stop()
    if code != 0:
        raise AssertionError(f"the gateway ended with {code}")
    settled = await _count_settled(folder, count, at_least=looks[-1].delivered)
    longest = max(each.took for each in looks)
    return _Drained(rate=_rate(looks), settled=settled, growth=_growth(looks), longest_look=longest)


async def _watch(gateway: RunningGateway, count: int, *, seconds: float) -> list[_Look]:
    looks: list[_Look] = []
    ends = time.perf_counter() + seconds
    pause = _LOOK_SECONDS if count <= _FEW else seconds / _LOOKS
    async with aiohttp.ClientSession() as session:
        while time.perf_counter() < ends and (not looks or looks[-1].delivered < count):
            asked = time.perf_counter()
            delivered = await _delivered(gateway, session)
            at = time.perf_counter()
            looks.append(_Look(at=at, took=at - asked, delivered=delivered, memory=_memory(gateway)))
            await asyncio.sleep(pause)
    return looks


def _rate(looks: Sequence[_Look]) -> float:
    """Return deliveries a second since the second look at which there were any: what was before is the start."""
    first, last = [each for each in looks if each.delivered][1], looks[-1]
    return (last.delivered - first.delivered) / (last.at - first.at)


def _growth(looks: Sequence[_Look]) -> float:
    warm = [each.memory for each in looks if each.delivered >= _FEW] or [looks[-1].memory]
    return max(warm) - warm[0]


async def _count_settled(folder: Path, count: int, *, at_least: int) -> int:
    """Return how many were settled; every delivery is either delivered or waits, and none is in anybody's hands."""
    async with open_store(f"sqlite:///{folder}/tidings.db") as store:
        counts = (await store.backlog()).counts
    settled = count - sum(counts.values())
    if counts[State.SENDING] or counts[State.HELD] or settled < at_least:
        raise AssertionError(f"{settled} settled of {at_least} that were reported, {counts}")
    return settled


def _memory(gateway: RunningGateway) -> float:
    """Return the resident memory of the gateway, MiB."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _delivered(gateway: RunningGateway, session: aiohttp.ClientSession) -> int:
    async with session.get(f"http://127.0.0.1:{gateway.http_port}/metrics") as response:
        found = _DELIVERED.search(await response.text())
    return int(float(found[1])) if found else 0
