"""Which addresses a webhook may reach."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.addresses import AddressPolicy, literal_address

PUBLIC_ONLY = AddressPolicy()

INSIDE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2001:10::1", "2001:20::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%1", "fec0::1", "ff02::1",
]  # fmt: skip

OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "168.63.129.15",
    "172.15.255.255", "172.32.0.1", "192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255",
    "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_admitted(address: str) -> None:
    assert not PUBLIC_ONLY.admits(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_is_admitted(address: str) -> None:
    assert PUBLIC_ONLY.admits(address)


@pytest.mark.parametrize("address", ["", "crm.example.com", "127.1", "1.2.3.4/8", "::g"])
def test_what_is_no_address_is_not_admitted(address: str) -> None:
    assert not PUBLIC_ONLY.admits(address)


CARRYING = [ip_network("::/96"), ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"), ip_network("2002::/16")]


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_that_python_calls_unreachable_is_admitted(address: IPv4Address | IPv6Address) -> None:
    """The standard library's own list, as a second opinion, except where an IPv4 address within decides."""
    inside = address.is_private or address.is_multicast or address.is_link_local or address.is_reserved
    if inside and not any(address in network for network in CARRYING):
        assert not PUBLIC_ONLY.admits(address)


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_as_itself(address: IPv4Address) -> None:
    number = int(address)
    forms = [number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80]
    assert {PUBLIC_ONLY.admits(IPv6Address(form)) for form in forms} == {PUBLIC_ONLY.admits(address)}


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.20.3.4", True),
        ("::ffff:10.20.3.4", True),
        ("10.21.0.1", False),
        ("fd00:20::1", True),
        ("fd00:21::1", False),
        ("8.8.8.8", True),
    ],
)
def test_networks_may_be_allowed(address: str, admitted: bool) -> None:  # noqa: FBT001  a case's expectation
    assert AddressPolicy.of(("10.20.0.0/16", "fd00:20::/32")).admits(address) is admitted


LITERALS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.0x1", "017700000001",
    "0177.1", "0177.0.0.01", "10.1.258", "1.0xffffff", "0", "255.255.255.255", "4294967295",
]  # fmt: skip


@pytest.mark.parametrize("host", LITERALS)
def test_every_spelling_of_an_address_is_read_as_the_system_reads_it(host: str) -> None:
    assert literal_address(host) == ip_address(socket.inet_aton(host))


@pytest.mark.parametrize(
    "host",
    ["example.com", "127.0.0.1.example.com", "4294967296", "1.2.3.256", "1.2.3.4.5", "256.1", "1..2", "0xg", "a", "-1"],
)
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


@pytest.mark.parametrize(
    ("host", "address"), [("[::1]", "::1"), ("::ffff:127.0.0.1", "::ffff:127.0.0.1"), ("1.2.3.4.", "1.2.3.4")]
)
def test_brackets_and_a_last_dot_are_dress(host: str, address: str) -> None:
    assert literal_address(host) == ip_address(address)
