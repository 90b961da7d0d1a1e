"""A receiver of posts that costs next to nothing, as a process of its own, and the means to ask it what it got.

It reads just as much of HTTP as well-behaved clients with Content-Length need. Run as a program it prints its port.
"""

import argparse
import asyncio
import json
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
import uvloop
from processes import said, started, until

BY_HEADER = r"webhook-id: ([^\r]+)"
"""What tells signed webhooks apart."""

_ACCEPTED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
_ONE_IN = 50
_SAMPLES = 64


@dataclass(slots=True)
class Tally:
    """What came in since it was last forgotten."""

    posts: int = 0
    names: set[bytes] = field(default_factory=set)
    samples: deque[tuple[bytes, bytes]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally, name: re.Pattern[bytes]) -> None:
        self._tally = tally
        self._name = name
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(_END)) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            stop = end + len(_END) + (int(length[1]) if length else 0)
            if len(self._buffer) < stop:
                return
            body, self._buffer = self._buffer[end + len(_END) : stop], self._buffer[stop:]
            self._transport.write(self._take(head, body))

    def _take(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"POST "):
            return self._tell(head.split()[1])
        tally = self._tally
        tally.posts += 1
        name = self._name.search(head) or self._name.search(body)
        if name is not None:
            tally.names.add(name[1])
        if tally.posts % _ONE_IN == 1:
            tally.samples.append((head, body))
        return _ACCEPTED

    def _tell(self, path: bytes) -> bytes:
        tally = self._tally
        answer: object = {"posts": tally.posts, "names": len(tally.names)}
        if path == b"/samples":
            answer = [[head.decode("latin-1"), body.decode("latin-1")] for head, body in tally.samples]
        elif path == b"/forget":
            tally.posts = 0
            tally.names.clear()
            tally.samples.clear()
        text = json.dumps(answer).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text) + text


@dataclass(frozen=True, slots=True)
class Post:
    """One post as it arrived; names of headers in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RunningSink:
    """A receiver in a process of its own."""

    port: int
    _session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def forget(self) -> None:
        """Count from zero again."""
        await self._ask("forget")

    async def received(self, count: int) -> None:
        """Wait until that many different messages came; raise AssertionError if one came twice."""

        async def look() -> bool:
            return bool((await self._ask("tally"))["names"] >= count)

        await until(look, what=f"the receipt of {count} messages")
        tally = await self._ask("tally")
        if tally != {"posts": count, "names": count}:
            raise AssertionError(f"{count} messages were to come once each, and this came: {tally}")

    async def samples(self) -> Sequence[Post]:
        """Return one post in fifty."""
        return [Post(_headers(head), body.encode("latin-1")) for head, body in await self._ask("samples")]

    async def _ask(self, path: str) -> Any:
        async with self._session.get(f"http://127.0.0.1:{self.port}/{path}") as answer:
            return await answer.json()


def _headers(head: str) -> Mapping[str, str]:
    lines = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}


@asynccontextmanager
async def running_sink(folder: Path, *, name: str = BY_HEADER) -> AsyncIterator[RunningSink]:
    """Run a receiver until the block ends; ``name`` is a pattern whose group tells its messages apart."""
    log = folder / "sink.log"
    async with (
        started(sys.executable, __file__, "--name", name, log=log) as process,
        aiohttp.ClientSession() as session,
    ):
        line = await said(log, process, "listening on ")
        yield RunningSink(int(line.rpartition(" ")[2]), session)


async def _serve(name: re.Pattern[bytes]) -> None:
    tally = Tally()
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(tally, name), "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"listening on {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=BY_HEADER, help="a pattern whose group tells messages apart")
    uvloop.run(_serve(re.compile(parser.parse_args().name.encode(), re.IGNORECASE)))
