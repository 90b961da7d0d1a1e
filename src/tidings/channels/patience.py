"""Time limits for answers that may lie here unread: where a process stood still, timers come before sockets.

A machine that was suspended, a container that was frozen or starved, a debugger: what was answered meanwhile is an
answer all the same, and giving it up would send the message again.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final

LOOK_SECONDS: Final = 0.005
"""How long to read what has come before giving up."""
_LATE_SECONDS: Final = 0.05


def stood_still(due: float, now: float) -> bool:
    """Whether a timer that was due is called so late that there may be an answer nobody has read (loop times)."""
    return now - due > _LATE_SECONDS


class Patience:
    """A time limit of so many seconds for each of those who wait at the same time, all by one timer.

    Each ends as by ``asyncio.timeout``, save that what has come while the process stood still is read first. As all
    have the same time, they end in the order in which they began.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> "Wait":
        """Return what the current task is to wait in: ``with patience.begin(): await …``, TimeoutError at its end."""
        loop = asyncio.get_running_loop()
        wait = Wait(loop.time() + self._seconds, self._running.pop)
        self._running[wait] = None
        if self._timer is None:
            self._look_at(loop, wait.due)
        return wait

    def _look_at(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timer = loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """End what is over, and come again when the next one may be."""
        self._timer = None
        now = loop.time()
        if self._running and stood_still(due, now):
            self._look_at(loop, now + LOOK_SECONDS)
            return
        for wait in self._running:
            if wait.due > now:
                self._look_at(loop, wait.due)
                break
            wait.end()


class Wait:
    """One wait of a task, of which ``done`` is told when it is left."""

    __slots__ = ("_cancelling", "_done", "_is_over", "_task", "due")

    def __init__(self, due: float, done: "Callable[[Wait], object]") -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a wait with a limit needs a task")
        self.due = due
        """When it is over, the loop's time."""
        self._done = done
        self._task = task
        self._cancelling = task.cancelling()
        self._is_over = False

    def __enter__(self) -> None:
        """Wait."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Tell a wait that was ended here from one that the task's owner cancelled."""
        self._done(self)
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """Interrupt the task, once."""
        if not self._is_over:
            self._is_over = True
            self._task.cancel()
