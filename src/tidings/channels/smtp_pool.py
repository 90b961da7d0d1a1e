"""Connections to one relay, kept and used again.

A connection that waited, or whose last message was refused, is tried with RSET before it carries another. After
a message that was taken no RSET is sent: the relay's state is clear by RFC 5321 (4.1.1.4), so the round trip
would buy nothing.

**Who waits may speak first.** While all connections are lent, the first who waits for one is promised the connection
whose message is about to go out: its commands go in the same write, and with the answer to the one message comes the
go-ahead for the next: one write and one answer for a message instead of two of each. It is done only where the relay
takes commands together (PIPELINING) and answered its last message at once, for who was promised a connection waits
for that one. If it breaks, nothing of the next message was on its way, and it has another. So that there is somebody
to promise it to, as many messages wait for a moment as there are such connections at work, though others be free.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from tidings.channels.compose import Composed
from tidings.channels.settings import EmailSettings
from tidings.channels.smtp_connection import RelayUnavailable, SmtpConnection
from tidings.channels.smtp_wire import ConnectionLost

Connect = Callable[[], Awaitable[SmtpConnection]]

_TRUSTED_SECONDS: Final = 1.0
"""A connection unused for longer than this is tried before it carries a message."""
_PROBE_SECONDS: Final = 5.0
_PROMPT_SECONDS: Final = 0.1
"""A relay that answers a message within this is not waited for in vain."""
_CLOSE_SECONDS: Final = 3.0


class Turn:
    """A message's wait for a connection."""

    __slots__ = ("fresh", "is_begun", "message", "ready")

    def __init__(self, message: Composed | None = None, *, fresh: bool = False) -> None:
        self.message = message
        self.fresh = fresh
        """Whether only a new connection will do."""
        self.is_begun = False
        """Whether its commands have gone out on the connection that it gets."""
        self.ready: asyncio.Future[SmtpConnection | None] = asyncio.get_running_loop().create_future()
        """The connection promised to it, or None: it may have any."""


class SmtpPool:
    """At most ``settings.connections`` connections, each for ``settings.messages_per_connection`` messages."""

    def __init__(self, connect: Connect, settings: EmailSettings) -> None:
        self._connect = connect
        self._settings = settings
        # half of an attempt at the most, so that another relay can be tried in the other half
        self._connect_seconds = min(settings.connect_timeout, settings.timeout / 2)
        self._free = settings.connections
        """How many more may be lent."""
        self._waiting: deque[Turn] = deque()
        self._promised: dict[SmtpConnection, Turn] = {}
        self._idle: deque[SmtpConnection] = deque()
        self._busy: set[SmtpConnection] = set()
        self._prompt: set[SmtpConnection] = set()
        """Those of the busy ones that may be promised."""
        self._impatience: asyncio.TimerHandle | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    def promise(self, connection: SmtpConnection) -> Turn | None:
        """Promise a lent connection to the first who waits, if that one may begin before this message is answered."""
        turn = self._first_waiting()
        if turn is None or turn.fresh or turn.message is None or not self._may_be_promised(connection):
            return None
        self._waiting.popleft()
        self._promised[connection] = turn
        return turn

    async def take(self, turn: Turn) -> SmtpConnection:
        """Wait for a connection that works; ``give_back`` must follow."""
        connection = await self._promised_to(turn)
        if connection is None:
            try:
                connection = await self._any(fresh=turn.fresh)
            except BaseException:
                self._free_one()
                raise
        self._busy.add(connection)
        if self._may_be_promised(connection):
            self._prompt.add(connection)
        else:
            self._prompt.discard(connection)
        return connection

    def give_back(self, connection: SmtpConnection) -> None:
        """Hand it to whom it was promised, or keep it if it stands."""
        turn = self._promised.pop(connection, None)
        if turn is not None and not turn.ready.done() and connection.is_open:
            turn.is_begun = True
            turn.ready.set_result(connection)
            return
        self._busy.discard(connection)
        self._prompt.discard(connection)
        if turn is None:
            self._keep(connection)
        elif turn.ready.done():  # who gave up had begun: the relay waits for content that will not come
            connection.close()
        else:  # answers that came before it broke are not read: whose they are can no longer be told
            self._waiting.appendleft(turn)
        self._free_one()

    async def _promised_to(self, turn: Turn) -> SmtpConnection | None:
        """Wait for a turn; None when any connection may be had."""
        if self._free and not self._may_wait(turn):
            self._free -= 1
            return None
        self._waiting.append(turn)
        if self._free and self._impatience is None:
            self._impatience = asyncio.get_running_loop().call_later(_PROMPT_SECONDS, self._lend_free)
        try:
            return await turn.ready
        except asyncio.CancelledError:
            if turn.ready.done() and not turn.ready.cancelled():  # it came in the same moment
                connection = turn.ready.result()
                if connection is None:
                    self._free_one()
                else:
                    connection.close()
                    self.give_back(connection)
            raise

    def _may_wait(self, turn: Turn) -> bool:
        """Whether to wait for a promise though a connection is free."""
        return len(self._waiting) < len(self._prompt) and turn.message is not None and not turn.fresh

    def _lend_free(self) -> None:
        """Let those who wait for a promise have what is free: what was to be promised did not answer at once."""
        self._impatience = None
        while self._free and self._waiting:
            self._free -= 1
            self._free_one()

    async def _any(self, *, fresh: bool) -> SmtpConnection:
        if self._closed:
            raise RelayUnavailable("relay: the gateway is stopping")
        if fresh and self._idle:  # no more may be open than the settings allow
            self._part_with(self._idle.popleft())
        return (None if fresh else await self._from_idle()) or await self._new()

    def _first_waiting(self) -> Turn | None:
        while self._waiting:
            if not self._waiting[0].ready.done():
                return self._waiting[0]
            self._waiting.popleft()
        return None

    def _may_be_promised(self, connection: SmtpConnection) -> bool:
        return (
            connection.takes_pipelining
            and connection.answer_seconds <= _PROMPT_SECONDS
            and not (self._closed or self._is_worn(connection))
        )

    def _free_one(self) -> None:
        turn = self._first_waiting()
        if turn is None:
            self._free += 1
        else:
            self._waiting.popleft()
            turn.ready.set_result(None)

    async def close(self) -> None:
        """Take leave of the relay, within a few seconds; connections still lent are dropped."""
        self._closed = True
        for timer in (self._reaper, self._impatience):
            if timer is not None:
                timer.cancel()
        self._lend_free()
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

    def _is_worn(self, connection: SmtpConnection) -> bool:
        return connection.is_worn or connection.carried >= self._settings.messages_per_connection

    def _keep(self, connection: SmtpConnection) -> None:
        if not connection.is_open:
            return
        if self._closed or self._is_worn(connection):
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
