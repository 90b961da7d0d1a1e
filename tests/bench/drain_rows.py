"""Draining a million waiting deliveries, beside ten thousand: does the rate hold, does memory stay level?

The long backlog is drained in slices, each by a process of its own and in turn with a short one, for a minute together
(``DRAIN_SECONDS=20`` is less, ``ROWS=100000`` makes it shorter). With ``WHOLE=1`` one more process drains what is left.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import uvloop
from draining import Look, cpu_each, look_at, rate
from measuring import Row, compared, costed
from waiting import fill_sqlite, write_gateway

from gateway_kit import RunningGateway, running_gateway
from tidings.model import State
from tidings.store import open_store

_MANY: Final = int(os.environ.get("ROWS", "1000000"))
_FEW: Final = 10_000
_SLICES: Final = 3
_SECONDS: Final = float(os.environ.get("DRAIN_SECONDS", "60"))
_WHOLE: Final = bool(os.environ.get("WHOLE"))
_RATE_GOAL: Final = 0.9
_MEMORY_GOAL: Final = 50.0
_STUCK_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_LONG_LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Drained:
    """How backlogs were drained, by process."""

    rates: list[float] = field(default_factory=list)
    """Deliveries a second."""
    cpu: list[float] = field(default_factory=list)
    """Processor time of the gateway for each of them, µs."""
    most: int = 0
    """How many one process delivered."""
    growth: float = 0.0
    """How far a process's memory went above what it was after its first ten thousand, MiB."""
    longest_look: float = 0.0
    """Seconds that the slowest answer with the metrics took."""

    def add(self, looks: Sequence[Look]) -> None:
        """Take in what a process did from the first look to the last."""
        self.rates.append(rate(looks[0], looks[-1]))
        self.cpu.append(cpu_each(looks[0], looks[-1]) * 1e6)
        self.most = max(self.most, looks[-1].delivered)
        warm = [each.memory for each in looks if each.delivered >= _FEW] or [looks[-1].memory]
        self.growth = max(self.growth, max(warm) - warm[0])
        self.longest_look = max(self.longest_look, *(each.took for each in looks))


def drain() -> Sequence[Row]:
    """Drain both in turn: the short backlog from full to empty each time, the long one for a share of the time."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        many, few, settled = uvloop.run(_measure(Path(folder)))
    note = f"{_MANY:,} waiting, {settled:,} drained, all of them settled; peer: ours with {_FEW:,} waiting"
    if _WHOLE:
        note += (
            f"; the last process drained {many.most:,} of them at {many.rates[-1]:,.0f}/s, {many.cpu[-1]:.0f} µs each"
        )
    return [
        compared("drain", many.rates[:_SLICES], few.rates, unit="deliveries/s", goal=_RATE_GOAL, note=note),
        costed("drain", many.cpu[:_SLICES], few.cpu, unit="µs of CPU a delivery", most=1 / _RATE_GOAL),
        Row(
            row="drain",
            ours=many.growth,
            peer=None,
            unit="MiB more memory",
            ratio=None,
            goal=f"< {_MEMORY_GOAL:g}",
            met=many.growth < _MEMORY_GOAL,
            spread="",
            note=f"of a process that drained up to {many.most:,}, over that after its first {_FEW:,}; it answered with "
            f"its metrics in {many.longest_look * 1000:.0f} ms at most",
        ),
    ]


async def _measure(folder: Path) -> tuple[_Drained, _Drained, int]:
    many, few = _Drained(), _Drained()
    config = await _filled(folder / "many", _MANY)
    left = _MANY
    for number in range(_SLICES):
        short = await _filled(folder / f"few-{number}", _FEW)
        few.add(await _drain(short, _FEW))
        many.add(await _drain(config, left, seconds=_SECONDS / _SLICES))
        left = await _count_left(config)
        if await _count_left(short):
            raise AssertionError("the short backlog was not drained")
    if _WHOLE:
        many.add(await _drain(config, left))
        left = await _count_left(config)
    return many, few, _MANY - left


async def _filled(folder: Path, count: int) -> Path:
    """Write a configuration, and a database beside it in which so many deliveries wait."""
    config = write_gateway(folder)
    await fill_sqlite(config, count)
    return config


async def _drain(config: Path, count: int, *, seconds: float | None = None) -> Sequence[Look]:
    """Let a process drain a backlog until it is empty or the time is over; the looks since it was under way.

    Raises AssertionError unless as many were settled as it says.
    """
    pause = _LOOK_SECONDS if count <= _FEW else _LONG_LOOK_SECONDS
    async with _draining(config) as gateway, aiohttp.ClientSession() as session:
        looks = [await _moved(gateway, session, beyond=0, pause=_LOOK_SECONDS)]
        while looks[-1].delivered < count and (seconds is None or looks[-1].at < looks[0].at + seconds):
            await asyncio.sleep(pause)
            looks.append(await _moved(gateway, session, beyond=looks[-1].delivered, pause=pause))
    if (settled := count - await _count_left(config)) < looks[-1].delivered:
        raise AssertionError(f"{settled} settled of {looks[-1].delivered} that were reported")
    return looks


@asynccontextmanager
async def _draining(config: Path) -> AsyncIterator[RunningGateway]:
    """Run a gateway, which has to end well."""
    async with running_gateway(config) as gateway:
        yield gateway
        if (code := await gateway.stop()) != 0:
            raise AssertionError(f"the gateway ended with {code}")


async def _moved(gateway: RunningGateway, session: aiohttp.ClientSession, *, beyond: int, pause: float) -> Look:
    """Return the first look at which more were delivered; raise AssertionError when that takes too long."""
    ends = time.monotonic() + _STUCK_SECONDS
    while (look := await look_at(gateway, session)).delivered <= beyond:
        if time.monotonic() > ends:
            raise AssertionError(f"nothing was delivered for {_STUCK_SECONDS:g} s")
        await asyncio.sleep(pause)
    return look


async def _count_left(config: Path) -> int:
    """Return how many wait, some for later where the machine had no time for them; none may be in anybody's hands."""
    async with open_store(f"sqlite:///{config.with_name('tidings.db')}") as store:
        counts = (await store.backlog()).counts
    if counts[State.SENDING]:
        raise AssertionError(f"not all of them are delivered or wait: {counts}")
    return counts[State.WAITING] + counts[State.HELD]
