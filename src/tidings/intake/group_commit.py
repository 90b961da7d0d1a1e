"""Group commit: one for all calls that wait at the same time.

Each call by itself would pay for a commit's way through the gateway: measured, that is more than validating and
deciding its event. So calls that come while a commit is under way are taken together when it is through; nobody
waits for company that is not there yet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tidings.errors import TidingsError

T = TypeVar("T")
R = TypeVar("R")

MOST_TOGETHER: Final = 256
"""How many share a commit at the most; one more begins a commit of their own."""
PATIENCE: Final = 0.01
"""How long a commit may be under way, seconds, for others to wait for it. A store that is slower than that is to see
what comes: it knows how long it takes, and refuses what would wait too long."""


@dataclass(slots=True, eq=False)
class _Call(Generic[T, R]):
    thing: T
    answer: "asyncio.Future[R]"
    group: "_Group[T, R] | None" = None
    """Whom it shares a commit with, once that is under way."""


@dataclass(slots=True, eq=False)
class _Group(Generic[T, R]):
    """Calls whose commit is under way."""

    calls: Sequence[_Call[T, R]]
    began: float
    task: "asyncio.Task[None] | None" = None

    def is_given_up(self) -> bool:
        return all(each.answer.done() for each in self.calls)


class GroupCommit(Generic[T, R]):
    """Takes things one at a time and works them off together. Belongs to the event loop it is used in."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | TidingsError]]]) -> None:
        """Take what commits several things and returns an answer or an error for each, in order.

        A TidingsError that it raises is raised to every caller. Another error may be the fault of a single thing:
        then each is tried by itself.
        """
        self._work = work
        self._waiting: list[_Call[T, R]] = []
        self._under_way: set[_Group[T, R]] = set()
        self._is_starting = False
        self._patience: asyncio.TimerHandle | None = None
        """Ends the waiting for a commit that takes long."""

    async def run(self, thing: T) -> R:
        """Return the answer for one thing once it is committed; raise its error.

        What everybody gives up who shares a commit is left undone, if that has not begun.
        """
        loop = asyncio.get_running_loop()
        call: _Call[T, R] = _Call(thing, loop.create_future())
        self._waiting.append(call)
        if not self._is_starting and self._is_time(loop):
            self._is_starting = True
            loop.call_soon(self._start)  # what else this turn of the loop brings goes along
        elif self._patience is None:
            self._patience = loop.call_later(PATIENCE, self._start)
        try:
            return await call.answer
        except asyncio.CancelledError:
            if (group := call.group) is not None and group.task is not None and group.is_given_up():
                group.task.cancel()
            raise

    def _is_time(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether what waits is to be committed without waiting for the commit under way."""
        if len(self._waiting) >= MOST_TOGETHER:
            return True
        patient = loop.time() - PATIENCE if self._under_way else 0.0
        return not any(group.began > patient for group in self._under_way)

    def _start(self) -> None:
        self._is_starting = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        calls, self._waiting = [each for each in self._waiting if not each.answer.done()], []
        if not calls:
            return
        group = _Group(calls, asyncio.get_running_loop().time())
        for each in calls:
            each.group = group
        self._under_way.add(group)
        group.task = asyncio.ensure_future(self._commit(group))

    async def _commit(self, group: _Group[T, R]) -> None:
        try:
            await self._answer(group.calls)
        finally:
            self._under_way.discard(group)
            if self._waiting and not self._is_starting:
                self._start()

    async def _answer(self, calls: Sequence[_Call[T, R]]) -> None:
        try:
            answers = await self._work([each.thing for each in calls])
        except TidingsError as error:
            _fail(calls, error)
        except Exception as error:  # noqa: BLE001 (whatever it is, callers wait for an answer)
            if len(calls) == 1:
                _fail(calls, error)
            for each in calls if len(calls) > 1 else ():
                await self._answer([each])
        except asyncio.CancelledError:
            for each in calls:
                each.answer.cancel()
            raise
        else:
            for each, answer in zip(calls, answers, strict=True):
                _resolve(each.answer, answer)


def _resolve(waiting: "asyncio.Future[R]", answer: R | TidingsError) -> None:
    if waiting.done():  # the caller has given up
        return
    if isinstance(answer, TidingsError):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)


def _fail(calls: Sequence[_Call[T, R]], error: Exception) -> None:
    for each in calls:
        if not each.answer.done():
            each.answer.set_exception(error)
