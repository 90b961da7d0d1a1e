"""One HTTP/1.1 connection: a request goes out in one write, its answer is awaited, then the next may follow.

One timer serves a connection's whole life. It is not moved with each request: when it fires too early it is set
again for what is left, so that a request costs no timer of its own.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from tidings.channels.http_answer import AnswerReader, Familiar, HttpAnswer, HttpFault
from tidings.channels.patience import LOOK_SECONDS, stood_still

RACE_SECONDS: Final = 1.0
"""How soon after a request a connection must be closed for it to have been closed before the request came."""

_GRAIN: Final = 0.001
"""Seconds by which a timer may fire early without being set again."""


class ConnectionClosed(HttpFault):
    """The far side closed the connection before it said anything."""

    def __init__(self, *, was_racing: bool) -> None:
        super().__init__("the connection was closed before an answer came")
        self.was_racing = was_racing
        """Whether not a byte came and the close followed the request closely: an idle connection's end."""


class Connection(asyncio.Protocol):
    """A connection to one origin. ``on_idle`` and ``on_closed`` tell its owner when it is free and when it is gone."""

    __slots__ = (
        "_due", "_idle_seconds", "_loop", "_on_closed", "_on_idle", "_reader", "_started", "_timer", "_timer_at",
        "_transport", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        *,
        idle: float,
        on_idle: "Callable[[Connection], None]",
        on_closed: "Callable[[Connection], None]",
        familiar: Familiar | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle_seconds = idle
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._reader = AnswerReader(familiar)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[HttpAnswer] | None = None
        self._started = self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can carry a request."""
        return self._transport is not None and not self._transport.is_closing()

    def exchange(self, request: bytes, deadline: float) -> "asyncio.Future[HttpAnswer]":
        """Write a request, head and body; return what becomes its answer, or HttpFault by ``deadline`` (loop time).

        The connection must be open and free. Whoever stops waiting calls ``give_up``.
        """
        if self._transport is None or self._waiting is not None:
            raise RuntimeError("a connection carries one request at a time")
        self._started = self._loop.time()
        self._reader.begin()
        waiting = self._waiting = self._loop.create_future()
        self._wake_by(deadline)
        self._transport.write(request)
        return waiting

    def give_up(self, waiting: "asyncio.Future[HttpAnswer]") -> None:
        """Drop the connection if it still works on this answer."""
        if self._waiting is waiting:
            self.abort()

    def abort(self) -> None:
        """Close at once; ``on_closed`` follows."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own do not derive from it

    def data_received(self, data: bytes) -> None:
        """Read on in the answer; bytes that nobody asked for end the connection."""
        if self._waiting is None:
            self.abort()
            return
        try:
            if self._reader.feed(data):
                self._finish()
        except HttpFault as fault:
            self._fail(fault)

    def eof_received(self) -> None:
        """Close: after its last byte a far side has nothing more to say to us."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what was awaited with what is known, and tell the owner."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting is not None and self._reader.has_status:
            self._finish()
        elif self._waiting is not None:
            self._fail(self._loss(exc))
        self._on_closed(self)

    def _loss(self, error: Exception | None) -> HttpFault:
        if isinstance(error, ssl.SSLError):
            return HttpFault(f"TLS failed: {error}")
        soon = self._loop.time() - self._started < RACE_SECONDS
        return ConnectionClosed(was_racing=soon and self._reader.is_untouched)

    # Endings

    def _finish(self) -> None:
        """Hand the answer over; keep the connection when all of request and answer went over it."""
        waiting, self._waiting = self._waiting, None
        transport = self._transport
        if transport is not None:
            if self._reader.reusable and not transport.is_closing() and not transport.get_write_buffer_size():
                self._wake_by(self._loop.time() + self._idle_seconds)
                self._on_idle(self)
            else:
                transport.abort()
        if waiting is not None and not waiting.done():
            waiting.set_result(self._reader.answer())

    def _fail(self, fault: HttpFault) -> None:
        waiting, self._waiting = self._waiting, None
        self.abort()
        if waiting is not None and not waiting.done():
            waiting.set_exception(fault)

    # Time

    def _wake_by(self, due: float) -> None:
        self._due = due
        if self._timer is not None and self._timer_at > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() < self._due - _GRAIN:
            self._wake_by(self._due)
        elif self._waiting is None:
            self.abort()
        elif stood_still(self._due, self._loop.time()):
            self._wake_by(self._loop.time() + LOOK_SECONDS)
        elif self._reader.has_status:
            self._reader.reusable = False
            self._finish()
        else:
            self._fail(HttpFault("no answer in time"))
