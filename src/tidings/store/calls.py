"""Calls for work in a database, from one event loop: counted, awaited, answered; whoever does the work.

asyncio is only spoken of: the process that writes to SQLite loads this too, and is spared it.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tidings.errors import StoreUnavailable

if TYPE_CHECKING:
    import asyncio

C = TypeVar("C")
"""A connection."""
Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Call:
    """One call, as whoever does the work sees it."""

    work: Callable[..., Any]
    """Does what several calls ask for, inside a transaction; returns an answer for each, in order."""
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


class Calls(ABC, Generic[C]):
    """Takes calls from one event loop for work with connections of one kind."""

    def __init__(self, loop: "asyncio.AbstractEventLoop", *, batch_limit: int) -> None:
        """Take how many rows a transaction takes on, give or take the last call."""
        self.waiting = 0
        """Rows that are queued or under way."""
        self.waiting_bytes = 0
        """How large the events are that are queued or under way."""
        self.batch_limit = batch_limit
        self.loop = loop
        self.began: float | None = None
        """When the transaction under way began, by the monotonic clock; None while there is none."""
        self.took = 0.0
        """How long the last one took, seconds."""
        self._closed = False

    @property
    @abstractmethod
    def transactions(self) -> int:
        """How many transactions were committed: with group commit, far fewer than calls."""

    @abstractmethod
    def take(self, call: AwaitedCall) -> None:
        """Have this done, and see that ``resolve`` is called with it in the loop."""

    def expected_wait(self) -> float:
        """Say how long a call made now would wait, seconds, going by the transaction under way and the one before."""
        if not self.waiting:
            return 0.0
        began = self.began  # read once: the thread that does the work may end meanwhile what it began
        under_way = 0.0 if began is None else time.monotonic() - began
        return max(under_way, self.took) * (1 + self.waiting // self.batch_limit)

    async def run(
        self,
        work: Callable[[C, Sequence[Q]], Sequence[R] | Awaitable[Sequence[R]]],
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
        self.waiting += weight
        self.waiting_bytes += size
        self.take(AwaitedCall(work, request, weight, None, None, size, only_if_awaited, future))
        answer: R = await future
        return answer

    def close(self) -> None:
        """Take no more calls."""
        self._closed = True

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
