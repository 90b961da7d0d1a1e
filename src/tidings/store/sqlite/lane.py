"""A thread with a connection, which works off a queue in batches: one transaction and one wake-up for many calls.

Calls made in one turn of the event loop are handed over together, once the turn is over, or with one that is work
enough by itself: the thread begins while the loop goes on. Calls that wait at the same time share a transaction and,
where they call for the same work, a statement.
When the work of one call fails, the batch is rolled back and every call tried on its own, so that a
faulty one harms no other. When the database fails, every call of the batch fails with StoreUnavailable,
and the thread goes on with the next batch.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, Final, Protocol, Self, TypeVar

from tidings.errors import StoreUnavailable
from tidings.store.sqlite.driver import Connection, trouble
from tidings.store.sqlite.turns import Turns

Q = TypeVar("Q")
R = TypeVar("R")

Work = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Does what several calls ask for, inside a transaction; returns an answer for each, in order."""

Shortcut = Callable[[Connection, Sequence[Any]], Sequence[Any] | None]
"""Does the same in one statement, outside a transaction; returns None, having done nothing, where one is not enough."""


_ENOUGH: Final = 32
"""How many rows are not kept waiting for what else a turn of the loop brings."""


class Witness(Protocol):
    """Is told, in the lane's thread, how each transaction ended."""

    def committed(self) -> None:
        """Everything done since the last word is durable."""

    def rolled_back(self) -> None:
        """Nothing done since the last word happened."""


@dataclass(slots=True, kw_only=True)
class _Call:
    work: Work
    request: Any
    weight: int
    size: int
    future: asyncio.Future[Any]
    only_if_awaited: bool
    answer: Any = None
    error: BaseException | None = None


class Lane:
    """Runs work for one event loop while entered; ``waiting`` rows are queued or under way."""

    def __init__(
        self,
        connection: Connection,
        *,
        name: str,
        begin: str,
        batch_limit: int,
        patience: float | None = None,
        witness: Witness,
        shortcuts: Mapping[Work, Shortcut] = MappingProxyType({}),
    ) -> None:
        """Take the statement that begins a transaction; one that writes says how long it waits for others, seconds."""
        self.waiting = 0
        self.waiting_bytes = 0
        """How large the events are that are queued or under way."""
        self.transactions = 0
        """How many transactions were committed: with group commit, far fewer than calls."""
        self._began: float | None = None
        """When the transaction under way began; None while there is none."""
        self._took = 0.0
        """How long the last one took, seconds."""
        self._connection = connection
        self._turns = Turns(connection, begin=begin, patience=patience)
        self._batch_limit = batch_limit
        self._witness = witness
        self._shortcuts = shortcuts
        self._gathered: list[_Call] = []
        """What this turn of the loop has called for."""
        self._queue: SimpleQueue[list[_Call] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._work_off, name=name, daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do what is queued, then end the thread, which closes the connection."""
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def expected_wait(self) -> float:
        """Say how long a call made now would wait, seconds, going by the transaction under way and the one before."""
        if not self.waiting:
            return 0.0
        began = self._began
        under_way = 0.0 if began is None else time.monotonic() - began
        return max(under_way, self._took) * (1 + self.waiting // self._batch_limit)

    async def run(
        self,
        work: Callable[[Connection, Sequence[Q]], Sequence[R]],
        request: Q,
        *,
        weight: int = 1,
        size: int = 0,
        only_if_awaited: bool = False,
    ) -> R:
        """Return the answer of ``work`` to ``request`` once it is committed.

        With ``only_if_awaited`` it is left undone when the caller has given up before its transaction began.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future = self._loop.create_future()
        call = _Call(
            work=work, request=request, weight=weight, size=size, future=future, only_if_awaited=only_if_awaited
        )
        self.waiting += weight
        self.waiting_bytes += size
        self._gathered.append(call)
        if weight >= _ENOUGH:
            self._hand_over()
        elif len(self._gathered) == 1:
            self._loop.call_soon(self._hand_over)
        answer: R = await future
        return answer

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _work_off(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._collect()
            if batch:
                self._began = began = time.monotonic()
                self._perform(batch)
                self._began, self._took = None, time.monotonic() - began
                self._hand_back(batch)
        self._connection.close()

    def _collect(self) -> tuple[list[_Call], bool]:
        """Wait for calls, then take what else is queued, up to the limit; False once the lane is closing."""
        batch: list[_Call] = []
        weight = 0
        calls = self._queue.get()
        while calls is not None:
            batch += calls
            weight += sum(call.weight for call in calls)
            if weight >= self._batch_limit:
                return batch, True
            try:
                calls = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _perform(self, batch: list[_Call]) -> None:
        """Give every call its answer or its error."""
        try:
            self._transact(batch)
        except Exception as error:  # noqa: BLE001 (whatever it is, callers wait for an answer)
            if len(batch) > 1 and trouble(error) is None:
                for call in batch:
                    self._perform([call])
                return
            for call in batch:
                call.error = trouble(error) or error
                call.error.__cause__ = None if call.error is error else error

    def _transact(self, batch: list[_Call]) -> None:
        connection = self._connection
        try:
            self._turns.leave_gap()
            if self._takes_shortcut(batch):
                return
            self._turns.begin()
            for work, calls in _by_work(batch).items():  # only now: waiting for the database's lock can take long
                answers = work(connection, [call.request for call in calls])
                for call, answer in zip(calls, answers, strict=True):
                    call.answer = answer
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._witness.rolled_back()
            raise
        self._note_commit()

    def _takes_shortcut(self, batch: list[_Call]) -> bool:
        """Do all of it in one statement, if that can be."""
        if not self._shortcuts:
            return False
        groups = _by_work(batch)
        if len(groups) != 1:
            return False
        ((work, calls),) = groups.items()
        if (shortcut := self._shortcuts.get(work)) is None:
            return False
        try:
            answers = shortcut(self._connection, [call.request for call in calls])
        except Exception as error:
            if not self._turns.meets_others(error):
                raise
            return False
        if answers is None:
            return False
        for call, answer in zip(calls, answers, strict=True):
            call.answer = answer
        self._note_commit()
        return True

    def _note_commit(self) -> None:
        self._turns.end()
        self.transactions += 1
        self._witness.committed()

    def _hand_back(self, batch: list[_Call]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._resolve, batch)

    def _resolve(self, batch: list[_Call]) -> None:
        for call in batch:
            self.waiting -= call.weight
            self.waiting_bytes -= call.size
            if call.future.done():  # the caller was cancelled
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.answer)


def _by_work(batch: Sequence[_Call]) -> dict[Work, list[_Call]]:
    """Group calls, but for those that are to be left undone because nobody waits for them any more."""
    groups: dict[Work, list[_Call]] = {}
    for call in batch:
        if not (call.only_if_awaited and call.future.done()):
            groups.setdefault(call.work, []).append(call)
    return groups
