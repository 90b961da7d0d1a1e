"""Publishing, durable, 1,000 rules: beside a bare gRPC server, and with a million events stored beside a thousand."""

import asyncio
import hashlib
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from measuring import Row, compared
from publish_messages import BATCH, events
from publish_side import RULES, Measured, Server, bare_server, open_load, percentiles, tidings_server

from tidings.events import event_name
from tidings.store import Publication, StoredEvent, open_store

_RUNS = int(os.environ.get("RUNS", "5"))
_SECONDS = 3.0
_UNARY_GOAL = 0.8
_BATCH_GOAL = 0.25
_UNARY_CALLERS = 64
_BATCH_CALLERS = 8
_FEW = 1_000
_MANY = int(os.environ.get("ROWS", "1000000"))
_GROWTH_GOAL = 1.15
_FILL = 4_000


def publish_unary() -> Sequence[Row]:
    """Compare one event a call."""
    return [_compare("publish-unary", "Publish", unit="calls/s", goal=_UNARY_GOAL, callers=_UNARY_CALLERS, events=1)]


def publish_batch() -> Sequence[Row]:
    """Compare batches of a hundred events."""
    goal, callers = _BATCH_GOAL, _BATCH_CALLERS
    return [_compare("publish-batch", "PublishBatch", unit="events/s", goal=goal, callers=callers, events=BATCH)]


def publish_growth() -> Sequence[Row]:
    """Compare the processor time an event takes when a million are stored with that when a thousand are."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        many, few = uvloop.run(_growth(Path(folder)))
    ratios = sorted(mine.cpu / theirs.cpu for mine, theirs in zip(many, few, strict=True))
    ratio = statistics.median(ratios)
    return [
        Row(
            row="publish-growth",
            ours=statistics.median(each.cpu for each in many) * 1e6,
            peer=statistics.median(each.cpu for each in few) * 1e6,
            unit="µs of CPU an event",
            ratio=ratio,
            goal=f"≤ {_GROWTH_GOAL:g}",
            met=ratio <= _GROWTH_GOAL,
            spread=f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
            note=f"{_MANY:,} events stored, batches of {BATCH}; peer: ours with {_FEW:,} at the beginning of each run",
        )
    ]


def _compare(row: str, method: str, *, unit: str, goal: float, callers: int, events: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        ours, peer = uvloop.run(_beside_bare(Path(folder), method, callers=callers, events=events))
    note = (
        f"{RULES:,} rules, 1 event in {BATCH} matches two, synchronous=FULL; {callers} callers in two processes, "
        f"requests serialised beforehand (they are busy {_busy(ours)} of the time, {_busy(peer)} with the peer); "
        f"ours {_about(ours)}; peer (answers ids, keeps nothing) {_about(peer)}"
    )
    return compared(row, [each.rate for each in ours], [each.rate for each in peer], unit=unit, goal=goal, note=note)


def _about(runs: Sequence[Measured]) -> str:
    cpu = statistics.median(each.cpu for each in runs) * 1e6
    return f"{percentiles(runs)}, {cpu:.3g} µs of CPU an event"


def _busy(runs: Sequence[Measured]) -> str:
    return f"{statistics.median(each.generators for each in runs):.0%}"


async def _beside_bare(
    folder: Path, method: str, *, callers: int, events: int
) -> tuple[list[Measured], list[Measured]]:
    async with AsyncExitStack() as closing:
        ours = await closing.enter_async_context(tidings_server(folder))
        peer = await closing.enter_async_context(bare_server(folder))
        load = await closing.enter_async_context(
            open_load(method, {"ours": ours, "peer": peer}, callers=callers, events=events)
        )
        for side in ("ours", "peer"):
            await load.run(side, "warm", seconds=1)
        pairs = [
            (
                await load.run("ours", f"run{run}", seconds=_SECONDS),
                await load.run("peer", f"run{run}", seconds=_SECONDS),
            )
            for run in range(_RUNS)
        ]
    return [mine for mine, _ in pairs], [theirs for _, theirs in pairs]


# Growth


async def _growth(folder: Path) -> tuple[list[Measured], list[Measured]]:
    many, few = [], []
    await _fill(_made(folder / "many"), _MANY)
    for run in range(_RUNS):
        small = _made(folder / f"few-{run}")
        await _fill(small, _FEW)
        few.append(await _once(small, "few"))
        many.append(await _once(folder / "many", f"many{run}"))
    return many, few


async def _once(folder: Path, name: str) -> Measured:
    async with tidings_server(folder) as server:
        servers: dict[str, Server] = {"ours": server}
        async with open_load("PublishBatch", servers, callers=_BATCH_CALLERS, events=BATCH) as load:
            await load.run("ours", f"{name}w", seconds=0.2)
            return await load.run("ours", f"{name}m", seconds=1)


async def _fill(folder: Path, count: int) -> None:
    """Store so many events, through the port; nothing is to be sent for them."""
    contents = [(event_name(event), event.SerializeToString()) for event in events()]
    async with open_store(f"sqlite:///{folder}/tidings.db") as store:
        under_way: set[asyncio.Task[object]] = set()
        for start in range(0, count, _FILL):
            batch = [_stored(number, *contents[number % BATCH]) for number in range(start, min(start + _FILL, count))]
            under_way.add(asyncio.create_task(store.record(batch)))
            if len(under_way) > 2:
                _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*under_way)


def _stored(number: int, name: str, content: bytes) -> Publication:
    event = StoredEvent(
        org_id=1,
        event_id=hashlib.sha256(str(number).encode()).hexdigest(),
        name=name,
        received_at=number,
        revision="r",
        content=content,
        digest=hashlib.sha256(content).digest(),
        customer_id=None,
        matched_rules=(),
    )
    return Publication(event=event, deliveries=())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
