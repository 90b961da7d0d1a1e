"""On which processors a gateway's threads run, asked of the system."""

import asyncio
import fcntl
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from family_kit import family, writer_process
from gateway_kit import eventually, running_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.app import affinity
from tidings.app.affinity import Look, better_processor
from tidings.events import convert_one, sample

HERE = frozenset(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(HERE) == 1, reason="there is one processor for all threads")


@pytest.fixture(autouse=True)
def _one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let one gateway at a time, of all that tests run, take a processor: of two there is but one to take."""
    monkeypatch.setenv("TIDINGS_CPU_AFFINITY", "auto")
    with (Path(tempfile.gettempdir()) / "tidings-test-affinity.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (claimed := affinity.claim_processor(HERE)) is None:
            pytest.skip("a gateway that is no test's has taken a processor")
        for each in claimed[1:]:
            each.close()
        yield


def config(folder: Path) -> Path:
    rules = write_rulebook(folder / "rules", crm="http://127.0.0.1:9/")
    return write_config(folder, rules=str(rules))


def tasks(process: int) -> list[int]:
    return [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]


def home(process: int) -> int:
    """Return the processor of a process's event loop."""
    (found,) = os.sched_getaffinity(process)
    return found


async def test_the_interpreters_threads_share_a_processor_which_all_others_keep_off(tmp_path: Path) -> None:
    async with running_gateway(config(tmp_path)) as gateway:
        await gateway.publish(convert_one(sample("pointsExpiryReminder")).event)
        loop = gateway.process.pid
        at_home = {each for each in tasks(loop) if os.sched_getaffinity(each) == {home(loop)}}
        assert os.sched_getscheduler(loop) == os.SCHED_OTHER
        assert len(at_home) > 2, "gRPC's poller and the store's lanes for reading are at home"
        assert {os.sched_getscheduler(each) for each in at_home - {loop}} == {os.SCHED_BATCH}
        others = {each for process in family(loop) for each in tasks(process)} - at_home
        assert {each for each in family(loop) if each != loop} < others
        assert others.intersection(tasks(loop)), "threads of gRPC's own keep off"
        assert {os.sched_getaffinity(each) == HERE - {home(loop)} for each in others} == {True}
        assert {os.sched_getscheduler(each) for each in others} == {os.SCHED_BATCH}
        (started,) = (each for each in gateway.log if each["event"] == "gateway.started")
        assert started["processor"] == home(loop)


async def test_a_writer_that_is_started_again_keeps_off_as_well(tmp_path: Path) -> None:
    async with running_gateway(config(tmp_path)) as gateway:
        first = writer_process(gateway.process.pid)
        os.kill(first, signal.SIGKILL)

        async def another() -> int | None:
            found = [each for each in family(gateway.process.pid)[1:] if each != first]
            return found[0] if found else None

        writer = await eventually(another)
        assert os.sched_getaffinity(writer) == HERE - {home(gateway.process.pid)}
        assert os.sched_getscheduler(writer) == os.SCHED_BATCH


async def test_a_gateway_that_finds_only_the_last_processor_runs_anywhere(tmp_path: Path) -> None:
    with ExitStack() as others:
        for number in range(len(HERE) - 1):
            other = others.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            with suppress(OSError):  # a gateway of nobody's has it, which is as well
                other.bind(affinity.CLAIM.format("leave", number))
        async with running_gateway(config(tmp_path)) as gateway:
            found = [each for process in family(gateway.process.pid) for each in tasks(process)]
            assert {os.sched_getaffinity(each) == HERE for each in found} == {True}
            (started,) = (each for each in gateway.log if each["event"] == "gateway.started")
            assert started["processor"] == "any"


def test_gateways_take_all_processors_but_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "CLAIM", f"\0tidings {os.urandom(8).hex()} {{}} {{}}")  # apart from real gateways

    def claim(among: set[int]) -> int | None:
        claimed = affinity.claim_processor(among)
        if claimed is None:
            return None
        processor, *held = claimed
        for each in held:
            claims.enter_context(each)
        return processor

    with ExitStack() as claims:
        first, second = claim({3, 5, 8}), claim({3, 5, 8})
        assert {first, second} < {3, 5, 8}
        assert first != second
        assert claim({3, 5, 8}) is None
        claims.close()  # however a gateway ends
        assert claim({3, 5}) in {3, 5}
        assert claim({3, 5}) is None
        assert claim({1, 2, 4}) in {1, 2, 4}


async def test_whoever_is_started_as_batch_work_stays_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "CLAIM", f"\0tidings {os.urandom(8).hex()} {{}} {{}}")
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        assert affinity.Affinity.begin() is None
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert os.sched_getaffinity(0) == HERE


async def test_where_the_system_does_not_tell_how_long_the_loop_waited_it_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affinity, "_OWN_TASKS", tmp_path)
    assert affinity.Affinity.begin() is None
    assert os.sched_getaffinity(0) == HERE
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    monkeypatch.undo()
    claimed = affinity.claim_processor(HERE)
    assert claimed is not None, "it has let go of its own"
    for each in claimed[1:]:
        each.close()


async def test_none_leaves_it_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_CPU_AFFINITY", "none")
    async with running_gateway(config(tmp_path)) as gateway:
        found = [each for process in family(gateway.process.pid) for each in tasks(process)]
        assert {os.sched_getaffinity(each) == HERE for each in found} == {True}
        assert {os.sched_getscheduler(each) for each in found} == {os.SCHED_OTHER}


LOOP = """
import asyncio, os, socket
from tidings.app import affinity as module
from tidings.app.affinity import Affinity, better_processor

module.CLAIM = f"\\0tidings {os.getpid()} {{}} {{}}"  # apart from real gateways

def is_taken(processor):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        try:
            other.bind(module.CLAIM.format("processor", processor))
        except OSError:
            return True
    return False

async def main():
    affinity = Affinity.begin()
    affinity.settle()
    print("began", affinity.home, flush=True)
    input()
    before = after = affinity.look()
    while after.at < before.at + 1:
        sum(range(50_000))  # the loop must want its processor to be kept from it
        after = affinity.look()
    passed = after.at - before.at
    # whether others have time is up to what else runs here: say that they have
    after = after._replace(idle={each: idle + passed for each, idle in before.idle.items()})
    found = better_processor(affinity.home, affinity.usable, before, after)
    idle = sum(affinity.look().idle.values()) - sum(before.idle.values())
    print("found", found, 0 <= idle <= 3 * passed * len(before.idle), flush=True)
    crowded = affinity.home
    claims = [is_taken(found), is_taken(crowded)]
    affinity.move(found)
    print("claims", *claims, is_taken(found), is_taken(crowded), flush=True)
    print("moved", *os.sched_getaffinity(0), flush=True)
    print("aside", *await asyncio.to_thread(os.sched_getaffinity, 0), flush=True)
    affinity.end()
    print("ended", *sorted(os.sched_getaffinity(0)), flush=True)

asyncio.run(main())
"""
BUSY = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
end = time.monotonic() + 60
while time.monotonic() < end:
    pass
"""


async def test_a_loop_that_waits_for_its_processor_moves_and_all_others_make_room() -> None:
    pipe = asyncio.subprocess.PIPE
    loop = await asyncio.create_subprocess_exec(sys.executable, "-c", LOOP, stdin=pipe, stdout=pipe)
    assert loop.stdin is not None
    assert loop.stdout is not None
    _, crowded = (await loop.stdout.readline()).decode().split()
    crowd = [await asyncio.create_subprocess_exec(sys.executable, "-c", BUSY, crowded) for _ in range(3)]
    try:
        loop.stdin.write(b"\n")
        said = dict([line.decode().split(maxsplit=1) async for line in loop.stdout])
        assert await loop.wait() == 0
    finally:
        for each in crowd:
            each.kill()
            await each.wait()
    home, counts = said["found"].split()
    assert (home != crowded, counts) == (True, "True")
    assert said["claims"].split() == ["False", "True", "True", "False"]
    assert said["moved"].split() == [home]
    assert {int(each) for each in said["aside"].split()} == HERE - {int(home)}
    assert {int(each) for each in said["ended"].split()} == HERE


@pytest.mark.parametrize(
    ("waited", "idle", "to"),
    [
        pytest.param(3.0, {0: 0.0, 1: 6.0}, 1, id="it waited, and the other had time"),
        pytest.param(2.0, {0: 0.0, 1: 6.0}, None, id="it hardly waited"),
        pytest.param(3.0, {0: 0.0, 1: 4.0}, None, id="the other was busy, too"),
        pytest.param(3.0, {0: 9.0, 1: 4.0}, None, id="its own is no other"),
        pytest.param(3.0, {0: 0.0}, None, id="the system does not tell of the other"),
    ],
)
def test_moving_needs_a_reason_and_a_place(waited: float, idle: dict[int, float], to: int | None) -> None:
    before = Look(at=100.0, waited=1.0, idle={0: 50.0, 1: 50.0})
    after = Look(at=110.0, waited=1.0 + waited, idle={each: 50.0 + seconds for each, seconds in idle.items()})
    assert better_processor(0, {0, 1}, before, after) == to
