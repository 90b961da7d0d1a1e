"""Tells readers in this process which deliveries have just moved.

Each reader has a queue of its own with a bound, so that one that dawdles costs no memory: it misses the oldest.
Nothing is gathered while nobody reads.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from tidings.store.values import (
    DeliveryChange,
)

_QUEUE: Final = 4_096
"""How many changes wait for one reader: a few hundred kilobytes."""


class _Reader:
    """One reader's queue."""

    def __init__(self, limit: int) -> None:
        self._changes: deque[DeliveryChange] = deque(maxlen=limit)
        self._arrived = asyncio.Event()
        self._closed = False

    def put(self, changes: Sequence[DeliveryChange]) -> None:
        self._changes.extend(changes)
        self._arrived.set()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()

    async def read(self) -> AsyncIterator[DeliveryChange]:
        while True:
            while self._changes:
                yield self._changes.popleft()
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()


class Feed:
    """Hands changes to readers; belongs to one event loop, but ``followed`` may be read by any thread."""

    def __init__(self, *, limit: int = _QUEUE) -> None:
        self.followed = False
        """Whether anybody reads."""
        self._limit = limit
        self._readers: set[_Reader] = set()
        self._closed = False

    def publish(self, changes: Sequence[DeliveryChange]) -> None:
        """Give changes to every reader."""
        for reader in self._readers:
            reader.put(changes)

    @contextmanager
    def follow(self) -> Iterator[AsyncIterator[DeliveryChange]]:
        """Read what is published from now on, until the feed is closed."""
        reader = _Reader(self._limit)
        if self._closed:
            reader.close()
        self._readers.add(reader)
        self.followed = True
        try:
            yield reader.read()
        finally:
            reader.close()
            self._readers.discard(reader)
            self.followed = bool(self._readers)

    def close(self) -> None:
        """End every reader once it has read what waits for it."""
        self._closed = True
        for reader in self._readers:
            reader.close()
