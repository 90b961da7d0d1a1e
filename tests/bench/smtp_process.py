"""A bare SMTP server in a process of its own, for the benchmarks: it takes everything and keeps the Message-IDs.

aiosmtpd takes well below a thousand messages a second and would be what is measured. This one does no more than
both sides of a row need: replies, PIPELINING and SIZE offered, dots left as they are. Run as a program it prints
its port and then answers each line on its standard input with what it has taken so far, as one line of JSON.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import uvloop

_END: Final = b"\r\n.\r\n"
_EHLO: Final = b"250-bench\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n"
_REPLIES: Final = {
    b"EHLO": _EHLO,
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 go on\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
_ANSWER_SECONDS: Final = 10.0


@dataclass(slots=True)
class Taken:
    """What a server has been given."""

    messages: int = 0
    size: int = 0
    """Bytes of all messages."""
    ids: set[bytes] = field(default_factory=set)

    def add(self, content: bytes) -> None:
        """Count a message."""
        start = content.lower().find(b"message-id:", 0, 4096) + len(b"message-id:")
        self.ids.add(content[start : content.find(b"\r\n", start)].strip())
        self.messages += 1
        self.size += len(content)


class _Session(asyncio.Protocol):
    """One connection: commands by the line, a message by its final dot."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._transport: asyncio.Transport
        self._received = b""
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 bench ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        replies = []
        while (reply := self._take()) is not None:
            replies.append(reply)
        if replies:
            self._transport.write(b"".join(replies))
        if replies and replies[-1] is _REPLIES[b"QUIT"]:
            self._transport.close()

    def _take(self) -> bytes | None:
        """Take one command or message off what was received; None when there is no whole one."""
        end = _END if self._in_message else b"\r\n"
        found, mark, rest = self._received.partition(end)
        if not mark:
            return None
        self._received = rest
        if self._in_message:
            self._in_message = False
            self._taken.add(found)
            return b"250 2.0.0 taken\r\n"
        verb = found[:4].upper()
        self._in_message = verb == b"DATA"
        return _REPLIES.get(verb, b"502 5.5.1 no\r\n")


async def _serve() -> None:
    taken = Taken()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(taken), "127.0.0.1", 0)
    asked = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    _say({"port": server.sockets[0].getsockname()[1]})
    while await asked.readline():
        _say({"messages": taken.messages, "distinct": len(taken.ids), "size": taken.size})


def _say(value: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class SmtpProcess:
    """A server that runs, and what it says of itself."""

    port: int
    _process: asyncio.subprocess.Process

    async def taken(self) -> dict[str, int]:
        """Return ``messages``, how many ``distinct`` Message-IDs they had, and their ``size`` together in bytes."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"?\n")
        return await _answer(self._process)


async def _answer(process: asyncio.subprocess.Process) -> dict[str, int]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _ANSWER_SECONDS)
    answer: dict[str, int] = json.loads(line)
    return answer


@asynccontextmanager
async def smtp_process() -> AsyncIterator[SmtpProcess]:
    """Run a server until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield SmtpProcess((await _answer(process))["port"], process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(_serve())
