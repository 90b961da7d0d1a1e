"""Several gateways that send, on one store: each a dispatcher with a store and a membership of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatch_kit import Desk, dispatching, open_desk
from fleet_kit import a_presence
from postgres_kit import PROGRAMS, database_url, shared_cluster
from tidings.dispatch import SCHEDULES, Dispatcher, RetryPolicy
from tidings.fleet import Membership
from tidings.model import Channel
from tidings.rulebook import Rulebook

BEAT = 0.2
"""Seconds from one beat to the next; one that is silent for five is not counted."""
LONGEST_SEND = 0.5

KINDS = ["sqlite", *(["postgres"] if PROGRAMS is not None else [])]


@dataclass(slots=True)
class Gateway:
    """One of them."""

    desk: Desk
    membership: Membership
    dispatcher: Dispatcher
    stopwatch: "Stopwatch"
    _closing: AsyncExitStack
    _beating: asyncio.Task[None]

    async def fall_silent(self) -> None:
        """Tell the others nothing any more, as one whose database has gone away."""
        await _end(self._beating)

    async def stop(self) -> None:
        """Stop it in order."""
        await self._closing.aclose()


@dataclass(slots=True)
class Stopwatch:
    """Seconds as they pass, for one who may be told that more have passed."""

    shift: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.shift


class Gateways:
    """Opens gateways on one store, and stops those that are left."""

    def __init__(self, url: str, closing: AsyncExitStack) -> None:
        self._url = url
        self._closing = closing
        self._opened = 0

    async def open(
        self, rulebook: Rulebook, *, schedules: Mapping[Channel, RetryPolicy] = SCHEDULES, **settings: Any
    ) -> Gateway:
        """Open one more; it dispatches as soon as the others let it."""
        self._opened += 1
        closing = await self._closing.enter_async_context(AsyncExitStack())
        desk = await closing.enter_async_context(open_desk(rulebook, url=self._url))
        stopwatch = Stopwatch()
        membership = Membership(
            desk.store.fleet,
            a_presence(f"gateway-{self._opened}"),
            clock=desk.clock,
            revision=lambda: rulebook.revision,
            longest_send=LONGEST_SEND,
            every=BEAT,
            stopwatch=stopwatch,
        )
        await membership.beat()
        closing.push_async_callback(membership.leave)
        beating = asyncio.create_task(membership.run())
        closing.push_async_callback(_end, beating)
        dispatcher = await closing.enter_async_context(
            dispatching(desk, membership=membership, schedules=schedules, **settings)
        )
        return Gateway(desk, membership, dispatcher, stopwatch, closing, beating)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


@asynccontextmanager
async def open_gateways(kind: str, folder: Path) -> AsyncIterator[Gateways]:
    """Have an empty store of a kind for gateways to be opened on."""
    async with AsyncExitStack() as closing:
        yield Gateways(await url_of(kind, folder), closing)


async def url_of(kind: str, folder: Path) -> str:
    """Return the URL of a store of a kind that is a test's own."""
    return f"sqlite:///{folder}/tidings.db" if kind == "sqlite" else await database_url(shared_cluster(), folder)
