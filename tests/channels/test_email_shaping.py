"""How fast a recipient domain is sent to. The hours are arguments; nothing waits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from channels_kit import an_email, secrets_of
from smtp_kit import HANG, smtp_sink
from tidings.channels import EmailSettings, open_email_channel
from tidings.channels.settings import DomainLimits
from tidings.channels.shaping import Held, Seat, Shaper
from tidings.model import Accepted, Postponed


def shaper(**domains: Mapping[str, Any]) -> Shaper:
    return Shaper({name.replace("_", "."): DomainLimits.model_validate(limits) for name, limits in domains.items()})


def test_no_more_messages_are_under_way_than_the_domain_allows() -> None:
    shaping = shaper(example_com={"connections": 2, "rate": None})
    assert [shaping.enter("example.com", now=0.0) for _ in range(2)] == [None, None]
    held = shaping.enter("example.com", now=0.0)
    assert held == Held(wait=0.05, why="example.com has 2 under way, its limit in email.domains")
    shaping.leave("example.com", took=0.1)
    assert shaping.enter("example.com", now=1.0) is None


def test_a_full_domain_does_not_stand_in_anothers_way() -> None:
    shaping = shaper(default={"connections": 1})
    assert shaping.enter("example.com", now=1.0) is None
    assert shaping.enter("example.com", now=1.0) is not None
    assert shaping.enter("example.net", now=1.0) is None


def seat_of(number: int) -> Seat:
    """Be one of three."""
    return lambda: (number, 3)


def test_gateways_share_a_domains_limits() -> None:
    """Each has its part; whose it is where there are fewer connections than gateways differs by domain."""
    limits = {"default": DomainLimits(connections=5, rate=30.0), "example.com": DomainLimits(connections=1, rate=None)}
    shapers = [Shaper(limits, seat=seat_of(number)) for number in range(3)]
    for domain, most in (("example.com", 1), ("example.net", 5), ("example.org", 5)):
        gone = [sum(each.enter(domain, now=1.0) is None for _ in range(20)) for each in shapers]
        assert sum(gone) == most
        assert max(gone) - min(gone) <= 1
    unlimited = {"default": DomainLimits(connections=None, rate=30.0)}
    shapers = [Shaper(unlimited, seat=seat_of(number)) for number in range(3)]
    gone = [sum(each.enter("a.example", now=5 + step / 100) is None for step in range(1000)) for each in shapers]
    assert gone == [109, 109, 109], "ten a second each, and a second's worth at first"


@pytest.mark.parametrize(
    ("rate", "seconds", "most", "fewest"), [("100/s", 10, 1100, 1099), ("5/s", 10, 55, 54), ("30/m", 60, 30, 30)]
)
def test_the_rate_is_kept_and_made_use_of(rate: str, seconds: int, most: int, fewest: int) -> None:
    """Asked a thousand times a second, it lets through what the rate says, and a second's worth at first."""
    shaping = shaper(example_com={"connections": None, "rate": rate})
    gone = sum(shaping.enter("example.com", now=500.0 + step / 1000) is None for step in range(seconds * 1000))
    assert fewest <= gone <= most


def test_held_messages_are_spread_over_the_slots_and_find_them_free() -> None:
    """A peer's queue returns all at once; here each comes back when there is room."""
    shaping = shaper(example_com={"connections": None, "rate": "10/s"})
    answers = [shaping.enter("example.com", now=0.0) for _ in range(50)]
    waits = sorted(each.wait for each in answers if each)
    assert waits == pytest.approx([0.1 * slot for slot in range(1, 41)])
    assert [shaping.enter("example.com", now=wait) for wait in waits] == [None] * 40


def test_slots_follow_how_long_messages_take() -> None:
    shaping = shaper(example_com={"connections": 4, "rate": None})
    for _ in range(100):
        shaping.enter("example.com", now=0.0)
        shaping.leave("example.com", took=2.0)
    for _ in range(4):
        shaping.enter("example.com", now=0.0)
    answers = [shaping.enter("example.com", now=0.0) for _ in range(3)]
    assert [each.wait for each in answers if each] == pytest.approx([0.5, 1.0, 1.5], rel=0.01)


def test_no_message_is_held_for_more_than_an_hour() -> None:
    shaping = shaper(example_com={"rate": "1/m"})
    waits = [each.wait for each in (shaping.enter("example.com", now=0.0) for _ in range(200)) if each]
    assert (len(waits), max(waits)) == (199, 3600.0)


def test_domains_that_nothing_goes_to_are_forgotten() -> None:
    shaping = Shaper({})
    for number in range(50_000):
        domain = f"d{number}.example.com"
        assert shaping.enter(domain, now=number / 100) is None
        shaping.leave(domain, took=0.01)
    assert len(shaping) <= 1_024


def test_a_domain_in_use_is_not_forgotten() -> None:
    shaping = shaper(default={"connections": 1})
    shaping.enter("busy.example.com", now=0.0)
    for number in range(5_000):
        shaping.enter(f"d{number}.example.com", now=float(number))
        shaping.leave(f"d{number}.example.com", took=0.01)
    assert shaping.enter("busy.example.com", now=6_000.0) is not None


def test_an_entry_takes_the_rest_from_the_default() -> None:
    shaping = shaper(default={"rate": "7/s"}, example_com={"connections": 3})
    assert shaping.limits("example.com") == DomainLimits(connections=3, rate=7.0)
    assert shaping.limits("example.net") == DomainLimits(connections=10, rate=7.0)


async def test_a_message_over_the_limit_is_postponed_and_another_domain_is_not() -> None:
    domains = {"example.com": DomainLimits(connections=1)}
    async with smtp_sink() as sink:
        settings = EmailSettings(
            transport=f"smtp://localhost:{sink.port}?tls=none", hello="gateway.example.com", timeout=5, domains=domains
        )
        async with open_email_channel(settings, secrets_of({})) as channel:
            sink.script("RCPT", HANG)
            slow = asyncio.create_task(channel.send(an_email(delivery_id="dlv_slow")))
            async with asyncio.timeout(5):
                while "RCPT" not in sink.verbs:  # noqa: ASYNC110  the server's list is the only sign
                    await asyncio.sleep(0.005)
            held = await channel.send(an_email(delivery_id="dlv_held", recipient="bo@EXAMPLE.com"))
            other = await channel.send(an_email(delivery_id="dlv_other", recipient="bo@example.net"))
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            after = await channel.send(an_email(delivery_id="dlv_after"))
    detail = "shaped: example.com has 1 under way, its limit in email.domains"
    assert held == Postponed(detail=detail, wait_ms=100)
    assert [type(other), type(after)] == [Accepted, Accepted]


async def test_a_connection_carries_no_more_of_a_domain_than_the_domain_allows() -> None:
    domains = {"example.com": DomainLimits(messages_per_connection=2)}
    async with smtp_sink() as sink:
        settings = EmailSettings(
            transport=f"smtp://localhost:{sink.port}?tls=none", hello="gateway.example.com", timeout=5, domains=domains
        )
        async with open_email_channel(settings, secrets_of({})) as channel:
            for number in range(5):
                for domain in ("example.com", "example.net"):
                    await channel.send(an_email(delivery_id=f"dlv_{number}", recipient=f"bo@{domain}"))
    assert (len(sink.messages), sink.connections) == (10, 3)
