"""Publishing a stream of events: whatever arrives while others are committed shares the next commit."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from tidings.errors import EventIdReused, InvalidEvent, Overloaded
from tidings.events.v1.event_pb2 import Event
from tidings.intake.group_commit import MOST_TOGETHER
from tidings.intake.publish import Publish, Published

Numbered = tuple[int, Event]
"""The caller's number for an event, and the event."""
Acknowledged = tuple[int, Published | InvalidEvent | EventIdReused]
"""The caller's number for an event, and what became of it."""

MOST_WAITING: Final = 512
"""How many events may wait for the next commit; then no more are read."""
MOST_WAITING_BYTES: Final = 2 * 1024 * 1024
"""How large those and what is being committed may be together; one event that is larger by itself still passes."""
MOST_IN_ALL_BYTES: Final = 8 * 1024 * 1024
"""How large those of all streams may be together; past it each stream has one event waiting at the most. On its way to
the store an event is there several times."""


class StreamRoom:
    """The room that all streams of a gateway share for events that wait."""

    def __init__(self) -> None:
        self.used = 0
        """Bytes."""


async def publish_stream(
    publish: Publish, incoming: AsyncIterator[Numbered], *, room: StreamRoom
) -> AsyncIterator[Sequence[Acknowledged]]:
    """Yield what became of the events, in their order, some at a time; each yielded is committed or refused.

    No more is read than fits the bounds above, so a caller that is too fast has to wait. So it has when the gateway
    is overloaded.

    Raises:
        StoreUnavailable: the events that were not yielded were not kept.
    """
    inbox = _Inbox(room)
    reading = asyncio.create_task(inbox.fill(incoming), name="publish stream")
    try:
        while acknowledged := await _commit(publish, inbox):
            yield acknowledged
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        inbox.leave()


async def _commit(publish: Publish, inbox: "_Inbox") -> list[Acknowledged]:
    """Commit what waits and let go of it: whoever reads acknowledgements slowly keeps no events here meanwhile."""
    batch = await inbox.take()
    events = [event for _, event in batch]
    while batch:
        try:
            outcomes = await publish.many(events)
            await inbox.let_go()
            return [(number, outcome) for (number, _), outcome in zip(batch, outcomes, strict=True)]
        except Overloaded as error:
            await asyncio.sleep(error.retry_after)
    return []


class _Inbox:
    """Events that wait for the next commit, bounded."""

    def __init__(self, room: StreamRoom) -> None:
        self._room = room
        self._waiting: deque[tuple[Numbered, int]] = deque()
        self._bytes = 0
        """How large they are, and what was taken and is not committed yet."""
        self._taken_bytes = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, incoming: AsyncIterator[Numbered]) -> None:
        """Take in events while there is room, until there are no more."""
        try:
            async for numbered in incoming:
                size = numbered[1].ByteSize()
                async with self._changed:
                    await self._changed.wait_for(self._has_room)
                    self._waiting.append((numbered, size))
                    self._count(size)
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._ended = True
                self._changed.notify_all()

    async def take(self) -> list[Numbered]:
        """Wait for events and return up to a commit's worth; empty when no more will come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._ended)
            taken: list[Numbered] = []
            while self._waiting and len(taken) < MOST_TOGETHER:
                numbered, size = self._waiting.popleft()
                self._taken_bytes += size
                taken.append(numbered)
            self._changed.notify_all()
            return taken

    async def let_go(self) -> None:
        """Give back the room of what was taken, once it is committed."""
        async with self._changed:
            self._count(-self._taken_bytes)
            self._taken_bytes = 0
            self._changed.notify_all()

    def leave(self) -> None:
        """Give the room back that is still taken."""
        self._count(-self._bytes)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._room.used += size

    def _has_room(self) -> bool:
        """Say whether one more may wait; asked again whenever events of this stream were taken or committed."""
        return not self._waiting or (
            len(self._waiting) < MOST_WAITING
            and self._bytes < MOST_WAITING_BYTES
            and self._room.used < MOST_IN_ALL_BYTES
        )
