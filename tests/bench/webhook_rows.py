"""From an event to its signed webhook, acknowledged and recorded, beside Alertmanager and beside Celery."""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).parents[1]))

from alertmanager_peer import PROGRAM as ALERTMANAGER
from alertmanager_peer import alertmanager_peer
from celery_peer import PACKAGES, REDIS, WORKERS, celery_peer
from gateway_side import BATCH, CONCURRENCY, GatewaySide, gateway_side, verify
from measuring import Row, compared
from sink_ceiling import ceiling

_RUNS = 3
_UNIT = "webhooks/s"
_WARM = 300
_ALERTS = 5_000
_ALERT_GOAL = 1.0
_TASKS = 2_000
_TASK_GOAL = 15.0
_PROCESSES = 2
"""One takes in and one sends: the peers too use every core there is."""
_OURS = f"PublishBatch, {BATCH} events a call, synchronous=FULL, {CONCURRENCY} posts at a time"
_ALERTMANAGER = f"peer: API v2, {BATCH} alerts a call, no grouping; it does not sign, and records in memory only"
_CELERY = f"peer: the same body, {WORKERS} workers, acks_late, results kept, appendfsync always"


class Side(Protocol):
    """One of those compared."""

    async def rate(self, name: str, count: int) -> float:
        """Do ``count`` messages, named after ``name``; return how many a second."""


def webhook_alertmanager() -> Sequence[Row]:
    """Compare with Alertmanager, which sends an alert by itself and unsigned, and records it in memory alone."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        return asyncio.run(_beside_alertmanager(Path(folder)))


def webhook_celery() -> Sequence[Row]:
    """Compare with Celery, Redis and requests, which do what ours does."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        return [asyncio.run(_beside_celery(Path(folder)))]


async def _beside_alertmanager(folder: Path) -> Sequence[Row]:
    row = "webhook-alertmanager"
    async with gateway_side(_made(folder / "ours"), processes=_PROCESSES) as ours:
        if ALERTMANAGER is None:
            missing = "no peer: prometheus-alertmanager is not installed (a package of Debian's)"
            return [_alone(row, await _rates(ours, _ALERTS), goal=_ALERT_GOAL, note=f"{await _about(ours)}; {missing}")]
        async with (
            gateway_side(_made(folder / "one"), processes=1) as one,
            alertmanager_peer(_made(folder / "peer")) as peer,
        ):
            mine, by_one, theirs = await _in_turn(_ALERTS, ours, one, peer)
        note = f"{await _about(ours)}; {_ALERTMANAGER}"
    return [
        compared(row, mine, theirs, unit=_UNIT, goal=_ALERT_GOAL, note=note),
        compared(row, by_one, theirs, unit=_UNIT, goal=None, note="the same with one process of ours"),
    ]


async def _beside_celery(folder: Path) -> Row:
    row = "webhook-celery"
    async with gateway_side(_made(folder / "ours"), processes=_PROCESSES) as ours:
        if not PACKAGES or REDIS is None:
            missing = "no peer: redis-server (a package of Debian's) or the bench extra is not installed"
            return _alone(row, await _rates(ours, _TASKS), goal=_TASK_GOAL, note=f"{await _about(ours)}; {missing}")
        await ours.rate("body", 1)
        (first,) = await ours.sink.samples()
        async with celery_peer(_made(folder / "peer"), body=first.body) as peer:
            rates = await _in_turn(_TASKS, ours, peer)
            for post in await peer.sink.samples():
                verify(post)
        note = f"{await _about(ours)}; {_CELERY}"
    return compared(row, rates[0], rates[1], unit=_UNIT, goal=_TASK_GOAL, note=note)


async def _about(ours: GatewaySide) -> str:
    return f"ours: one process takes in, one sends; {_OURS}; a sink alone takes {await ceiling(ours.sink):,.0f}/s"


async def _in_turn(count: int, *sides: Side) -> list[list[float]]:
    """Return the rates of each side, measured one after the other in each run."""
    for side in sides:
        await side.rate("warm", _WARM)
    runs = [[await side.rate(f"run-{run}", count) for side in sides] for run in range(_RUNS)]
    return [list(rates) for rates in zip(*runs, strict=True)]


async def _rates(ours: Side, count: int) -> list[float]:
    await ours.rate("warm", _WARM)
    return [await ours.rate(f"run-{run}", count) for run in range(_RUNS)]


def _alone(row: str, rates: Sequence[float], *, goal: float, note: str) -> Row:
    return Row(
        row=row,
        ours=statistics.median(rates),
        peer=None,
        unit=_UNIT,
        ratio=None,
        goal=f"≥ {goal:g}",
        met=None,
        spread=f"{min(rates):,.0f} to {max(rates):,.0f}",
        note=note,
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
