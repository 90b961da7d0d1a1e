"""How many posts the benchmark's sink takes when nothing else is to be done: what no side can get past."""

import asyncio
import time
from collections.abc import Iterator
from typing import cast

from webhook_sink import RunningSink

_COUNT = 20_000
_CONNECTIONS = 32
_BODY = b"x" * 300


async def ceiling(sink: RunningSink) -> float:
    """Post as fast as bare connections can; return posts a second."""
    await sink.forget()
    began = time.perf_counter()
    numbers = iter(range(_COUNT))
    await asyncio.gather(*(_connection(sink.port, numbers) for _ in range(_CONNECTIONS)))
    took = time.perf_counter() - began
    await sink.received(_COUNT)
    return _COUNT / took


async def _connection(port: int, numbers: Iterator[int]) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await asyncio.get_running_loop().create_connection(lambda: _Poster(numbers, done), "127.0.0.1", port)
    await done


class _Poster(asyncio.Protocol):
    """Posts as soon as it was answered, as long as there are numbers."""

    def __init__(self, numbers: Iterator[int], done: asyncio.Future[None]) -> None:
        self._numbers = numbers
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._post()

    def data_received(self, data: bytes) -> None:
        self._post()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _post(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self._transport.close()
            return
        head = b"POST /hooks HTTP/1.1\r\nhost: sink\r\nwebhook-id: ceiling-%d\r\ncontent-length: %d\r\n\r\n"
        self._transport.write(head % (number, len(_BODY)) + _BODY)
