"""A connection that works off a queue in batches: one transaction for many calls.

Calls that wait at the same time share a transaction and, where they call for the same work, a statement.
When the work of one call fails, the batch is rolled back and every call tried on its own, so that a
faulty one harms no other. When the database fails, every call of the batch fails with StoreUnavailable;
the next batch connects anew.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from tidings.store.calls import AwaitedCall, Calls
from tidings.store.postgres.driver import Connection, is_passing, translated, trouble

Work = Callable[[Connection, Sequence[Any]], Awaitable[Sequence[Any]]]
"""Does what several calls ask for, inside a transaction; returns an answer for each, in order."""

_TRIES: Final = 8
"""How often a transaction is tried that met another one: each time it is one of them that gets through."""


class TryAgain(Exception):
    """Another transaction has just changed what this one relies on."""

    sqlstate = "40001"


class Witness(Protocol):
    """Is told how each transaction ended."""

    def committed(self) -> None:
        """Everything done since the last word is durable."""

    def rolled_back(self) -> None:
        """Nothing done since the last word happened."""


class Onlooker:
    """A witness for whom nothing follows."""

    def committed(self) -> None:
        """Do nothing."""

    def rolled_back(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSettings:
    """What sort of transactions a lane makes."""

    name: str
    read_only: bool
    batch_limit: int
    """How many rows one transaction takes on, give or take the last call."""
    timeout: float
    """Seconds that a transaction may take before its connection is given up."""


class Lane(Calls[Connection]):
    """Runs work for one event loop while entered."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], settings: LaneSettings, witness: Witness) -> None:
        super().__init__(asyncio.get_running_loop(), batch_limit=settings.batch_limit)
        self._transactions = 0
        self._connect = connect
        self._settings = settings
        self._witness = witness
        self._connection: Connection | None = None
        self._queue: deque[AwaitedCall] = deque()
        self._called = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work_off(), name=self._settings.name)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do what is queued, then end the task and the connection."""
        self.close()
        self._called.set()
        await self._task

    @property
    def transactions(self) -> int:
        """How many transactions were committed."""
        return self._transactions

    def take(self, call: AwaitedCall) -> None:
        """Queue it."""
        self._queue.append(call)
        self._called.set()

    async def _work_off(self) -> None:
        while self._queue or not self._closed:
            if not self._queue:
                self._called.clear()
                await self._called.wait()
                continue
            self.began = began = time.monotonic()
            await self._perform(self._collect())
            self.began, self.took = None, time.monotonic() - began
        if self._connection is not None:
            await self._connection.close()

    def _collect(self) -> list[AwaitedCall]:
        batch: list[AwaitedCall] = []
        weight = 0
        while self._queue and weight < self.batch_limit:
            batch.append(self._queue.popleft())
            weight += batch[-1].weight
        return batch

    async def _perform(self, batch: list[AwaitedCall]) -> None:
        """Give every call its answer or its error."""
        try:
            await self._attempt(batch)
        except Exception as error:  # noqa: BLE001 (whatever it is, callers wait for an answer)
            if len(batch) > 1 and trouble(error) is None:
                for call in batch:
                    await self._perform([call])
                return
            for call in batch:
                call.error = _shown(error)
        self.resolve(batch)

    async def _attempt(self, batch: list[AwaitedCall]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                return await self._transact(batch)
            except Exception as error:
                if not left or not is_passing(error):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    async def _transact(self, batch: list[AwaitedCall]) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout):
                connection = await self._connected()
                groups = _by_work(batch)  # only now: connecting can take long
                await connection.begin(read_only=self._settings.read_only)
                for work, calls in groups.items():
                    answers = await work(connection, [call.request for call in calls])
                    for call, answer in zip(calls, answers, strict=True):
                        call.answer = answer
                await connection.commit()
        except BaseException:
            await self._undo()
            raise
        self._transactions += 1
        self._witness.committed()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = None
            self._connection = await self._connect()
        return self._connection

    async def _undo(self) -> None:
        """Roll back; a connection that cannot even do that is given up, and the server undoes what it did."""
        self._witness.rolled_back()
        connection = self._connection
        if connection is None:
            return
        try:
            async with asyncio.timeout(1):
                await connection.roll_back()
        except BaseException as error:
            connection.drop()
            self._connection = None
            if not isinstance(error, Exception):
                raise


def _shown(error: Exception) -> BaseException:
    """Return an error as a caller sees it: each gets one of its own, for tracebacks grow by being raised."""
    shown = translated(error)
    if shown is not error:
        shown = type(shown)(*shown.args)
        shown.__cause__ = error
    return shown


def _by_work(batch: Sequence[AwaitedCall]) -> dict[Work, list[AwaitedCall]]:
    """Group calls, but for those that are to be left undone because nobody waits for them any more."""
    groups: dict[Work, list[AwaitedCall]] = {}
    for call in batch:
        if not call.is_given_up():
            groups.setdefault(call.work, []).append(call)
    return groups
