"""Which processors a gateway's threads run on.

The interpreter lets one thread at a time compute, so a gateway is as fast as its event loop. gRPC wakes the thread that
brings the loop what it has completed several times with each call: left alone, the system lets that one interrupt the
loop for some microseconds each time, or moves the loop to where its data is not. So the interpreter's threads share one
processor, which no two of them could use more of, and all but the loop run when the loop has nothing to do. What needs
no interpreter, gRPC's other threads and the process that writes to SQLite, keeps off that processor.

Linux alone can be told so, and only where there are two processors to use.
"""

import asyncio
import os
import random
import socket
import threading
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from tidings.config import CpuAffinity
from tidings.telemetry import events, get_logger

log = get_logger()

_LOOK_SECONDS: Final = 5.0
_WAITED: Final = 0.3
"""For which share of the time the loop must have waited for its processor to look for another,"""
_IDLE: Final = 0.5
"""and for which share that one must have had nothing to do."""
_ASIDE: Final = "aside"
"""How the names of the executor's threads begin."""
CLAIM = "\0tidings {} {}"
"""Names of sockets: whoever holds one has that processor, or may have one, as one of so many."""
_OWN_TASKS: Final = Path("/proc/self/task")


class Look(NamedTuple):
    """What the system has counted up to a moment."""

    at: float
    """Monotonic seconds."""
    waited: float
    """For how long the loop was ready to run and did not, seconds."""
    idle: Mapping[int, float]
    """For how long each processor had nothing to do, seconds."""


def better_processor(home: int, usable: Collection[int], before: Look, after: Look) -> int | None:
    """Return the processor to move to, which had time while the loop waited for its own; None: stay.

    Which of several is by chance: other gateways look for one as well.
    """
    passed = after.at - before.at
    if passed <= 0 or after.waited - before.waited < _WAITED * passed:
        return None
    had_time = [
        each
        for each in usable
        if each != home and after.idle.get(each, 0.0) - before.idle.get(each, 0.0) >= _IDLE * passed
    ]
    return random.choice(had_time) if had_time else None  # noqa: S311 (not a secret)


@dataclass(slots=True)
class Affinity:
    """Keeps the event loop that it is made in to a processor, once everything else has been started."""

    usable: frozenset[int]
    home: int
    _taken: socket.socket
    _leave: socket.socket
    _at_home: frozenset[int] = frozenset()
    """Threads that share the loop's processor."""
    _loop_thread: int = field(default_factory=threading.get_native_id)

    @classmethod
    def begin(cls) -> Self | None:
        """Choose a processor, and let every thread and process that is started from now on keep off it.

        None where the system cannot be told or was told something else by whoever started us, and where other gateways
        have all processors but one: the last is for everybody.
        """
        if (
            not hasattr(os, "sched_setaffinity")
            or not _OWN_TASKS.is_dir()
            or os.sched_getscheduler(0) != os.SCHED_OTHER
        ):
            return None
        usable = usable_processors()
        if len(usable) < 2 or (claimed := claim_processor(usable)) is None:  # noqa: PLR2004 (one for the loop, one for others)
            return None
        affinity = cls(usable, *claimed)
        try:
            affinity.stand_aside()
            affinity.look()
        except OSError:  # forbidden here, or not told
            affinity.end()
            return None
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=_ASIDE, initializer=affinity.stand_aside))
        return affinity

    def settle(self) -> None:
        """Bring the loop home, with the interpreter's other threads that there are by now.

        The executor's are not among them: what they do takes long, or starts a process.
        """
        threads = (each for each in threading.enumerate() if not each.name.startswith(_ASIDE))
        self._at_home = frozenset(each.native_id for each in threads if each.native_id is not None)
        self._place()

    def stand_aside(self) -> None:
        """Keep the calling thread, and whatever it starts, off the loop's processor."""
        _place(0, self.usable - {self.home}, os.SCHED_BATCH)

    def move(self, home: int) -> None:
        """Let the loop have another processor, and everybody else keep off that one."""
        log.info(events.GATEWAY_MOVED, processor=home, before=self.home)
        if (taken := _named_socket("processor", (home,))) is not None:
            self._taken.close()
            self._taken = taken[1]
        self.home = home
        self._place()

    async def keep(self, *, every: float = _LOOK_SECONDS) -> None:
        """Move whenever the loop has to wait for its processor while another has time; until cancelled."""
        with suppress(OSError):  # a processor was taken from us: from here on the system decides
            before = self.look()
            while True:
                await asyncio.sleep(every * random.uniform(0.7, 1.3))  # noqa: S311 (lest gateways move in step)
                after = self.look()
                if (home := better_processor(self.home, self.usable, before, after)) is not None:
                    self.move(home)
                before = after

    def look(self) -> Look:
        """Return what the system has counted up to now."""
        waited = int((_OWN_TASKS / str(self._loop_thread) / "schedstat").read_text().split()[1]) / 1e9
        return Look(asyncio.get_running_loop().time(), waited, _idle_seconds())

    def end(self) -> None:
        """Let other gateways have the processor, and all threads run anywhere."""
        self._taken.close()
        self._leave.close()
        with suppress(OSError):  # it was forbidden, or is now
            for task in _tasks_of("self"):
                _place(task, self.usable, os.SCHED_OTHER)

    def _place(self) -> None:
        aside = self.usable - {self.home}
        for process in ("self", *_children()):
            for task in _tasks_of(process):
                if task == self._loop_thread:
                    _place(task, {self.home}, os.SCHED_OTHER)
                else:
                    _place(task, {self.home} if task in self._at_home else aside, os.SCHED_BATCH)


@asynccontextmanager
async def kept_affinity(policy: CpuAffinity) -> AsyncIterator[Affinity | None]:
    """Let what is started within the block keep off the loop's processor; None where it runs anywhere."""
    affinity = Affinity.begin() if policy == "auto" else None
    if affinity is None:
        yield None
        return
    keeping = asyncio.create_task(affinity.keep(), name="affinity")
    try:
        yield affinity
    finally:
        keeping.cancel()
        affinity.end()


def usable_processors() -> frozenset[int]:
    """Return the processors that this thread may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset(range(os.cpu_count() or 1))
    return frozenset(os.sched_getaffinity(0))


def claim_processor(usable: Collection[int]) -> tuple[int, socket.socket, socket.socket] | None:
    """Take a processor that no gateway has, and leave one for all others; None: so many are taken already.

    Whoever holds the sockets, of the processor and of the leave to have one, has it: gateways of a network namespace
    see each other's names, and those are free again however their holders end.
    """
    leave = _named_socket("leave", range(len(usable) - 1))
    if leave is None:
        return None
    taken = _named_socket("processor", random.sample(sorted(usable), len(usable)))
    if taken is None:  # by gateways that may use others than we
        leave[1].close()
        return None
    return *taken, leave[1]


def _named_socket(kind: str, numbers: Iterable[int]) -> tuple[int, socket.socket] | None:
    """Take the first name that nobody has."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for number in numbers:
        with suppress(OSError):
            found.bind(CLAIM.format(kind, number))
            return number, found
    found.close()
    return None


def _place(task: int, processors: Collection[int], policy: int) -> None:
    with suppress(ProcessLookupError):  # the thread has ended
        os.sched_setaffinity(task, processors)
        os.sched_setscheduler(task, policy, os.sched_param(0))


def _tasks_of(process: str) -> Iterator[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        for each in Path(f"/proc/{process}/task").iterdir():
            yield int(each.name)


def _children() -> list[str]:
    found: list[str] = []
    for task in _tasks_of("self"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended, or the system does not tell
            found += (_OWN_TASKS / str(task) / "children").read_text().split()
    return found


def _idle_seconds() -> dict[int, float]:
    """Return for how long each processor has had nothing to do."""
    tick = os.sysconf("SC_CLK_TCK")
    found: dict[int, float] = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *counted = line.split()
        if name.startswith("cpu") and name != "cpu":
            found[int(name.removeprefix("cpu"))] = int(counted[3]) / tick
    return found
