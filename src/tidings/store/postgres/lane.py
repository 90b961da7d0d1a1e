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
from typing import Any, Final, Protocol, Self, TypeVar

from tidings.errors import StoreUnavailable
from tidings.store.postgres.driver import Connection, is_passing, translated, trouble

Q = TypeVar("Q")
R = TypeVar("R")

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


@dataclass(slots=True, kw_only=True)
class _Call:
    work: Work
    request: Any
    weight: int
    size: int
    future: asyncio.Future[Any]
    only_if_awaited: bool


class Lane:
    """Runs work for one event loop while entered; ``waiting`` rows are queued or under way."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], settings: LaneSettings, witness: Witness) -> None:
        self.waiting = 0
        self.waiting_bytes = 0
        """How large the events are that are queued or under way."""
        self._began: float | None = None
        """When the transaction under way began; None while there is none."""
        self._took = 0.0
        """How long the last one took, seconds."""
        self.transactions = 0
        """How many transactions were committed: with group commit, far fewer than calls."""
        self._connect = connect
        self._settings = settings
        self._witness = witness
        self._connection: Connection | None = None
        self._queue: deque[_Call] = deque()
        self._called = asyncio.Event()
        self._closed = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work_off(), name=self._settings.name)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do what is queued, then end the task and the connection."""
        self._closed = True
        self._called.set()
        await self._task

    def expected_wait(self) -> float:
        """Say how long a call made now would wait, seconds, going by the transaction under way and the one before."""
        if not self.waiting:
            return 0.0
        under_way = 0.0 if self._began is None else time.monotonic() - self._began
        return max(under_way, self._took) * (1 + self.waiting // self._settings.batch_limit)

    async def run(
        self,
        work: Callable[[Connection, Sequence[Q]], Awaitable[Sequence[R]]],
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
        future = asyncio.get_running_loop().create_future()
        call = _Call(
            work=work, request=request, weight=weight, size=size, future=future, only_if_awaited=only_if_awaited
        )
        self.waiting += weight
        self.waiting_bytes += size
        self._queue.append(call)
        self._called.set()
        answer: R = await future
        return answer

    async def _work_off(self) -> None:
        while self._queue or not self._closed:
            if not self._queue:
                self._called.clear()
                await self._called.wait()
                continue
            self._began = began = time.monotonic()
            await self._perform(self._collect())
            self._began, self._took = None, time.monotonic() - began
        if self._connection is not None:
            await self._connection.close()

    def _collect(self) -> list[_Call]:
        batch: list[_Call] = []
        weight = 0
        while self._queue and weight < self._settings.batch_limit:
            batch.append(self._queue.popleft())
            weight += batch[-1].weight
        return batch

    async def _perform(self, batch: list[_Call]) -> None:
        """Give every call its answer or its error."""
        try:
            answers = await self._attempt(batch)
        except Exception as error:  # noqa: BLE001 (whatever it is, callers wait for an answer)
            if len(batch) > 1 and trouble(error) is None:
                for call in batch:
                    await self._perform([call])
                return
            for call in batch:
                self._resolve(call, None, error)
        else:
            for call, answer in zip(batch, answers, strict=True):
                self._resolve(call, answer, None)

    async def _attempt(self, batch: list[_Call]) -> list[Any]:
        for left in reversed(range(_TRIES)):
            try:
                return await self._transact(batch)
            except Exception as error:
                if not left or not is_passing(error):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    async def _transact(self, batch: list[_Call]) -> list[Any]:
        answers: dict[int, Any] = {}
        try:
            async with asyncio.timeout(self._settings.timeout):
                connection = await self._connected()
                groups = _by_work(batch)  # only now: connecting can take long
                await connection.begin(read_only=self._settings.read_only)
                for work, calls in groups.items():
                    given = await work(connection, [call.request for call in calls])
                    answers.update((id(call), answer) for call, answer in zip(calls, given, strict=True))
                await connection.commit()
        except BaseException:
            await self._undo()
            raise
        self.transactions += 1
        self._witness.committed()
        return [answers.get(id(call)) for call in batch]

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

    def _resolve(self, call: _Call, answer: Any, error: Exception | None) -> None:
        self.waiting -= call.weight
        self.waiting_bytes -= call.size
        if call.future.done():  # the caller was cancelled
            return
        if error is None:
            call.future.set_result(answer)
            return
        shown = translated(error)
        if shown is not error:
            shown = type(shown)(*shown.args)  # of each caller's own, for tracebacks grow by being raised
            shown.__cause__ = error
        call.future.set_exception(shown)


def _by_work(batch: Sequence[_Call]) -> dict[Work, list[_Call]]:
    """Group calls, but for those that are to be left undone because nobody waits for them any more."""
    groups: dict[Work, list[_Call]] = {}
    for call in batch:
        if not (call.only_if_awaited and call.future.done()):
            groups.setdefault(call.work, []).append(call)
    return groups
