"""Settling in batches: whatever ended while the store was busy goes to it in one call."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tidings.dispatch.destination import Job
from tidings.errors import TidingsError
from tidings.store import Settlement, Store
from tidings.telemetry import events, get_logger
from tidings.telemetry.metrics import Metrics

log = get_logger()

_new: Final = tuple.__new__
_PAUSE_SECONDS: Final = 0.5
"""The pause before asking a store again that could not serve."""


class Ending(NamedTuple):
    """A delivery in hand, and how it is to be settled."""

    job: Job
    settlement: Settlement


class Settler:
    """Collects endings and commits them; one call to the store is under way at a time.

    ``done`` is told of those that left our hands, and for each whether its settlement was kept.
    """

    def __init__(
        self, store: Store, *, done: Callable[[Sequence[Ending], Sequence[bool]], None], metrics: Metrics
    ) -> None:
        self._store = store
        self._seconds = metrics.commit_seconds.labels("settle")
        self._done = done
        self._waiting: list[Ending] = []
        self._work = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def add(self, job: Job, settlement: Settlement) -> None:
        """Settle this with the next call."""
        if not self._waiting:
            self._quiet.clear()
            self._work.set()
        self._waiting.append(_new(Ending, (job, settlement)))

    async def run(self) -> None:
        """Settle until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._settle(batch)
            self._quiet.set()

    async def flushed(self) -> None:
        """Return once nothing waits to be settled."""
        await self._quiet.wait()

    async def _settle(self, batch: list[Ending]) -> None:
        try:
            with self._seconds.time():
                kept = await self._store.settle([each.settlement for each in batch])
        except TidingsError as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error), settlements=len(batch))
            await self._again(batch)
        except Exception:
            # A settlement that is not to the store's mind must not take the others with it.
            log.exception(events.DELIVERY_FAULT, deliveries=[each.settlement.delivery_id for each in batch])
            await self._one_by_one(batch)
        else:
            self._done(batch, kept)

    async def _again(self, batch: list[Ending]) -> None:
        """Keep for the next call whatever another worker has not taken.

        A lease that lapsed while the store was away is no reason to send again: the fence tells whether it was taken.
        """
        await asyncio.sleep(_PAUSE_SECONDS)
        for each in reversed(batch):
            if not each.job.lost:
                self._waiting.insert(0, each)
            else:
                self._done([each], [False])  # the answer the store would give

    async def _one_by_one(self, batch: list[Ending]) -> None:
        if len(batch) == 1:
            self._done(batch, [False])  # it is not settled: its lease lapses
            return
        for each in batch:
            await self._settle([each])
