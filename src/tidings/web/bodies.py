"""Reading requests' bodies within bounds of time and memory, so that nobody's slow or large ones stop the others."""

import asyncio
from typing import Final

from aiohttp import web

from tidings.errors import Overloaded
from tidings.web.settings import HttpSettings

_RETRY_AFTER: Final = 1.0
"""Seconds."""


class Bodies:
    """The bodies that are being read. Belongs to one listener."""

    def __init__(self, settings: HttpSettings, *, most: int) -> None:
        """Take the settings and how large one body may be, bytes."""
        self._timeout = settings.body_timeout
        self._room = settings.bodies_bytes
        self._most = most
        self._held = 0
        self._readers = 0

    async def read(self, request: web.Request) -> bytes:
        """Return a request's body.

        Raises:
            aiohttp.web.HTTPRequestEntityTooLarge: it is larger than one body may be.
            aiohttp.web.HTTPRequestTimeout: it took too long to arrive.
            Overloaded: too much is being read, and this body has more than its share of it.
        """
        body = bytearray()
        self._readers += 1
        try:
            async with asyncio.timeout(self._timeout):
                async for chunk in request.content.iter_any():
                    body += chunk
                    self._held += len(chunk)
                    self._check(len(body))
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        finally:
            self._held -= len(body)
            self._readers -= 1
        return bytes(body)

    def _check(self, size: int) -> None:
        if size > self._most:
            raise web.HTTPRequestEntityTooLarge(max_size=self._most, actual_size=size)
        if self._held > self._room and size > self._room // self._readers:
            raise Overloaded("too many large bodies are arriving at once", retry_after=_RETRY_AFTER)


BODIES: Final = web.AppKey("bodies", Bodies)


async def read_body(request: web.Request) -> bytes:
    """Return a request's body; see ``Bodies.read``."""
    return await request.app[BODIES].read(request)
