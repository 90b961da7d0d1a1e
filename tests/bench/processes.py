"""Programs that a benchmark starts: each in a group of its own, and gone when its block ends, whatever happened."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[1]))

from family_kit import family

_PATIENCE = 180.0
_STOP_SECONDS = 5.0

T = TypeVar("T")


@asynccontextmanager
async def started(
    *command: str, log: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block ends; what it says goes to ``log``."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to stop; then end whatever is left of its group."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def cpu_of(pid: int) -> float:
    """Return how much processor time a process and its children have used, seconds; finer than /proc tells it."""
    return sum(map(_cpu_of_one, family(pid)))


def _cpu_of_one(pid: int) -> float:
    clock = ~pid << 3 | 2  # as clock_getcpuclockid(3) makes it on Linux
    return time.clock_gettime(clock)


async def until(look: Callable[[], Awaitable[T | None]], *, what: str, every: float = 0.01) -> T:
    """Ask until the answer is neither None nor false; raise AssertionError when patience ends."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if answer := await look():
            return answer
        await asyncio.sleep(every)
    raise AssertionError(f"in {_PATIENCE:g} s {what} did not come about")


async def said(log: Path, process: asyncio.subprocess.Process, word: str) -> str:
    """Wait until a program has written a line with this word in it; return the line."""

    async def look() -> str | None:
        lines = _lines(log)
        if process.returncode is not None:
            raise AssertionError(f"{log.stem} ended with {process.returncode}: {' '.join(lines[-5:])}")
        return next((line for line in lines if word in line), None)

    return await until(look, what=f"{word!r} from {log.stem}", every=0.05)


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()
