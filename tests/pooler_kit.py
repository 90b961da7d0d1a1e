"""A pooler in front of PostgreSQL that hands out connections by the transaction, as PgBouncer does in that mode.

Clients are never connected to a server of their own: between transactions the next message goes to whichever server is
free. Whoever leaves something in a session, or expects to find it there, fails on it.
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_STARTUP = 196_608
_LENGTH = struct.Struct(">I")
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    head = await reader.readexactly(4)
    return kind, kind + head + await reader.readexactly(_LENGTH.unpack(head)[0] - 4)


async def _answer(server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    """Carry answers to a client until the server is in no transaction."""
    while True:
        kind, message = await _message(server)
        client.write(message)
        if kind == b"Z" and message.endswith(b"I"):
            return


class Pooler:
    """Servers that are connected, and those of them that are free."""

    def __init__(self, socket: Path, database: str) -> None:
        self._socket = socket
        self._database = database
        self._free: asyncio.Queue[_Streams] = asyncio.Queue()
        self._greeting = b""
        self.used: dict[int, set[int]] = {}
        """By client, the servers that it has had."""
        self._clients = itertools.count()

    async def connect(self, count: int) -> None:
        """Connect to the server so many times."""
        for _ in range(count):
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
            names = f"user\0tidings\0database\0{self._database}\0\0".encode()
            writer.write(_LENGTH.pack(len(names) + 8) + _LENGTH.pack(_STARTUP) + names)
            greeting = b""
            while not greeting.endswith(b"Z\0\0\0\5I"):
                _, message = await _message(reader)
                greeting += message
            self._greeting = greeting
            await self._free.put((reader, writer))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet a client and carry its transactions to servers."""
        used = self.used.setdefault(next(self._clients), set())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            (length,) = _LENGTH.unpack(await reader.readexactly(4))
            await reader.readexactly(length - 4)
            writer.write(self._greeting)
            await self._carry_all((reader, writer), used)
        writer.close()

    async def _carry_all(self, client: _Streams, used: set[int]) -> None:
        asked = asyncio.ensure_future(_message(client[0]))
        while True:
            kind, message = await asked
            if kind == b"X":
                return
            server = await self._free.get()
            used.add(id(server[1]))
            server[1].write(message)
            answering = asyncio.ensure_future(_answer(server[0], client[1]))
            asked = asyncio.ensure_future(_message(client[0]))
            while True:
                await asyncio.wait({answering, asked}, return_when=asyncio.FIRST_COMPLETED)
                if answering.done():
                    break
                server[1].write((await asked)[1])
                asked = asyncio.ensure_future(_message(client[0]))
            await answering
            await self._free.put(server)

    def close(self) -> None:
        """Leave the servers."""
        while not self._free.empty():
            self._free.get_nowait()[1].close()


@asynccontextmanager
async def pooler(folder: Path, socket: Path, database: str, *, servers: int) -> AsyncIterator[Pooler]:
    """Listen on a socket in ``folder`` for clients of a database."""
    made = Pooler(socket, database)
    await made.connect(servers)
    listening = await asyncio.start_unix_server(made.serve, str(folder / ".s.PGSQL.5432"))
    try:
        yield made
    finally:
        listening.close()
        made.close()
