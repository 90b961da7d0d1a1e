"""One time limit for many waits at a time."""

import asyncio

import pytest

from tidings.channels.patience import Patience

SHORT = 0.02
LONG = 30.0


async def waiting(patience: Patience, what: "asyncio.Future[str]") -> str:
    with patience.begin():
        return await what


async def test_each_wait_ends_by_itself_when_its_time_is_over() -> None:
    patience = Patience(SHORT)
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()
    tasks = [asyncio.create_task(waiting(patience, loop.create_future())) for _ in range(2)]
    tasks.append(asyncio.create_task(waiting(patience, answered)))
    loop.call_soon(answered.set_result, "taken")
    came = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in came] == [TimeoutError, TimeoutError, str]


async def test_a_later_wait_has_all_of_its_time() -> None:
    """The timer of the first is long over when the second begins, and that of the second is its own."""
    patience = Patience(SHORT)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        began = loop.time()
        with pytest.raises(TimeoutError):
            await waiting(patience, loop.create_future())
        assert loop.time() - began >= SHORT * 0.9


async def test_a_wait_that_its_owner_cancels_is_cancelled() -> None:
    task = asyncio.create_task(waiting(Patience(LONG), asyncio.get_running_loop().create_future()))
    await asyncio.wait({task}, timeout=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_counts_though_the_time_is_over_in_the_same_moment() -> None:
    patience = Patience(SHORT)
    task: asyncio.Task[str]

    async def interrupted() -> str:
        with patience.begin():
            never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            try:
                return await never
            finally:
                task.cancel()

    task = asyncio.create_task(interrupted())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_done_in_time_is_not_interrupted_later() -> None:
    patience = Patience(SHORT)
    loop = asyncio.get_running_loop()

    async def done_then_waits() -> str:
        answered: asyncio.Future[str] = loop.create_future()
        loop.call_soon(answered.set_result, "taken")
        got = await waiting(patience, answered)
        later: asyncio.Future[str] = loop.create_future()
        loop.call_later(3 * SHORT, later.set_result, f"{got}, and went on")
        return await later

    assert await asyncio.create_task(done_then_waits()) == "taken, and went on"
