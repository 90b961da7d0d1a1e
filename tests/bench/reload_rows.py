"""Publishing while the rules are reloaded, beside the same load without."""

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import Row, costed
from rulebooks import ORG, sources

from gateway_kit import RunningGateway, running_gateway, write_config
from tidings.authoring import compile_folder
from tidings.events import convert_one, sample
from tidings.model import SecretRef

_RULES = 1_000
_CALLERS = 16
_SECONDS = 6.0
_RUNS = 3
_GOAL = 2.0
_LOAD_GOAL = 5.0
_LOADED = 10_000


def reload() -> Sequence[Row]:
    """Compare the 99th percentile of a publish call with and without a reload a second; time a large load."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        ours, peer = asyncio.run(_measure(Path(folder)))
    return [
        costed(
            "reload",
            ours,
            peer,
            unit="ms, p99 of publish",
            most=_GOAL,
            note=f"{_RULES:,} rules reloaded once a second; peer: the same load without",
        ),
        _load_row(),
    ]


async def _measure(folder: Path) -> tuple[list[float], list[float]]:
    rules = folder / "rules"
    _write(rules, _RULES)
    config = write_config(folder, rules=str(rules), reload={"every": 0})
    os.environ.setdefault("EXAMPLE_CRM_SECRET", "")
    with_reload, without = [], []
    async with running_gateway(config) as gateway:
        await _p99(gateway, "warm", reloading=False, rules=rules)
        for run in range(_RUNS):
            with_reload.append(await _p99(gateway, f"with-{run}", reloading=True, rules=rules))
            without.append(await _p99(gateway, f"without-{run}", reloading=False, rules=rules))
        done = [entry for entry in gateway.log if entry["event"] == "rulebook.loaded" and entry.get("changed")]
    if len(done) < _RUNS * 2:
        raise AssertionError(f"only {len(done)} reloads went live while it was measured")
    return with_reload, without


async def _p99(gateway: RunningGateway, name: str, *, reloading: bool, rules: Path) -> float:
    """Publish from several callers for a while; return the 99th percentile of a call, milliseconds."""
    took: list[float] = []
    ends = time.perf_counter() + _SECONDS

    async def caller(number: int) -> None:
        event = convert_one(sample("pointsExpiryReminder")).event
        event.org_id = ORG + 1  # no brand: nothing is sent, only decided and committed
        count = 0
        while time.perf_counter() < ends:
            event.event_id = f"{name}-{number}-{count}"
            began = time.perf_counter()
            await gateway.publish(event)
            took.append(time.perf_counter() - began)
            count += 1

    async def reloader() -> None:
        for turn in range(int(_SECONDS)):
            (rules / "touched.yaml").write_text(f"# {name} {turn}\nversion: 1\nrules: []\n")
            gateway.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(1)

    await asyncio.gather(*(caller(number) for number in range(_CALLERS)), *([reloader()] if reloading else []))
    return statistics.quantiles(took, n=100)[-1] * 1000


def _load_row() -> Row:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        _write(Path(folder), _LOADED)
        took = sorted(_timed(Path(folder)) for _ in range(_RUNS))
    return Row(
        row="reload",
        ours=statistics.median(took),
        peer=None,
        unit="s to load",
        ratio=None,
        goal=f"≤ {_LOAD_GOAL:g} s",
        met=statistics.median(took) <= _LOAD_GOAL,
        spread=f"{took[0]:.2f} to {took[-1]:.2f} s",
        note=f"{_LOADED:,} rules; no peer",
    )


def _timed(folder: Path) -> float:
    began = time.perf_counter()
    book = compile_folder(folder, secrets=_any_secret)
    if len(book.rules.rules) != _LOADED:
        raise AssertionError(f"{len(book.rules.rules)} rules were loaded, not {_LOADED}")
    return time.perf_counter() - began


def _any_secret(reference: SecretRef) -> str:
    return str(reference)


def _write(folder: Path, count: int) -> None:
    for source in sources(count):
        file = folder / source.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.data)
