"""Who asks, by network address, and how often they may."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import web

_MOST_PEERS: Final = 10_000
_SUBSCRIBER_BITS: Final = 64
"""How much of an IPv6 address is one subscriber's."""


def peer_of(request: web.Request, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the address that a request came from: the last that is not a proxy of ours.

    What a stranger writes into X-Forwarded-For is not believed, as only proxies' entries, from the right, are read.
    """
    hops = [hop.strip() for line in request.headers.getall("X-Forwarded-For", ()) for hop in line.split(",")]
    peer = request.remote or ""
    while hops and _is_within(peer, proxies):
        peer = hops.pop()
    return _subscriber(peer)


def _is_within(peer: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _subscriber(peer: str) -> str:
    try:
        address = ip_address(peer)
    except ValueError:
        return ""  # all that is no address counts as one
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, _SUBSCRIBER_BITS), strict=False))
    return str(address)


class PeerLimit:
    """Lets each peer spend so much, and gets it back to them second by second."""

    def __init__(self, *, most: float, per_second: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._per_second = per_second
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By peer, those that asked last at the end: what was left, and when."""

    def spend(self, peer: str, cost: float) -> int:
        """Take a cost; return 0, or the whole seconds to wait where there is not enough left, and take nothing."""
        now = self._clock()
        left = self._left_of(peer, now)
        if left < cost:
            return math.ceil((cost - left) / self._per_second)
        self._left[peer] = (left - cost, now)
        self._left.move_to_end(peer)
        if len(self._left) > _MOST_PEERS:
            self._left.popitem(last=False)
        return 0

    def fine(self, peer: str, cost: float) -> None:
        """Take a cost that was not known beforehand, down to nothing left."""
        now = self._clock()
        self._left[peer] = (max(0.0, self._left_of(peer, now) - cost), now)

    def _left_of(self, peer: str, now: float) -> float:
        left, since = self._left.get(peer, (self._most, now))
        return min(self._most, left + (now - since) * self._per_second)
