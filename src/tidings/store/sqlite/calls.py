"""Calls for work in the database, from the event loop: gathered, bounded, answered; whoever does the work.

Calls made in one turn of the event loop are handed over together, once the turn is over, or with one that is work
enough by itself: the work begins while the loop goes on.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tidings.errors import StoreUnavailable
from tidings.store.sqlite.driver import Connection

Q = TypeVar("Q")
R = TypeVar("R")

Work = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Does what several calls ask for, inside a transaction; returns an answer for each, in order."""

_ENOUGH: Final = 32
"""How many rows are not kept waiting for what else a turn of the loop brings."""


@dataclass(slots=True, eq=False)
class Call:
    """One call, as whoever does the work sees it."""

    work: Work
    request: Any
    weight: int
    """Rows."""
    answer: Any = None
    error: BaseException | None = None

    def is_given_up(self) -> bool:
        """Say whether it is to be left undone."""
        return False


@dataclass(slots=True, eq=False)
class AwaitedCall(Call):
    """One call, as whoever waits for it sees it."""

    size: int = 0
    """Bytes of the events in it."""
    only_if_awaited: bool = False
    future: "asyncio.Future[Any]" = None  # type: ignore[assignment]  # every maker gives one

    def is_given_up(self) -> bool:
        """Say whether nobody waits for it who would have it done."""
        return self.only_if_awaited and self.future.done()


class Calls(ABC):
    """Takes calls from one event loop; ``waiting`` rows are queued or under way."""

    def __init__(self, *, batch_limit: int) -> None:
        """Take how many rows a transaction takes on, to tell how long a call would wait."""
        self.waiting = 0
        self.waiting_bytes = 0
        """How large the events are that are queued or under way."""
        self.batch_limit = batch_limit
        self.loop = asyncio.get_running_loop()
        self._gathered: list[AwaitedCall] = []
        """What this turn of the loop has called for."""
        self._closed = False

    @property
    @abstractmethod
    def transactions(self) -> int:
        """How many transactions were committed: with group commit, far fewer than calls."""

    @abstractmethod
    def expected_wait(self) -> float:
        """Say how long a call made now would wait, seconds, going by the transaction under way and the one before."""

    @abstractmethod
    def hand_over(self, calls: list[AwaitedCall]) -> None:
        """Have these done, and see that ``resolve`` is called with them in the loop."""

    async def run(
        self,
        work: Callable[[Connection, Sequence[Q]], Sequence[R]],
        request: Q,
        *,
        weight: int = 1,
        size: int = 0,
        only_if_awaited: bool = False,
    ) -> R:
        """Return the answer of ``work`` to ``request`` once it is committed.

        With ``only_if_awaited`` it is left undone when the caller has given up before its transaction began.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future = self.loop.create_future()
        call = AwaitedCall(work, request, weight, None, None, size, only_if_awaited, future)
        self.waiting += weight
        self.waiting_bytes += size
        self._gathered.append(call)
        if weight >= _ENOUGH:
            self._hand_over_all()
        elif len(self._gathered) == 1:
            self.loop.call_soon(self._hand_over_all)
        answer: R = await future
        return answer

    def close(self) -> None:
        """Take no more calls, and have those done that were made."""
        self._closed = True
        self._hand_over_all()

    def resolve(self, calls: Sequence[AwaitedCall]) -> None:
        """Let those who wait have the answers or errors."""
        for call in calls:
            self.waiting -= call.weight
            self.waiting_bytes -= call.size
            if call.future.done():  # the caller was cancelled
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.answer)

    def _hand_over_all(self) -> None:
        if self._gathered:
            calls, self._gathered = self._gathered, []
            self.hand_over(calls)
