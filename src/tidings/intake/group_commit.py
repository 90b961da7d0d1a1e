"""Group commit: one for all calls that wait at the same time.

Each call by itself would pay for a commit's way through the gateway: measured, that is more than validating and
deciding its event. So calls that come while a commit is under way are taken together when it is through. They wait for
each other, up to two milliseconds: until there are as many as went together last time, and from then on while every
turn of the event loop brings more.
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
COMPANY: Final = 0.002
"""How long they wait for each other at the most, seconds, before a commit begins."""
PATIENCE: Final = 0.01
"""How long a commit may be under way, seconds, for others to wait for it. A store that is slower than that is to see
what comes: it knows how long it takes, and refuses what would wait too long."""


@dataclass(slots=True, eq=False)
class _Group(Generic[T, R]):
    """Calls whose commit is under way."""

    things: list[T]
    answers: "list[asyncio.Future[R]]"
    """Of each thing its own."""
    began: float
    task: "asyncio.Task[None] | None" = None

    def is_given_up(self) -> bool:
        return all(each.done() for each in self.answers)


class GroupCommit(Generic[T, R]):
    """Takes things one at a time and works them off together. Belongs to the event loop it is used in."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | TidingsError]]]) -> None:
        """Take what commits several things and returns an answer or an error for each, in order.

        A TidingsError that it raises is raised to every caller. Another error may be the fault of a single thing:
        then each is tried by itself.
        """
        self._work = work
        self._things: list[T] = []
        """What waits,"""
        self._answers: list[asyncio.Future[R]] = []
        """and for each of those the answer that is waited for."""
        self._under_way: set[_Group[T, R]] = set()
        self._is_starting = False
        self._company = 1
        """How many went together last time."""
        self._lonely: asyncio.Handle | None = None
        """Ends the waiting for as many,"""
        self._until = 0.0
        """at this time of the loop. The handle does not know: uvloop has none with a time for what is due at once."""
        self._patience: asyncio.TimerHandle | None = None
        """Ends the waiting for a commit that takes long."""

    async def run(self, thing: T) -> R:
        """Return the answer for one thing once it is committed; raise its error.

        What everybody gives up who shares a commit is left undone, if that has not begun.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._things.append(thing)
        self._answers.append(answer)
        if not self._is_starting and self._is_time(loop):
            self._is_starting = True
            self._gather(loop)
        elif self._lonely is not None and len(self._things) >= self._company:
            self._stop_waiting()
            loop.call_soon(self._look, loop, 0)
        elif self._patience is None:
            self._patience = loop.call_later(PATIENCE, self._start)
        try:
            return await answer
        except asyncio.CancelledError:
            for group in self._under_way:
                if group.task is not None and answer in group.answers and group.is_given_up():
                    group.task.cancel()
            raise

    def _is_time(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether what waits is to be committed without waiting for the commit under way."""
        if len(self._things) >= MOST_TOGETHER:
            return True
        patient = loop.time() - PATIENCE if self._under_way else 0.0
        return not any(group.began > patient for group in self._under_way)

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a commit as soon as all are there and a turn of the loop brings nothing more, or it is time."""
        self._until = loop.time() + COMPANY
        if len(self._things) < self._company:
            self._lonely = loop.call_at(self._until, self._start)
        else:
            loop.call_soon(self._look, loop, 0)

    def _look(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        if not self._is_starting:
            return  # who had no patience was first
        if before < (now := len(self._things)) < MOST_TOGETHER and loop.time() < self._until:
            loop.call_soon(self._look, loop, now)
        else:
            self._start()

    def _start(self) -> None:
        self._is_starting = False
        self._stop_waiting()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        things, self._things = self._things, []
        self._company = len(things)
        answers, self._answers = self._answers, []
        if any(each.done() for each in answers):  # given up
            left = [number for number, each in enumerate(answers) if not each.done()]
            things, answers = [things[number] for number in left], [answers[number] for number in left]
        if not things:
            return
        group = _Group(things, answers, asyncio.get_running_loop().time())
        self._under_way.add(group)
        group.task = asyncio.ensure_future(self._commit(group))

    def _stop_waiting(self) -> None:
        if self._lonely is not None:
            self._lonely.cancel()
            self._lonely = None

    async def _commit(self, group: _Group[T, R]) -> None:
        try:
            await self._answer(group.things, group.answers)
        finally:
            self._under_way.discard(group)
            if self._things and not self._is_starting:
                self._is_starting = True
                self._gather(asyncio.get_running_loop())

    async def _answer(self, things: Sequence[T], waiting: "Sequence[asyncio.Future[R]]") -> None:
        try:
            answers = await self._work(things)
        except TidingsError as error:
            _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 (whatever it is, callers wait for an answer)
            if len(things) == 1:
                _fail(waiting, error)
            for thing, each in zip(things, waiting, strict=True) if len(things) > 1 else ():
                await self._answer([thing], [each])
        except asyncio.CancelledError:
            for each in waiting:
                each.cancel()
            raise
        else:
            for each, answer in zip(waiting, answers, strict=True):
                if not each.done():  # else the caller has given up
                    _resolve(each, answer)


def _resolve(waiting: "asyncio.Future[R]", answer: R | TidingsError) -> None:
    if isinstance(answer, TidingsError):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)


def _fail(waiting: "Sequence[asyncio.Future[R]]", error: Exception) -> None:
    for each in waiting:
        if not each.done():
            each.set_exception(error)
