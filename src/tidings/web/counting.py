"""Counting the backlog seldom enough: one count passes over all that waits, half a second for a million deliveries."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from tidings.errors import TidingsError
from tidings.model import State
from tidings.store import Store

OLDEST_SECONDS: Final = 60.0
"""A count older than this is not shown: whoever asks waits for the next."""
_PAUSES: Final = 20.0
"""For how many times as long as it took a count is left alone: counting takes a twentieth of the time at the most."""
_QUICK_SECONDS: Final = 0.05
"""A count that takes no longer is waited for."""


class BacklogCount:
    """Counts when somebody asks, aside, and answers meanwhile with what was counted before."""

    def __init__(self, store: Store, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._stopwatch = stopwatch
        self._counts: Mapping[State, int] = {}
        self._counted_at: float | None = None
        self._took = 0.0
        self._counting: asyncio.Task[None] | None = None

    async def get(self) -> Mapping[State, int] | None:
        """Return deliveries that have not ended, by state, or None when the store cannot count them now."""
        if self._counting is None and self._age() >= min(_PAUSES * self._took, OLDEST_SECONDS):
            self._counting = asyncio.create_task(self._count(), name="backlog count")
        if self._counting is not None and (self._took <= _QUICK_SECONDS or self._age() >= OLDEST_SECONDS):
            await asyncio.shield(self._counting)
        return self._counts if self._age() < OLDEST_SECONDS else None

    async def close(self) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait({self._counting})

    def _age(self) -> float:
        """Return the age of what is known, seconds."""
        return OLDEST_SECONDS if self._counted_at is None else self._stopwatch() - self._counted_at

    async def _count(self) -> None:
        began = self._stopwatch()
        try:
            self._counts = (await self._store.backlog()).counts
        except TidingsError:
            return  # what was known ages, and is then no longer shown
        finally:
            self._counting = None
        self._counted_at = now = self._stopwatch()
        self._took = now - began
