"""Calls that wait at the same time share a commit, and none suffers for its company."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence

import pytest
import uvloop

from tidings.errors import NotFound, StoreUnavailable, TidingsError
from tidings.intake import group_commit
from tidings.intake.group_commit import COMPANY, MOST_TOGETHER, PATIENCE, GroupCommit


class _LoopByHand(asyncio.SelectorEventLoop):
    """A loop whose time is what a test says: the machine may take as long as it likes."""

    hour = 1_000.0

    def time(self) -> float:
        return self.hour


def by_hand(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test in a loop whose time it sets."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=_LoopByHand) as runner:
            runner.run(test())

    return run


async def _later(seconds: float, *, turns: int = 5) -> None:
    """Let so much time pass by the loop's clock, and then so many turns."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _LoopByHand)
    loop.hour += seconds
    await _turns(turns)


class _Work:
    """Answers each number with its double; goes on only when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int | TidingsError]:
        self.batches.append(list(numbers))
        await self.go_on.wait()
        if -1 in numbers:
            raise RuntimeError("a fault of one of them")
        if -2 in numbers:
            raise StoreUnavailable("the store is away")
        return [NotFound("number", "0") if each == 0 else 2 * each for each in numbers]


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@by_hand
async def test_who_comes_during_a_commit_shares_the_next() -> None:
    work = _Work()
    group = GroupCommit(work)
    calls = [asyncio.create_task(group.run(1))]
    await _turns()
    calls += [asyncio.create_task(group.run(number)) for number in (2, 3)]
    await _turns()
    assert work.batches == [[1]]

    work.go_on.set()

    assert await asyncio.gather(*calls) == [2, 4, 6]
    assert work.batches == [[1], [2, 3]]


@by_hand
async def test_who_comes_turn_after_turn_goes_along() -> None:
    work = _Work()
    work.go_on.set()
    group = GroupCommit(work)
    calls: list[asyncio.Task[int]] = []
    for number in range(3):
        calls.append(asyncio.create_task(group.run(number + 1)))
        await asyncio.sleep(0)

    assert await asyncio.gather(*calls) == [2, 4, 6]
    assert work.batches == [[1, 2, 3]]


@by_hand
async def test_company_is_not_waited_for_without_end() -> None:
    work = _Work()
    work.go_on.set()
    group = GroupCommit(work)
    calls: list[asyncio.Task[int]] = []
    while not work.batches and len(calls) < MOST_TOGETHER - 1:
        calls.append(asyncio.create_task(group.run(1)))
        await _later(COMPANY / 20, turns=1)  # one with much to do

    assert 19 <= len(work.batches[0]) <= 22
    await _later(COMPANY)
    await asyncio.gather(*calls)


@by_hand
async def test_who_had_company_waits_for_as_much_but_not_for_long() -> None:
    work = _Work()
    work.go_on.set()
    group = GroupCommit(work)
    await asyncio.gather(group.run(1), group.run(2))
    first = asyncio.create_task(group.run(3))
    await _turns()
    assert len(work.batches) == 1
    assert [*await asyncio.gather(first, group.run(4))] == [6, 8]

    left_alone = asyncio.create_task(group.run(5))
    await _turns()
    await _later(COMPANY * 0.99)
    assert len(work.batches) == 2
    await _later(COMPANY * 0.02)
    assert await left_alone == 10  # nobody came
    alone = asyncio.create_task(group.run(6))
    await _turns()
    assert work.batches == [[1, 2], [3, 4], [5], [6]]  # and nobody is expected
    await alone


@by_hand
async def test_nobody_waits_for_a_commit_that_is_slow_or_full() -> None:
    work = _Work()
    group = GroupCommit(work)
    calls = [asyncio.create_task(group.run(1))]
    await _turns()
    calls += [asyncio.create_task(group.run(number)) for number in range(2, MOST_TOGETHER + 2)]
    await _turns()
    assert [len(each) for each in work.batches] == [1, MOST_TOGETHER]

    calls.append(asyncio.create_task(group.run(7)))
    await _turns()
    await _later(PATIENCE * 0.99)
    assert len(work.batches) == 2
    await _later(PATIENCE * 0.02)
    assert work.batches[2] == [7]

    work.go_on.set()
    await asyncio.gather(*calls)


async def test_errors_are_those_of_whom_they_concern() -> None:
    work = _Work()
    group = GroupCommit(work)
    work.go_on.set()

    found = await asyncio.gather(*(group.run(number) for number in (1, 0, -1, 4)), return_exceptions=True)

    assert found[0] == 2
    assert isinstance(found[1], NotFound)
    assert isinstance(found[2], RuntimeError)
    assert found[3] == 8

    away = await asyncio.gather(*(group.run(number) for number in (5, -2)), return_exceptions=True)
    assert [type(each) for each in away] == [StoreUnavailable, StoreUnavailable]


@by_hand
async def test_what_all_give_up_is_left_undone() -> None:
    work = _Work()
    group = GroupCommit(work)
    first = asyncio.create_task(group.run(1))
    await _turns()
    waiting = asyncio.create_task(group.run(2))
    await _turns()
    waiting.cancel()
    first.cancel()
    await asyncio.gather(first, waiting, return_exceptions=True)
    await _turns()
    work.go_on.set()

    assert await group.run(3) == 6
    assert work.batches == [[1], [3]]


def test_a_wait_that_is_over_before_it_begins_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may stand still between looking at the clock and setting the timer by it."""
    monkeypatch.setattr(group_commit, "COMPANY", 0.0)

    async def main() -> list[list[int]]:
        work = _Work()
        work.go_on.set()
        group = GroupCommit(work)
        for numbers in ((1, 2, 3), (4, 5, 6)):  # those of the second wait until they are as many as the first
            assert await asyncio.gather(*map(group.run, numbers)) == [2 * each for each in numbers]
        return work.batches

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == [[1, 2, 3], [4, 5, 6]]


@by_hand
async def test_company_that_stays_keeps_the_commit_going() -> None:
    work = _Work()
    group = GroupCommit(work)
    gives_up, stays = asyncio.create_task(group.run(1)), asyncio.create_task(group.run(2))
    await _turns()
    gives_up.cancel()
    await _turns()
    work.go_on.set()

    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gives_up


@by_hand
async def test_who_gives_up_disturbs_no_commit_of_others() -> None:
    """One that everybody gave up may still be putting things in order."""
    in_order: list[list[int]] = []
    go_on = asyncio.Event()

    async def work(numbers: Sequence[int]) -> list[int | TidingsError]:
        try:
            await asyncio.Event().wait()
        finally:
            await go_on.wait()
            in_order.append(list(numbers))
        return []

    group = GroupCommit(work)
    for number in (1, 2):
        call = asyncio.create_task(group.run(number))
        await _turns()
        call.cancel()
        await _turns()
    go_on.set()
    await _turns()
    assert in_order == [[1]]
