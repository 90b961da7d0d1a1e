"""Kept-alive connections, by origin: bounded in number, in what is kept unused, and in how long.

An origin's connections are used last in, first out, so that the ones too many grow old and close. Those who find
every connection taken stand in line for the next that is free, or for the place of the next that closes.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

from tidings.channels.http_addresses import Dialer, Origin
from tidings.channels.http_answer import Familiar
from tidings.channels.http_connection import Connection, ConnectionClosed

MOST_UNUSED: Final = 1_024
"""Connections kept open without work, over all origins."""

_CLOSE_SECONDS: Final = 3.0


class _Place:
    """What there is for one origin."""

    __slots__ = ("line", "open", "unused")

    def __init__(self) -> None:
        self.open = 0
        """Connections open or being opened."""
        self.unused: dict[Connection, None] = {}
        """Those that are free, the one used last at the end."""
        self.line: deque[asyncio.Future[Connection | None]] = deque()
        """Those who wait: for a connection, or for leave to open one (None)."""


class ConnectionPool:
    """Lends connections; each goes back by itself when its answer is complete, or is forgotten when it closes."""

    def __init__(self, dialer: Dialer, *, limit: int, idle: float, most_unused: int = MOST_UNUSED) -> None:
        self._dialer = dialer
        self._most_unused = most_unused
        self._limit = limit
        """Connections per origin."""
        self._idle = idle
        self._places: dict[Origin, _Place] = {}
        self._connections: dict[Connection, Origin] = {}
        self._familiar: Familiar = {}
        self._unused = 0
        self._empty = asyncio.Event()

    def take(self, origin: Origin) -> Connection | None:
        """Return an open connection that is free, if there is one."""
        place = self._places.get(origin)
        if place is None:
            return None
        while place.unused:
            connection, _ = place.unused.popitem()
            self._unused -= 1
            if connection.is_open:
                return connection
        return None

    async def open(self, origin: Origin) -> Connection:
        """Open a connection, or wait for one when the origin has all that it may have; raises as ``Dialer.dial``."""
        while True:
            place = self._places.setdefault(origin, _Place())
            if place.open < self._limit:
                place.open += 1
            else:
                connection = await self._stand_in_line(origin, place)
                if connection is not None and not connection.is_open:
                    continue  # it closed on the way here, and its place has gone to somebody else
                if connection is not None:
                    return connection
            return await self._dial(origin, place)

    async def _dial(self, origin: Origin, place: _Place) -> Connection:
        """Fill the place that was kept for us."""
        try:
            connection = await self._dialer.dial(origin, self._make)
        except BaseException:
            self._vacate(origin, place)
            raise
        self._connections[connection] = origin
        if not connection.is_open:
            self._on_closed(connection)
            raise ConnectionClosed(was_racing=False)
        return connection

    async def close(self) -> None:
        """Close every connection, bounded in time."""
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._empty.wait()

    def _make(self) -> Connection:
        return Connection(idle=self._idle, on_idle=self._on_idle, on_closed=self._on_closed, familiar=self._familiar)

    async def _stand_in_line(self, origin: Origin, place: _Place) -> Connection | None:
        waiting: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        place.line.append(waiting)
        try:
            return await waiting
        except BaseException:
            if waiting.cancelled():
                with contextlib.suppress(ValueError):
                    place.line.remove(waiting)
            elif (connection := waiting.result()) is None:
                self._vacate(origin, place)
            elif connection.is_open:  # else its place goes on when it is known to be gone
                self._on_idle(connection)
            raise

    def _on_idle(self, connection: Connection) -> None:
        place = self._places[self._connections[connection]]
        waiting = _next_in(place.line)
        if waiting is not None:
            waiting.set_result(connection)
        elif self._unused < self._most_unused:
            place.unused[connection] = None
            self._unused += 1
        else:
            connection.abort()

    def _on_closed(self, connection: Connection) -> None:
        origin = self._connections.pop(connection, None)
        if origin is None:
            return  # it never came to be, or is known to be gone
        place = self._places[origin]
        if connection in place.unused:
            del place.unused[connection]
            self._unused -= 1
        self._vacate(origin, place)
        if not self._connections:
            self._empty.set()

    def _vacate(self, origin: Origin, place: _Place) -> None:
        """Let the next in line open a connection in place of one that is gone."""
        waiting = _next_in(place.line)
        if waiting is not None:
            waiting.set_result(None)
            return
        place.open -= 1
        if not place.open:
            del self._places[origin]


def _next_in(line: "deque[asyncio.Future[Connection | None]]") -> "asyncio.Future[Connection | None] | None":
    while line:
        waiting = line.popleft()
        if not waiting.done():
            return waiting
    return None
