"""Several relays: which gets a message, and what is never tried elsewhere. Against real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from channels_kit import SECRETS, an_email, secrets_of
from smtp_kit import DROP, HANG, Answer, SmtpSink, smtp_sink
from tidings.channels import EmailChannel, EmailSettings, open_email_channel
from tidings.model import Accepted, Deferred, Outcome, Postponed, Refused
from tidings.telemetry.metrics import Metrics

ACCEPTED = Accepted(status_code=250, detail="2.0.0 taken")


@asynccontextmanager
async def two_relays() -> AsyncIterator[tuple[SmtpSink, SmtpSink]]:
    async with smtp_sink() as first, smtp_sink() as second:
        yield first, second


@asynccontextmanager
async def channel_to(*sinks: SmtpSink, **settings: Any) -> AsyncIterator[EmailChannel]:
    transports = tuple(f"smtp://localhost:{sink.port}?tls=none" for sink in sinks)
    options = {"hello": "gateway.example.com", "timeout": 5, **settings}
    async with open_email_channel(EmailSettings(transport=transports, **options), secrets_of(SECRETS)) as channel:
        yield channel


async def test_the_preferred_relay_gets_what_it_can_take() -> None:
    async with two_relays() as (first, second), channel_to(first, second) as channel:
        assert await channel.send(an_email()) == ACCEPTED
    assert (len(first.messages), second.connections) == (1, 0)


async def test_a_relay_that_is_not_there_costs_no_attempt() -> None:
    async with smtp_sink() as absent:
        pass
    async with smtp_sink() as second, channel_to(absent, second) as channel:
        assert await channel.send(an_email()) == ACCEPTED
    assert len(second.messages) == 1


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("GREETING", DROP),
        ("GREETING", "554 5.3.2 no service"),
        ("EHLO", "421 4.3.2 closing"),
        ("MAIL", DROP),
        ("MAIL", "421 4.3.2 closing"),
        ("MAIL", "530 5.7.0 log in first"),
        ("RCPT", DROP),
        ("RCPT", "421 4.3.2 closing"),
    ],
)
async def test_a_relay_that_fails_before_data_hands_over_to_the_next(verb: str, answer: Answer) -> None:
    async with two_relays() as (first, second), channel_to(first, second) as channel:
        first.script(verb, answer)
        assert await channel.send(an_email()) == ACCEPTED
    assert (len(first.messages), len(second.messages)) == (0, 1)


async def test_a_relay_that_never_greets_leaves_time_for_the_next() -> None:
    async with two_relays() as (first, second), channel_to(first, second, timeout=2) as channel:
        first.script("GREETING", HANG)
        assert await channel.send(an_email()) == ACCEPTED
    assert len(second.messages) == 1


@pytest.mark.parametrize(
    ("verb", "answer", "outcome"),
    [
        (
            "MAIL",
            "550 5.7.1 not you",
            Refused(status_code=550, detail="policy: MAIL answered 550 5.7.1 not you"),
        ),
        (
            "RCPT",
            "550 5.1.1 no such user",
            Refused(status_code=550, detail="bad-address: RCPT answered 550 5.1.1 no such user", bad_address=True),
        ),
        ("RCPT", "450 greylisted", Deferred(status_code=450, detail="busy: RCPT answered 450 greylisted")),
        ("DATA", "452 4.3.1 full", Deferred(status_code=452, detail="relay: DATA answered 452 4.3.1 full")),
        ("MESSAGE", "554 5.6.0 no", Refused(status_code=554, detail="content: DATA answered 554 5.6.0 no")),
        ("MESSAGE", "421 4.3.2 bye", Deferred(status_code=421, detail="relay: DATA: 421 4.3.2 bye")),
    ],
)
async def test_what_a_relay_answers_to_a_message_is_asked_of_no_other(verb: str, answer: str, outcome: Outcome) -> None:
    async with two_relays() as (first, second), channel_to(first, second) as channel:
        first.script(verb, answer)
        assert await channel.send(an_email()) == outcome
    assert second.connections == 0


@pytest.mark.parametrize("verb", ["DATA", "MESSAGE"])
async def test_a_message_in_doubt_goes_to_no_other_relay(verb: str) -> None:
    """The relay may have it: another copy at once would be a sure duplicate, and a later one only a possible."""
    async with two_relays() as (first, second), channel_to(first, second) as channel:
        first.script(verb, DROP)
        doubt = "whether the relay has the message is unknown, it goes again with its Message-ID"
        got = await channel.send(an_email())
    assert got == Deferred(detail=f"relay: DATA: the relay closed the connection; {doubt}")
    assert second.connections == 0


async def test_after_failures_in_a_row_a_relay_is_left_alone() -> None:
    async with two_relays() as (first, second), channel_to(first, second) as channel:
        first.script("EHLO", *["421 4.3.2 closing"] * 9)
        outcomes = [await channel.send(an_email(delivery_id=f"dlv_{number}")) for number in range(6)]
    assert outcomes == [ACCEPTED] * 6
    assert (first.connections, len(second.messages)) == (3, 6)


async def test_answers_keep_a_relay_in_good_health() -> None:
    async with two_relays() as (first, second), channel_to(first, second) as channel:
        for number in range(8):
            first.script("RCPT", "450 greylisted")
            assert isinstance(await channel.send(an_email(delivery_id=f"dlv_{number}")), Deferred)
        assert await channel.send(an_email()) == ACCEPTED
    assert (len(first.messages), second.connections) == (1, 0)


async def test_when_every_relay_is_set_aside_a_message_waits_untried() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        sink.script("EHLO", *["421 4.3.2 closing"] * 9)
        for number in range(3):
            await channel.send(an_email(delivery_id=f"dlv_{number}"))
        got = await channel.send(an_email())
    assert isinstance(got, Postponed)
    assert got.detail == "relay: every relay is set aside after failures in a row"
    assert 0 < got.wait_ms <= 5_000
    assert sink.connections == 3


async def test_a_relay_that_is_set_aside_and_comes_back_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    shift, clock = 0.0, asyncio.get_running_loop().time
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock() + shift)
    async with smtp_sink() as sink:
        transport, relay = f"smtp://localhost:{sink.port}?tls=none", {"relay": f"localhost:{sink.port}"}
        settings = EmailSettings(transport=transport, hello="gateway.example.com", timeout=5)
        seen: list[tuple[float | None, float | None]] = []

        def look() -> None:
            value = metrics.registry.get_sample_value
            seen.append((value("tidings_relay_aside", relay), value("tidings_relay_set_aside_total", relay)))

        with capture_logs() as lines:
            async with open_email_channel(settings, secrets_of(SECRETS), metrics=metrics) as channel:
                look()
                sink.script("EHLO", *["421 4.3.2 closing"] * 3)
                for _ in range(3):
                    assert isinstance(await channel.send(an_email()), Deferred)
                look()
                shift = 6.0
                assert await channel.send(an_email()) == ACCEPTED
                look()
    assert seen == [(0, None), (1, 1), (0, 1)]
    assert [(line["event"], line["relay"], line["failures"]) for line in lines] == [
        ("relay.set_aside", relay["relay"], 3),
        ("relay.back", relay["relay"], 3),
    ]


async def test_each_relay_has_its_own_connections() -> None:
    unshaped = {"default": {"connections": None, "rate": None}}
    async with (
        two_relays() as (first, second),
        channel_to(first, second, connections=2, domains=unshaped) as channel,
    ):
        first.script("EHLO", *["421 4.3.2 closing"] * 3)
        outcomes = await asyncio.gather(*(channel.send(an_email(delivery_id=f"dlv_{n}")) for n in range(20)))
    assert set(outcomes) == {ACCEPTED}
    assert first.connections <= 4
    assert second.connections == 2


async def test_a_relay_that_restarts_and_one_that_leaves_in_mid_session_lose_nothing() -> None:
    """Each message is sent until it is taken, under its own Message-ID, as dispatch does."""
    wanted = [f"dlv_{number}" for number in range(30)]
    unshaped = {"default": {"connections": None, "rate": None}}
    async with two_relays() as (first, second), channel_to(first, second, domains=unshaped) as channel:
        first.script("RCPT", "421 4.3.2 closing", "550 5.1.1 no such user")
        first.script("MESSAGE", "250 taken", "421 4.3.2 closing", DROP)
        taken: list[str] = []
        refused: list[str] = []
        for number, delivery in enumerate(wanted):
            if number % 10 == 5:
                first.drop_all()
            outcomes = [await channel.send(an_email(delivery_id=delivery))]
            while isinstance(outcomes[-1], Deferred) and len(outcomes) < 5:
                outcomes.append(await channel.send(an_email(delivery_id=delivery)))
            (taken if isinstance(outcomes[-1], Accepted) else refused).append(delivery)
    arrived = [str(each.message["Message-ID"]) for sink in (first, second) for each in sink.messages]
    assert len(refused) == 1
    assert set(arrived) == {f"<{delivery}@example.com>" for delivery in taken}
    # only the one whose answer was lost may be there twice
    assert len(arrived) == len(taken) + 1
