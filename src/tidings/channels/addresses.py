"""Which addresses a webhook may reach: public ones, and the networks that the operator allows.

An address that carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo) is judged by that one,
so no spelling leads round the list.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CLOSED_V4: Final = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and a cloud's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's metadata on a public address
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and a cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_OPEN_V6: Final = IPv6Network("2000::/3")  # the only global unicast space handed out
_CLOSED_V6: Final = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocol assignments
        "2001:db8::/32",  # documentation
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_NUMBER: Final = re.compile(r"0[xX]([0-9a-fA-F]+)|([0-9]+)", re.ASCII)
_LONGEST_HOST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Admits public addresses and those in ``allowed``."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: tuple[str, ...]) -> "AddressPolicy":
        """Read CIDRs; raise ValueError on a bad one."""
        return cls(allowed=tuple(ip_network(each) for each in networks))

    def admits(self, address: Address | str) -> bool:
        """Say whether a socket may be opened to this address; text that is no address is not admitted."""
        if isinstance(address, str):
            try:
                address = ip_address(address)
            except ValueError:
                return False
        carried = _carried(address)
        return self._is_allowed(address) or all(self._is_allowed(each) or _is_public(each) for each in carried)

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)


def literal_address(host: str) -> Address | None:
    """Return the address that a host spells, in any of the forms ``inet_aton`` takes, or None when it is a name.

    ``127.0.0.1``, ``127.1``, ``2130706433``, ``0x7f.1`` and ``017700000001`` are one address.
    """
    host = host.rstrip(".")[:_LONGEST_HOST]
    if ":" in host:
        try:
            return IPv6Address(host.strip("[]"))
        except ValueError:
            return None
    numbers = [_number(part) for part in host.split(".")]
    return _from_parts([each for each in numbers if each is not None]) if None not in numbers else None


def _number(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match[2] is None:
        return int(match[1], 16)
    octal = len(text) > 1 and text.startswith("0") and all(digit in "01234567" for digit in text)
    return int(text, 8 if octal else 10)


def _from_parts(parts: list[int]) -> Address | None:
    """Put the parts together as ``inet_aton`` does: the last one fills all the bytes that are left."""
    *leading, last = parts
    free = 4 - len(leading)
    if free < 1 or any(part > 0xFF for part in leading) or last >= 256**free:  # noqa: PLR2004  one byte each
        return None
    value = last
    for position, part in enumerate(leading):
        value |= part << (24 - 8 * position)
    return IPv4Address(value)


def _carried(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses inside, or the address itself when it carries none."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address.sixtofour,)
    if address.teredo:
        return address.teredo
    if address in _NAT64 or address in _COMPATIBLE:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return (address,)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)
