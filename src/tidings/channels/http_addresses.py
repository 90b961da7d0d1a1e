"""From a name to an open socket at a vetted address.

A name is resolved once for a connection, its addresses are vetted and the socket goes to one of these, while TLS
is still checked on the name. The last check stands where the socket is made, so that whatever way an address
came in, none that the policy does not admit is ever connected to.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeVar

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from tidings.channels.addresses import AddressPolicy
from tidings.channels.http_answer import HttpFault

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a host's addresses up: ``resolve(host, port)``. Raises OSError when there are none."""

_NEXT_ADDRESS_SECONDS: Final = 0.25
"""How long one address is tried alone before the next is tried beside it."""
_MOST_NAMES: Final = 10_000

_P = TypeVar("_P", bound=asyncio.Protocol)


class AddressBlocked(OSError):
    """No address of the host is admitted."""


class Origin(NamedTuple):
    """Where connections lead, and as whom: those to equal origins may stand in for each other."""

    scheme: str
    host: str
    port: int
    context: ssl.SSLContext | None
    """For TLS; None over http."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for a host's addresses."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [str(entry[4][0]) for entry in found]


class VettedNames:
    """Resolves names, passes on only what the policy admits, and remembers that for ``ttl`` seconds."""

    def __init__(self, resolve: Resolve, policy: AddressPolicy, *, ttl: float) -> None:
        self._resolve = resolve
        self._policy = policy
        self._ttl = ttl
        self._known: dict[tuple[str, int], tuple[float, Sequence[str]]] = {}
        """Vetted addresses, each with the loop's time at which they are forgotten."""
        self._asking: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return addresses that may be connected to; raise AddressBlocked, or OSError when the name has none.

        Those who ask for one name at the same time share one look-up, unless each is to have its own.
        """
        if not self._ttl:
            return await self._look_up(host, port)
        key = (host, port)
        until, known = self._known.get(key, (0.0, ()))
        if asyncio.get_running_loop().time() < until:
            return known
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._look_up(host, port), name=f"look up {host}")
            asking.add_done_callback(lambda done: self._learn(key, done))
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """End the look-ups under way."""
        asking = list(self._asking.values())
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _learn(self, key: tuple[str, int], done: "asyncio.Task[Sequence[str]]") -> None:
        del self._asking[key]
        if done.cancelled() or done.exception() is not None:
            return
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[key] = (asyncio.get_running_loop().time() + self._ttl, done.result())

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        admitted = [address for address in dict.fromkeys(found) if self._policy.admits(address)]
        if not admitted:
            raise AddressBlocked
        return admitted


class Dialer:
    """Opens connections to vetted addresses; ``timeout`` (seconds) is for one connection, TLS included."""

    def __init__(self, names: VettedNames, policy: AddressPolicy, *, timeout: float) -> None:
        self._names = names
        self._policy = policy
        self._timeout = timeout

    async def dial(self, origin: Origin, make: Callable[[], _P]) -> _P:
        """Connect; raise HttpFault in our words, or AddressBlocked. An address that fails is followed by the next."""
        untried = await self._candidates(origin)
        while True:
            try:
                return await self._attempt(origin, untried, make)
            except HttpFault:
                if not untried:
                    raise

    async def _candidates(self, origin: Origin) -> list[AddrInfoType]:
        try:
            addresses = await self._addresses(origin)
        except AddressBlocked:
            raise
        except (OSError, UnicodeError) as error:
            raise HttpFault(f"the name {origin.host} was not resolved: {error}") from None
        return [_address_info(each, origin.port) for each in addresses]

    async def _addresses(self, origin: Origin) -> Sequence[str]:
        try:
            return [str(ip_address(origin.host))]
        except ValueError:
            return await self._names.addresses(origin.host, origin.port)

    async def _attempt(self, origin: Origin, untried: list[AddrInfoType], make: Callable[[], _P]) -> _P:
        """Make one connection; say in our words why there is none."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._dress(origin, await self._reach(untried), make)
        except AddressBlocked:
            raise
        except ssl.SSLError as error:
            raise HttpFault(f"TLS failed: {error}") from None
        except (OSError, RuntimeError) as error:  # uvloop has RuntimeErrors of its own
            raise HttpFault(_connect_fault(origin, error)) from None

    async def _reach(self, untried: list[AddrInfoType]) -> socket.socket:
        """Connect to the address that answers first, and take it off the list; all of them when none answers."""
        given = tuple(untried)
        untried.clear()
        connected = await aiohappyeyeballs.start_connection(
            given, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, socket_factory=self._make_socket
        )
        peer = connected.getpeername()[0]
        untried.extend(each for each in given if each[4][0] != peer)
        return connected

    async def _dress(self, origin: Origin, connected: socket.socket, make: Callable[[], _P]) -> _P:
        """Make a connection of a socket, with TLS where the origin asks for it."""
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(
                make,
                sock=connected,
                ssl=origin.context,
                server_hostname=None if origin.context is None else origin.host.rstrip("."),
            )
        except BaseException:
            connected.close()
            raise
        return protocol

    def _make_socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not self._policy.admits(str(address[0])):
            raise AddressBlocked
        return socket.socket(family=family, type=kind, proto=protocol)


def _address_info(address: str, port: int) -> AddrInfoType:
    if ip_address(address).version == 6:  # noqa: PLR2004  the number says it
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


def _connect_fault(origin: Origin, error: OSError | RuntimeError) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer in time"
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return f"no connection to {origin.host}:{origin.port}: {reason}"
