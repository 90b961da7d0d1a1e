"""Commands out and replies in, over a connection that is already greeted, protected and logged in.

aiosmtplib has one command under way at a time; with several in one write (PIPELINING, RFC 2920) a message takes two
round trips instead of four. Replies come in the order of the commands. Nothing here knows what they mean.
"""

import asyncio
import re
from collections import deque
from functools import lru_cache
from typing import Final, NamedTuple, cast

_LONGEST_REPLY: Final = 32_768
"""Bytes of one reply; what is longer is not SMTP, and must not fill the memory."""

_ONE_LINE: Final = re.compile(rb"([0-9]{3}) (.{0,500})", re.DOTALL)


class Reply(NamedTuple):
    """A relay's answer: the code and the text after it, its lines joined."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out."""
        return self.code // 100 == 2  # noqa: PLR2004  2yz is RFC 5321's class of success


class ConnectionLost(Exception):
    """The relay hung up, announced that it will (421), or does not speak SMTP."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply
        super().__init__(f"{reply.code} {reply.text}" if reply else "the relay closed the connection")


class SmtpWire(asyncio.Protocol):
    """Takes over a transport. One task at a time sends and reads."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.owed = 0
        """How many replies are still to be read."""
        self._transport = transport
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._fault: Reply | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return not self._transport.is_closing()

    def send(self, data: bytes, *, replies: int) -> None:
        """Write commands, or a message, that so many replies answer; raise ConnectionLost when nobody listens."""
        if self._transport.is_closing():
            raise ConnectionLost(self._fault)
        self.owed += replies
        self._transport.write(data)

    def received(self) -> Reply | None:
        """Return the next reply if it is here."""
        if not self._replies:
            return None
        self.owed -= 1
        return self._replies.popleft()

    async def reply(self) -> Reply:
        """Return the next reply; raise ConnectionLost when none will come. Without a time limit of its own."""
        if not self._replies and not self._transport.is_closing():
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._replies:
            raise ConnectionLost(self._fault)
        self.owed -= 1
        return self._replies.popleft()

    def close(self) -> None:
        """Drop the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport that TLS put in place of the first."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read replies; hang up on what is no reply, or answers nothing."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._fault is None:  # what follows on nonsense means nothing either
                self._take(line)
        if self._size + len(self._rest) > _LONGEST_REPLY:
            self._break_off(f"an answer of more than {_LONGEST_REPLY} bytes")
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Tell whoever waits."""
        self._wake()

    def _take(self, line: bytes) -> None:
        if not self._lines and (reply := _whole(line)) is not None:
            self._answered(reply)
            return
        code = line[:3]
        if not code.isdigit() or len(code) < 3:  # noqa: PLR2004  a reply code has three digits
            self._break_off(f"not an answer in SMTP: {line[:100].decode('utf-8', 'replace')}")
            return
        self._lines.append(line[4:].strip())
        self._size += len(line)
        if line[3:4] == b"-":
            return
        text = b"\n".join(self._lines).decode("utf-8", "replace")
        self._lines, self._size = [], 0
        self._answered(Reply(int(code), text))

    def _answered(self, reply: Reply) -> None:
        if len(self._replies) < self.owed:
            self._replies.append(reply)
        else:  # it takes its leave (421), or can no longer be followed
            self._break_off(f"an answer to nothing: {reply.text}", code=reply.code)

    def _break_off(self, why: str, *, code: int = -1) -> None:
        self._fault = self._fault or Reply(code, why)
        self._transport.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._replies or self._transport.is_closing()):
            self._waiter.set_result(None)


@lru_cache(maxsize=64)
def _whole(line: bytes) -> Reply | None:
    """Return the reply that one line is, None for any other; a relay says the same to most commands."""
    found = _ONE_LINE.fullmatch(line)
    return Reply(int(found[1]), found[2].strip().decode("utf-8", "replace")) if found else None
