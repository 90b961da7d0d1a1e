"""Publishing, durable, 1,000 rules: beside a bare gRPC server, and with a million events stored beside a thousand."""

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
from filling import Values, alike, fill, record, take_for_repeats
from measuring import Row, compared, costed
from publish_messages import BATCH, events
from publish_side import RULES, Measured, Server, bare_server, open_load, percentiles, tidings_server

from tidings.events import event_name
from tidings.store import Publication, StoredEvent

_PAIRS = int(os.environ.get("RUNS", "15"))
_PAIR_SECONDS = 1.0
"""Of each side. Short, and many: the machine's pace changes within seconds, and a pair is to see one pace."""
_RUNS = int(os.environ.get("RUNS", "5"))
_SECONDS = 3.0
_UNARY_GOAL = 0.8
_BATCH_GOAL = 0.25
_UNARY_CALLERS = 64
_BATCH_CALLERS = 8
_FEW = 1_000
_MANY = int(os.environ.get("ROWS", "1000000"))
_GROWTH_GOAL = 1.15


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
    return [
        costed(
            "publish-growth",
            [each.cpu * 1e6 for each in many],
            [each.cpu * 1e6 for each in few],
            unit="µs of CPU an event",
            most=_GROWTH_GOAL,
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
        runs: dict[str, list[Measured]] = {"ours": [], "peer": []}
        for pair in range(_PAIRS):
            for side in ("ours", "peer") if pair % 2 else ("peer", "ours"):
                runs[side].append(await load.run(side, f"run{pair:02}-", seconds=_PAIR_SECONDS))
    return runs["ours"], runs["peer"]


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
            return await load.run("ours", f"{name}m", seconds=_SECONDS)


async def _fill(folder: Path, count: int) -> None:
    """Store so many events for which nothing is to be sent; some of them go through the port too, to compare."""
    contents = [(event_name(event), event.SerializeToString()) for event in events()]
    stored = [_stored(number, *contents[number % BATCH]) for number in range(min(count, _FEW))]
    files = [folder / f"{name}.db" for name in ("tidings", "bulk", "port")]
    await record(files[2], stored)
    for file, number in zip(files, (count, len(stored)), strict=False):
        await fill(file, number, stored[:BATCH], event=_event_values)
    alike(*files[1:])
    await take_for_repeats(files[0], stored)
    for file in files[1:]:
        file.unlink()


def _event_values(number: int) -> Values:
    return {"seq": number + 1, "event_id": _event_id(number), "received_at": number}


def _event_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def _stored(number: int, name: str, content: bytes) -> Publication:
    event = StoredEvent(
        org_id=1,
        event_id=_event_id(number),
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
