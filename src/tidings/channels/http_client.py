"""Posts bytes over HTTP/1.1.

No redirects, no cookies, no proxies, no unpacking, nothing from the environment. The parts: ``http_target`` writes
heads, ``http_pool`` lends connections, ``http_connection`` carries one request at a time, ``http_answer`` reads
what comes back, ``http_addresses`` sees to it that no socket leads where the policy forbids.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final

from tidings.channels.addresses import AddressPolicy, literal_address
from tidings.channels.http_addresses import AddressBlocked, Dialer, Origin, Resolve, VettedNames
from tidings.channels.http_answer import HttpAnswer, HttpFault
from tidings.channels.http_connection import Connection, ConnectionClosed
from tidings.channels.http_pool import ConnectionPool
from tidings.channels.http_target import Target, UnusableUrl, header_lines, read_url
from tidings.channels.settings import WebhookSettings

__all__ = ["AddressBlocked", "HttpAnswer", "HttpClient", "HttpFault", "Target", "UnusableUrl", "open_http_client"]

_MOST_ORIGINS: Final = 10_000


class HttpClient:
    """One client for all endpoints, with kept-alive connections for each."""

    def __init__(self, pool: ConnectionPool, policy: AddressPolicy, *, context: ssl.SSLContext, timeout: float) -> None:
        self._pool = pool
        self._policy = policy
        self._context = context
        self._timeout = timeout
        """Seconds for one post, from looking up the name to the last byte of the answer."""
        self._loop = asyncio.get_running_loop()
        self._origins: dict[tuple[str, str, int], Origin] = {}

    def target(self, text: str) -> Target:
        """Read a URL; raise UnusableUrl, or AddressBlocked for an address that may not be reached.

        An address in an odd spelling (``127.1``, ``0x7f000001``) is judged, and used, as the address it is.
        """
        url = read_url(text)
        address = literal_address(url.raw_host or "")
        if address is None:
            return Target(url)
        if not self._policy.admits(address):
            raise AddressBlocked
        return Target(url.with_host(str(address)))

    async def post(
        self, target: Target, body: bytes, headers: Mapping[str, str], *, context: ssl.SSLContext | None = None
    ) -> HttpAnswer:
        """Post and return the answer, whatever its status; raise HttpFault or AddressBlocked when none came.

        ``headers`` go beside those of the target. ``context`` is used for TLS instead of the client's own;
        connections made with one are not used with another.

        A connection that was used before may have been closed just when the request went out. If not a byte of an
        answer came, the request is sent once more, on a new connection.
        """
        origin = self._origin(target, context)
        request = _request(target, body, headers)
        deadline = self._loop.time() + self._timeout
        connection = self._pool.take(origin)
        if connection is None:
            return await _exchange(await self._open(origin, deadline), request, deadline)
        waiting = connection.exchange(request, deadline)  # and not _exchange: nearly every post comes this way
        try:
            return await waiting
        except asyncio.CancelledError:
            connection.give_up(waiting)
            raise
        except ConnectionClosed as closed:
            if not closed.was_racing:
                raise
        return await _exchange(await self._open(origin, deadline), request, deadline)

    def _origin(self, target: Target, context: ssl.SSLContext | None) -> Origin:
        """Return where a post goes; those of the client's own context are kept, which saves making one for each."""
        place = target.place
        origin = self._origins.get(place) if context is None else None
        if origin is None:
            scheme, host, port = place
            origin = Origin(scheme, host, port, (context or self._context) if scheme == "https" else None)
            if context is None:
                if len(self._origins) >= _MOST_ORIGINS:
                    self._origins.clear()
                self._origins[place] = origin
        return origin

    async def _open(self, origin: Origin, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._pool.open(origin)
        except TimeoutError:
            raise HttpFault("no answer in time") from None


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        lines = header_lines(headers)
    except ValueError as error:
        raise HttpFault(str(error)) from None
    return f"{target.head}{lines}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


async def _exchange(connection: Connection, request: bytes, deadline: float) -> HttpAnswer:
    waiting = connection.exchange(request, deadline)
    try:
        return await waiting
    except asyncio.CancelledError:
        connection.give_up(waiting)
        raise


@contextlib.asynccontextmanager
async def open_http_client(
    settings: WebhookSettings, *, context: ssl.SSLContext, resolve: Resolve
) -> AsyncIterator[HttpClient]:
    """Lend a client; closing it is bounded in time."""
    policy = AddressPolicy.of(settings.allow_networks)
    names = VettedNames(resolve, policy, ttl=settings.resolve_ttl)
    dialer = Dialer(names, policy, timeout=settings.connect_timeout)
    pool = ConnectionPool(dialer, limit=settings.connections_per_endpoint, idle=settings.idle)
    try:
        yield HttpClient(pool, policy, context=context, timeout=settings.timeout)
    finally:
        await names.close()
        await pool.close()
