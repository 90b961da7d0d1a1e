"""Who asks, by network address, and how often they may."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import web

from tidings.access import Bucket

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
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        """By peer, those that asked last at the end."""

    def spend(self, peer: str, cost: float) -> int:
        """Take a cost; return 0, or the whole seconds to wait where there is not enough left, and take nothing."""
        now = self._clock()
        return math.ceil(self._bucket(peer, now).spend(cost, now))

    def fine(self, peer: str, cost: float) -> None:
        """Take a cost that was not known beforehand, down to nothing left."""
        now = self._clock()
        self._bucket(peer, now).fine(cost, now)

    def _bucket(self, peer: str, now: float) -> Bucket:
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = Bucket(most=self._most, per_second=self._per_second, now=now)
            if len(self._buckets) > _MOST_PEERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(peer)
        return bucket
