"""Connections to one relay, kept and used again.

A connection that waited, or whose last message was refused, is tried with RSET before it carries another. After
a message that was taken no RSET is sent: the relay's state is clear by RFC 5321 (4.1.1.4), so the round trip
would buy nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from tidings.channels.settings import EmailSettings
from tidings.channels.smtp_connection import RelayUnavailable, SmtpConnection
from tidings.channels.smtp_wire import ConnectionLost

Connect = Callable[[], Awaitable[SmtpConnection]]

_TRUSTED_SECONDS: Final = 1.0
"""A connection unused for longer than this is tried before it carries a message."""
_PROBE_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 3.0


class SmtpPool:
    """At most ``settings.connections`` connections, each for ``settings.messages_per_connection`` messages."""

    def __init__(self, connect: Connect, settings: EmailSettings) -> None:
        self._connect = connect
        self._settings = settings
        # half of an attempt at the most, so that another relay can be tried in the other half
        self._connect_seconds = min(settings.connect_timeout, settings.timeout / 2)
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: deque[SmtpConnection] = deque()
        self._busy: set[SmtpConnection] = set()
        self._farewells: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    @contextlib.asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[SmtpConnection]:
        """Lend a connection that works; wait while all are lent. One that ends in an error is not kept.

        Raises RelayUnavailable when a new one is needed and cannot be made.
        """
        async with self._slots:
            if self._closed:
                raise RelayUnavailable("relay: the gateway is stopping")
            connection = (None if fresh else await self._from_idle()) or await self._new()
            self._busy.add(connection)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            finally:
                self._busy.discard(connection)
            self._keep(connection)

    async def close(self) -> None:
        """Take leave of the relay, within a few seconds; connections still lent are dropped."""
        self._closed = True
        if self._reaper:
            self._reaper.cancel()
        for connection in self._busy:
            connection.close()
        while self._idle:
            self._part_with(self._idle.pop())
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=_CLOSE_SECONDS)
        for farewell in self._farewells:
            farewell.cancel()

    async def _new(self) -> SmtpConnection:
        try:
            async with asyncio.timeout(self._connect_seconds):
                return await self._connect()
        except TimeoutError as error:
            raise RelayUnavailable(f"relay: the relay did not let us in within {self._connect_seconds:g} s") from error

    async def _from_idle(self) -> SmtpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if await self._works(connection):
                return connection
            connection.close()
        return None

    async def _works(self, connection: SmtpConnection) -> bool:
        if not connection.is_open:
            return False
        waited = asyncio.get_running_loop().time() - connection.idle_since
        if waited < _TRUSTED_SECONDS and not connection.in_transaction:
            return True
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                works = await connection.reset()
        except (ConnectionLost, TimeoutError):
            return False
        except BaseException:
            connection.close()
            raise
        connection.in_transaction = False
        return works

    def _keep(self, connection: SmtpConnection) -> None:
        if not connection.is_open:
            return
        worn = connection.is_worn or connection.carried >= self._settings.messages_per_connection
        if self._closed or worn:
            self._part_with(connection)
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._reaper is None:
            self._reaper = loop.call_later(self._settings.idle, self._reap)

    def _reap(self) -> None:
        """Part with connections unused for too long; the longest unused stand first."""
        loop = asyncio.get_running_loop()
        self._reaper = None
        while self._idle and self._idle[0].idle_since + self._settings.idle <= loop.time():
            self._part_with(self._idle.popleft())
        if self._idle:
            self._reaper = loop.call_at(self._idle[0].idle_since + self._settings.idle, self._reap)

    def _part_with(self, connection: SmtpConnection) -> None:
        farewell = asyncio.get_running_loop().create_task(connection.quit(), name="farewell to a relay")
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
