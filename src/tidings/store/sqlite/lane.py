"""A thread with a connection, which works off a queue in batches: one transaction and one wake-up for many calls."""

import asyncio
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Self

from tidings.store.calls import AwaitedCall
from tidings.store.sqlite.calls import Calls
from tidings.store.sqlite.transactor import Transactor


class Lane(Calls):
    """Has a transactor's work done in a thread, for one event loop, while entered."""

    def __init__(self, transactor: Transactor, *, name: str, batch_limit: int) -> None:
        super().__init__(asyncio.get_running_loop(), batch_limit=batch_limit)
        self._transactor = transactor
        self._queue: SimpleQueue[list[AwaitedCall] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work_off, name=name, daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do what is queued, then end the thread, which closes the connection."""
        self.close()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    @property
    def transactions(self) -> int:
        """How many transactions were committed."""
        return self._transactor.transactions

    def hand_over(self, calls: list[AwaitedCall]) -> None:
        """Give them to the thread."""
        self._queue.put(calls)

    def _work_off(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._collect()
            if batch:
                self.began = began = time.monotonic()
                self._transactor.perform(batch)
                self.began, self.took = None, time.monotonic() - began
                self._hand_back(batch)
        self._transactor.close()

    def _collect(self) -> tuple[list[AwaitedCall], bool]:
        """Wait for calls, then take what else is queued, up to the limit; False once the lane is closing."""
        batch: list[AwaitedCall] = []
        weight = 0
        calls = self._queue.get()
        while calls is not None:
            batch += calls
            weight += sum(call.weight for call in calls)
            if weight >= self.batch_limit:
                return batch, True
            try:
                calls = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _hand_back(self, batch: list[AwaitedCall]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self.loop.call_soon_threadsafe(self.resolve, batch)
