"""Time limits for answers that may lie here unread: where a process stood still, timers come before sockets.

A machine that was suspended, a container that was frozen or starved, a debugger: what was answered meanwhile is an
answer all the same, and giving it up would send the message again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LOOK_SECONDS: Final = 0.005
"""How long to read what has come before giving up."""
_LATE_SECONDS: Final = 0.05


def stood_still(due: float, now: float) -> bool:
    """Whether a timer that was due is called so late that there may be an answer nobody has read (loop times)."""
    return now - due > _LATE_SECONDS


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Do as ``asyncio.timeout`` does, save that what has come while the process stood still is read first."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def end(due: float) -> None:
        nonlocal timer
        if stood_still(due, loop.time()):
            timer = loop.call_later(LOOK_SECONDS, end, loop.time() + LOOK_SECONDS)
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        timer = loop.call_later(seconds, end, loop.time() + seconds)
        try:
            yield
        finally:
            timer.cancel()
