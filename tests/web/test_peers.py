"""Who asks, and how often they may."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from tidings.web.look import all_words, ink_on
from tidings.web.peers import PeerLimit, peer_of

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("remote", "forwarded", "peer"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.2.3.4"], "198.51.100.7"),
        ("fd00::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["<script>"], ""),
    ],
)
def test_only_what_proxies_of_ours_say_is_believed(remote: str, forwarded: list[str], peer: str) -> None:
    from multidict import CIMultiDict

    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    assert peer_of(request, PROXIES) == peer


def test_a_peer_spends_what_it_has_and_gets_it_back() -> None:
    now = [0.0]
    limit = PeerLimit(most=10, per_second=2, clock=lambda: now[0])
    assert [limit.spend("a", 1) for _ in range(11)] == [0] * 10 + [1]
    assert limit.spend("b", 1) == 0
    now[0] = 1.0
    assert [limit.spend("a", 1) for _ in range(3)] == [0, 0, 1]
    limit.fine("b", 1_000)
    assert limit.spend("b", 4) == 2
    now[0] = 1_000.0
    assert [limit.spend("b", 10), limit.spend("b", 1)] == [0, 1]


def test_peers_that_are_gone_take_no_room() -> None:
    limit = PeerLimit(most=1, per_second=1, clock=lambda: 0.0)
    for number in range(10_500):
        assert limit.spend(str(number), 1) == 0
    assert len(limit._buckets) == 10_000


def test_every_language_says_the_same_things() -> None:
    def shape(words: object) -> object:
        if isinstance(words, dict):
            return {key: shape(value) for key, value in words.items()}
        assert isinstance(words, str)
        return sorted(word for word in ("{brand}", "{category}") if word in words)

    languages = list(all_words().values())
    assert [each.lang for each in languages] == ["en", "ar", "de"]
    assert [shape(each.words) for each in languages] == [shape(languages[0].words)] * 3
    assert [each.direction for each in languages] == ["ltr", "rtl", "ltr"]


@pytest.mark.parametrize(
    ("colour", "ink"), [("#ffffff", "#000000"), ("#ffd200", "#000000"), ("#3d348b", "#ffffff"), ("#000000", "#ffffff")]
)
def test_a_button_can_be_read_on_any_colour(colour: str, ink: str) -> None:
    assert ink_on(colour) == ink
