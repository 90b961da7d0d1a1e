"""Having the writing done by a process of its own, so that neither it nor the event loop waits for the interpreter.

Two threads of one process share an interpreter: each statement gives it away several times, and a busy event loop
gives it back after half a millisecond, so that a commit takes twice its time and the loop runs slower beside it.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count, repeat
from typing import Any, Final, Self, cast

from tidings.errors import StoreUnavailable
from tidings.store.calls import AwaitedCall
from tidings.store.feed import Feed
from tidings.store.sqlite.calls import Calls, Work
from tidings.store.sqlite.codecs import codecs_of
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.wire import Answering, Asking, Codec, Frames, More, frame, heard, pickled, unpickled
from tidings.store.sqlite.writing import Writing
from tidings.store.values import DeliveryChange
from tidings.telemetry import blotted, events, get_logger, relay

log = get_logger()

_MODULE: Final = "tidings.store.sqlite.writer"
_STOP_SECONDS: Final = 30.0
"""How long the process may take to end once it has answered everything."""
_PAUSES: Final = (0.0, 0.1, 0.5, 2.0, 10.0)
"""How long to wait before each start after a process has ended by itself, seconds; the last one from then on."""
_BUFFER: Final = 1 << 20
"""How much may be on its way in the socket, bytes, where the system allows it."""
_NO_MORE: Final = More([], [])

Take = Callable[[bool, Sequence[DeliveryChange]], None]
"""Is told whether deliveries came to wait, and what moved."""


class WriterProcess(Calls):
    """Has calls done by a process that it starts when entered, and again should that end before it is let go."""

    def __init__(self, path: str, settings: SqliteSettings, writing: Writing, feed: Feed, take: Take) -> None:
        """Take what names the work, and who is told whether work came and what moved."""
        super().__init__(asyncio.get_running_loop(), batch_limit=settings.batch_limit)
        self._path = path
        self._settings = settings
        self._feed = feed
        self._take = take
        self._codecs: dict[Work, tuple[int, Codec]] = {
            work: (place, codec) for place, (work, codec) in enumerate(codecs_of(writing))
        }
        self._numbers = count()
        self._under_way: dict[int, AwaitedCall] = {}
        self._line: _Line | None = None
        """None while there is no process."""
        self._revival: asyncio.Task[None] | None = None
        self._leaving: asyncio.Future[None] = self.loop.create_future()
        """Done once no other process is to be started."""
        self._idle = asyncio.Event()
        """Set once it is closed and everything is answered."""
        self._earlier = 0
        """Transactions of processes that have ended,"""
        self._transactions = 0
        """and of the one that runs."""

    async def __aenter__(self) -> Self:
        """Start the process; raise what keeps it from opening the database."""
        self._line = await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Have done what was asked for, then end the process."""
        self.close()
        self._leaving.set_result(None)
        if self._under_way:
            await self._idle.wait()
        if self._revival is not None:  # perhaps only by now; nothing is under way while there is no process
            await self._revival  # not cancelled: a process that is being started would be left to itself
        if self._line is not None:
            line, self._line = self._line, None
            if exit_code := await line.end():
                log.error(events.STORE_WRITER_ENDED, exit_code=exit_code)

    @property
    def transactions(self) -> int:
        """How many transactions were committed."""
        return self._earlier + self._transactions

    def hand_over(self, calls: list[AwaitedCall]) -> None:
        """Send them to the process."""
        if self._line is None:
            for call in calls:
                call.error = _gone()
            self.loop.call_soon(self.resolve, calls)
            return
        asked = []
        for call in calls:
            number = next(self._numbers)
            place, codec = self._codecs[call.work]
            try:
                asked.append((number, place, call.weight, codec.ask(call.request)))
            except Exception as error:  # noqa: BLE001 (what cannot travel is the fault of one call)
                call.error = error
                self.loop.call_soon(self.resolve, [call])
                continue
            self._under_way[number] = call
            if call.only_if_awaited:
                call.future.add_done_callback(partial(self._let_go, number))
        if asked:
            self._line.send(Asking(self._feed.followed, asked, []))
            if self.began is None:
                self.began = time.monotonic()

    def _let_go(self, number: int, future: "asyncio.Future[Any]") -> None:
        """Have a call left undone whose caller has given up, if it has not begun."""
        if future.cancelled() and self._line is not None and number in self._under_way:
            self._line.send(Asking(self._feed.followed, [], [number]))

    def _hear(self, answering: Answering) -> None:
        """Take in the answers of a transaction."""
        answered, self._transactions, self.took, work, more = answering
        calls = []
        for number, done, body in answered:
            call = self._under_way.pop(number)
            calls.append(call)
            if call.future.done():
                continue
            if done:
                call.answer = self._codecs[call.work][1].read(body, call.request)
            else:
                call.error = heard(body)
        self.began = time.monotonic() if self._under_way else None
        if not self._under_way and self._closed:
            self._idle.set()
        changes, entries = unpickled(more) if more else _NO_MORE
        if work or changes:
            self._take(work, changes)
        relay(entries)
        self.resolve(calls)

    def _lose(self) -> None:
        """Let everybody know who waits for a process that has ended by itself, and start another."""
        if self._line is None:
            return
        line, self._line = self._line, None
        self._earlier, self._transactions = self.transactions, 0
        calls = list(self._under_way.values())
        self._under_way.clear()
        self.began = None
        for call in calls:
            call.error = _gone()
        self.resolve(calls)
        if self._closed:
            self._idle.set()
        self._revival = asyncio.create_task(self._revive(line), name="return of the store's writer")

    async def _revive(self, line: "_Line") -> None:
        log.error(events.STORE_WRITER_ENDED, exit_code=await line.end())
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            await asyncio.wait({self._leaving}, timeout=pause)
            if self._leaving.done():
                return
            try:
                self._line = await self._start()
            except Exception as error:  # noqa: BLE001 (whatever it is, there is nobody else who would start one)
                log.warning(events.STORE_UNAVAILABLE, error=blotted(str(error)))
            else:
                return

    async def _start(self) -> "_Line":
        """Start a process; raise what keeps it from opening the database, StoreUnavailable where it cannot even run."""
        try:
            process, ours = await asyncio.to_thread(_spawn)
        except OSError as error:
            raise StoreUnavailable(f"the process that writes to SQLite cannot be started: {error.strerror}") from error
        line = _Line(process, self._hear, self._lose)
        await self.loop.create_unix_connection(lambda: line, sock=ours)
        line.send((pickled((self._path, self._settings)),))
        try:
            await line.ready
        except BaseException:
            await line.end()
            raise
        if line.lost:
            raise _gone()
        return line


class _Line(asyncio.Protocol):
    """The way to a process and back."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", hear: Callable[[Answering], None], lose: Callable[[], None]
    ) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the process has opened the database."""
        self.lost = False
        """Whether there is nobody at the other end any more."""
        self._process = process
        self._hear = hear
        self._lose = lose
        self._frames = Frames()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is of no class of asyncio's

    def data_received(self, data: bytes) -> None:
        """Take in what the process says."""
        for value in self._frames.feed(data):
            if self.ready.done():
                self._hear(Answering(*value))
            elif value[0]:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(heard(value[1]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Know that the process has ended, or that we have let go of it."""
        self.lost = True
        if not self.ready.done():
            self.ready.set_exception(_gone())
        self._lose()

    def send(self, value: tuple[Any, ...]) -> None:
        """Send a frame."""
        self._transport.write(frame(value))

    async def end(self) -> int:
        """Let go, wait until the process has ended, and return its exit code."""
        self._transport.close()
        return await asyncio.to_thread(self._see_out)

    def _see_out(self) -> int:
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _spawn() -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start a process; return it and our end of the socket. In one thread: whoever waits may give up meanwhile."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            process = subprocess.Popen(  # noqa: S603 (our own module)
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


def _gone() -> StoreUnavailable:
    return StoreUnavailable("the process that writes to the SQLite database has ended; it is being started again")
