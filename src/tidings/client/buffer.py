"""Events that wait to be sent, and those under way: bounded together."""

import asyncio
from collections import deque
from dataclasses import dataclass

from tidings.client.errors import BufferFull, ClientClosed
from tidings.client.settings import ClientSettings
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import PublishResponse


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """An event on its way."""

    event: Event
    size: int
    """Bytes."""
    answer: asyncio.Future[PublishResponse]
    deadline: float
    """By the loop's clock; after it no other try is made."""


class Buffer:
    """Gives out batches in the order in which events came. Belongs to the loop it is used in."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._waiting: deque[Parcel] = deque()
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        """Those who wait for room, with the size they need."""
        self._open: dict[Parcel, None] = {}
        """Those that wait and those under way."""
        self._bytes = 0
        self._work = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._flushing = 0
        self.closed = False

    @property
    def events(self) -> int:
        """How many events wait or are under way."""
        return len(self._open)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to give out, and nothing more will come."""
        return self.closed and not self._waiting

    def put(self, parcel: Parcel) -> None:
        """Take an event; raise BufferFull or ClientClosed."""
        if self.closed:
            raise ClientClosed("the client is closed")
        if not self._has_room(parcel.size):
            raise BufferFull(
                f"{len(self._open)} events ({self._bytes} bytes) wait to be committed; "
                f"the buffer holds {self._settings.buffer} events and {self._settings.buffer_bytes} bytes"
            )
        self._waiting.append(parcel)
        self._open[parcel] = None
        self._bytes += parcel.size
        self._empty.clear()
        self._work.set()
        self._call_next()

    async def room(self, size: int) -> None:
        """Wait until an event of this size fits, or the client is closed."""
        while not self.closed and not self._has_room(size):
            turn = asyncio.get_running_loop().create_future()
            self._queue.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                self._call_next()  # it may have been this one's turn
                raise

    async def take(self) -> list[Parcel]:
        """Wait for events, then for their company as long as settings say; empty when another took them."""
        await self._work.wait()
        if self._settings.linger and not self._is_pressing():
            await asyncio.sleep(self._settings.linger)
        batch: list[Parcel] = []
        size = 0
        while self._waiting and len(batch) < self._settings.batch:
            if batch and size + self._waiting[0].size > self._settings.batch_bytes:
                break
            batch.append(self._waiting.popleft())
            size += batch[-1].size
        if not self._waiting and not self.closed:
            self._work.clear()
        return batch

    def done(self, parcel: Parcel) -> None:
        """Forget an event that has its answer."""
        del self._open[parcel]
        self._bytes -= parcel.size
        if not self._open:
            self._empty.set()
        self._call_next()

    async def drained(self) -> None:
        """Wait until every event has its answer; meanwhile batches do not wait for company."""
        self._flushing += 1
        try:
            await self._empty.wait()
        finally:
            self._flushing -= 1

    def close(self) -> None:
        """Take no more."""
        self.closed = True
        self._work.set()
        for _, turn in self._queue:
            if not turn.done():
                turn.set_result(None)
        self._queue.clear()

    def abandon(self) -> list[Parcel]:
        """Return what has no answer, and forget it."""
        left = list(self._open)
        self._open.clear()
        self._waiting.clear()
        self._empty.set()
        return left

    def _call_next(self) -> None:
        """Let the first of those who wait for room try, if there is any."""
        while self._queue and (self._queue[0][1].done() or self._has_room(self._queue[0][0])):
            _, turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _has_room(self, size: int) -> bool:
        if not self._open:
            return True  # one that is larger than the buffer still passes by itself
        return len(self._open) < self._settings.buffer and self._bytes + size <= self._settings.buffer_bytes

    def _is_pressing(self) -> bool:
        return self.closed or self._flushing > 0 or len(self._waiting) >= self._settings.batch
