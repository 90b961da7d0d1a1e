"""Calls for work in SQLite: those made in one turn of the event loop are handed over together.

That is once the turn is over, or with one that is work enough by itself: the work begins while the loop goes on.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tidings.store import calls
from tidings.store.calls import AwaitedCall
from tidings.store.sqlite.driver import Connection

if TYPE_CHECKING:  # see there
    import asyncio

Work = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Does what several calls ask for, inside a transaction; returns an answer for each, in order."""

_ENOUGH: Final = 32
"""How many rows are not kept waiting for what else a turn of the loop brings."""


class Calls(calls.Calls[Connection]):
    """Takes calls from one event loop."""

    def __init__(self, loop: "asyncio.AbstractEventLoop", *, batch_limit: int) -> None:
        super().__init__(loop, batch_limit=batch_limit)
        self._gathered: list[AwaitedCall] = []
        """What this turn of the loop has called for."""

    @abstractmethod
    def hand_over(self, calls: list[AwaitedCall]) -> None:
        """Have these done, and see that ``resolve`` is called with them in the loop."""

    def take(self, call: AwaitedCall) -> None:
        """Gather it."""
        self._gathered.append(call)
        if call.weight >= _ENOUGH:
            self._hand_over_all()
        elif len(self._gathered) == 1:
            self.loop.call_soon(self._hand_over_all)

    def close(self) -> None:
        """Take no more calls, and have those done that were made."""
        super().close()
        self._hand_over_all()

    def _hand_over_all(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self.hand_over(gathered)
