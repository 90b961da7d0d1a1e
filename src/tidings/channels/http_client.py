"""Posts bytes over HTTP. The only module that knows aiohttp; its errors end here.

No redirects, no cookies, no proxies, nothing from the environment. Every socket is opened to an address that
the policy admits: a name is resolved once, its addresses are vetted and the connection goes to one of these,
while TLS is still checked on the name. The last check stands where the socket is made, so that whatever way an
address came in, none that the policy does not admit is ever connected to.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tidings.channels.addresses import AddressPolicy, literal_address
from tidings.channels.settings import WebhookSettings

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a host's addresses up: ``resolve(host, port)``. Raises OSError when there are none."""

BODY_LIMIT: Final = 20_000
"""Bytes of an answer that are read; a longer answer's connection is dropped."""

_CLOSE_SECONDS: Final = 3.0
_LONGEST_URL: Final = 2_000


class AddressBlocked(OSError):
    """No address of the host is admitted."""


class HttpFault(Exception):
    """No answer came; the message says why."""


class UnusableUrl(ValueError):
    """The URL cannot be posted to; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, read and checked once for all the posts to it."""

    url: URL


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the far side said. A body that breaks off counts as far as it came: the status was said before it."""

    status: int
    retry_after: str | None
    body: bytes
    wish: str | None = None
    """What its header webhook-delivery says."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for a host's addresses."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [str(entry[4][0]) for entry in found]


class HttpClient:
    """One session for all endpoints, with kept-alive connections for each."""

    def __init__(self, session: aiohttp.ClientSession, policy: AddressPolicy) -> None:
        self._session = session
        self._policy = policy

    def target(self, text: str) -> Target:
        """Read a URL; raise UnusableUrl, or AddressBlocked for an address that may not be reached.

        An address in an odd spelling (``127.1``, ``0x7f000001``) is judged, and used, as the address it is.
        """
        url = _read_url(text)
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

        ``context`` is used for TLS instead of the client's own; connections made with one are not used with another.
        """
        try:
            response = await self._session.post(
                target.url, data=body, headers=headers, allow_redirects=False, ssl=context or True
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise _fault(error) from None
        return HttpAnswer(
            status=response.status,
            retry_after=response.headers.get("retry-after"),
            body=await _bounded_body(response),
            wish=response.headers.get("webhook-delivery"),
        )


def _read_url(text: str) -> URL:
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise UnusableUrl("the endpoint's url is not one") from None
    if url.scheme not in ("http", "https"):
        raise UnusableUrl("the endpoint's url starts with neither https:// nor http://")
    if url.user is not None or url.password is not None:
        raise UnusableUrl("the endpoint's url holds a user or a password, which are not sent")
    if not url.raw_host or not port or len(text) > _LONGEST_URL:
        raise UnusableUrl("the endpoint's url names no host, no port or is too long")
    return url.with_fragment(None)


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    """Read the answer's body up to BODY_LIMIT; the connection is kept only when that was all of it."""
    content = response.content
    if content.at_eof():
        return b""
    read = bytearray()
    try:
        while len(read) <= BODY_LIMIT:
            chunk = await content.readany()
            if not chunk:
                return bytes(read)
            read += chunk
    except (aiohttp.ClientError, OSError):
        pass  # the status stands
    except BaseException:
        response.close()
        raise
    response.close()
    return bytes(read[:BODY_LIMIT])


def _fault(error: Exception) -> HttpFault | AddressBlocked:
    """Say in our words why no answer came."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return HttpFault(f"TLS failed: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return AddressBlocked() if isinstance(error.os_error, AddressBlocked) else HttpFault(_connect_fault(error))
    if isinstance(error, TimeoutError):
        return HttpFault("no answer in time")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return HttpFault("the connection was closed before an answer came")
    return HttpFault(f"no readable answer: {type(error).__name__}: {error}")


def _connect_fault(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} was not resolved: {error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"TLS failed: {error.os_error}"
    return f"no connection to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"


class _VettingResolver(AbstractResolver):
    """Resolves names and passes on only what the policy admits."""

    def __init__(self, resolve: Resolve, policy: AddressPolicy) -> None:
        self._resolve = resolve
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        admitted = [address for address in dict.fromkeys(found) if self._policy.admits(address)]
        if not admitted:
            raise AddressBlocked
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in admitted
        ]

    async def close(self) -> None:
        """Hold nothing, so close nothing."""


@contextlib.asynccontextmanager
async def open_http_client(
    settings: WebhookSettings, *, context: ssl.SSLContext, resolve: Resolve
) -> AsyncIterator[HttpClient]:
    """Lend a client; closing it is bounded in time."""
    policy = AddressPolicy.of(settings.allow_networks)
    session = aiohttp.ClientSession(
        connector=_connector(settings, policy, context=context, resolve=resolve),
        headers={
            "content-type": "application/json",
            "user-agent": f"Tidings/{version('tidings')}",
            "accept": "*/*",
            "accept-encoding": "identity",  # what is not unpacked cannot be a bomb
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=settings.timeout, sock_connect=settings.connect_timeout),
        trust_env=False,
        auto_decompress=False,
    )
    try:
        yield HttpClient(session, policy)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await session.close()


def _connector(
    settings: WebhookSettings, policy: AddressPolicy, *, context: ssl.SSLContext, resolve: Resolve
) -> aiohttp.TCPConnector:
    def make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not policy.admits(str(address[0])):
            raise AddressBlocked
        return socket.socket(family=family, type=kind, proto=protocol)

    return aiohttp.TCPConnector(
        resolver=_VettingResolver(resolve, policy),
        socket_factory=make_socket,
        use_dns_cache=settings.resolve_ttl > 0,
        ttl_dns_cache=max(1, round(settings.resolve_ttl)),
        ssl=context,
        limit=0,  # each endpoint has its own limit; the dispatcher bounds the whole
        limit_per_host=settings.connections_per_endpoint,
        keepalive_timeout=settings.idle,
    )
