"""E-mail over SMTP, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from channels_kit import SECRETS, an_email, secrets_of, tls_pair
from smtp_kit import DROP, HANG, Answer, SmtpSink, smtp_sink
from tidings.channels import EmailChannel, EmailSettings, open_email_channel
from tidings.channels.smtp import SmtpSender
from tidings.channels.smtp_pool import Turn
from tidings.errors import InvalidConfiguration
from tidings.model import Accepted, Attempted, Deferred, Refused

ACCEPTED = Accepted(status_code=250, detail="2.0.0 taken")
UNSHAPED = {"default": {"connections": None, "rate": None}}


@asynccontextmanager
async def channel_to(
    sink: SmtpSink, query: str = "tls=none", user: str = "", **settings: Any
) -> AsyncIterator[EmailChannel]:
    transport = f"smtp://{user}localhost:{sink.port}?{query}"
    options = {"hello": "gateway.example.com", "timeout": 5, **settings}
    async with open_email_channel(EmailSettings(transport=transport, **options), secrets_of(SECRETS)) as channel:
        yield channel


async def test_a_message_arrives_whole_in_an_envelope_of_its_own() -> None:
    email = an_email(headers={"List-Unsubscribe": "<https://notify.example.com/unsubscribe/abc>"})
    async with smtp_sink() as sink, channel_to(sink) as channel:
        assert await channel.send(email) == ACCEPTED
    (received,) = sink.messages
    message = received.message
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert (received.sender, received.recipients) == ("rewards@example.com", ("asha@example.com",))
    assert {
        name: str(message[name])
        for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted", "List-Unsubscribe")
    } == {
        "From": "Example Rewards <rewards@example.com>",
        "To": "asha@example.com",
        "Subject": "300 points expire soon",
        "Message-ID": "<dlv_example@example.com>",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": "<https://notify.example.com/unsubscribe/abc>",
    }
    assert parsedate_to_datetime(message["Date"]).timestamp() == 1_700_000_000
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content().replace("\r\n", "\n") for part in (plain, html)] == [email.text, email.html]


@pytest.mark.parametrize("pipelining", [False, True])
async def test_every_attempt_carries_the_same_bytes(*, pipelining: bool) -> None:
    """Peers make a new Message-ID per attempt; then nobody can tell a copy."""
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink) as channel:
        sink.script("MESSAGE", DROP)
        assert isinstance(await channel.send(an_email()), Deferred)
        assert await channel.send(an_email()) == ACCEPTED
    first, second = sink.messages
    assert first == second


async def test_a_pooled_connection_carries_the_next_message() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        outcomes = [await channel.send(an_email(delivery_id=f"dlv_{number}")) for number in range(5)]
    assert (outcomes, sink.connections) == ([ACCEPTED] * 5, 1)


async def test_no_more_connections_are_opened_than_the_settings_allow() -> None:
    async with smtp_sink() as sink, channel_to(sink, connections=3, domains=UNSHAPED) as channel:
        outcomes = await asyncio.gather(*(channel.send(an_email(delivery_id=f"dlv_{n}")) for n in range(30)))
    assert (set(outcomes), len(sink.messages), sink.connections) == ({ACCEPTED}, 30, 3)


async def test_a_connection_carries_no_more_messages_than_the_settings_allow() -> None:
    async with smtp_sink() as sink, channel_to(sink, messages_per_connection=2) as channel:
        for number in range(5):
            assert await channel.send(an_email(delivery_id=f"dlv_{number}")) == ACCEPTED
    assert sink.connections == 3


async def test_an_unused_connection_is_given_up_with_a_farewell() -> None:
    async with smtp_sink() as sink, channel_to(sink, idle=0.05) as channel:
        await channel.send(an_email())
        async with asyncio.timeout(5):
            await sink.deserted.wait()
        assert sink.verbs[-1] == "QUIT"


@pytest.mark.parametrize("pipelining", [False, True])
async def test_one_refused_recipient_harms_no_other(*, pipelining: bool) -> None:
    """Peers let one bad RCPT abort the rest."""
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink, connections=1) as channel:
        sink.script("RCPT", "550 5.1.1 no such user")
        outcomes = [await channel.send(an_email(delivery_id=f"dlv_{number}")) for number in range(2)]
    refused = Refused(status_code=550, detail="bad-address: RCPT answered 550 5.1.1 no such user", bad_address=True)
    assert (outcomes, sink.connections) == ([refused, ACCEPTED], 1)
    assert sink.verbs.count("RSET") == 1


@pytest.mark.parametrize(
    ("verb", "answer", "outcome"),
    [
        ("MAIL", "451 4.3.0 later", Deferred(status_code=451, detail="relay: MAIL answered 451 4.3.0 later")),
        ("MAIL", "550 5.7.1 not you", Refused(status_code=550, detail="policy: MAIL answered 550 5.7.1 not you")),
        (
            "MAIL",
            "550 5.1.8 no such domain",
            Refused(status_code=550, detail="bad-sender: MAIL answered 550 5.1.8 no such domain"),
        ),
        (
            "MAIL",
            "530 5.7.0 log in first",
            Deferred(status_code=530, detail="login: MAIL answered 530 5.7.0 log in first"),
        ),
        ("RCPT", "450 greylisted", Deferred(status_code=450, detail="busy: RCPT answered 450 greylisted")),
        (
            "RCPT",
            "552 5.2.2 over quota",
            Refused(status_code=552, detail="mailbox-full: RCPT answered 552 5.2.2 over quota"),
        ),
        ("DATA", "452 4.3.1 disk full", Deferred(status_code=452, detail="relay: DATA answered 452 4.3.1 disk full")),
        ("DATA", "554 5.6.0 no", Refused(status_code=554, detail="content: DATA answered 554 5.6.0 no")),
        (
            "MESSAGE",
            "550 5.7.515 not signed",
            Refused(status_code=550, detail="policy: DATA answered 550 5.7.515 not signed"),
        ),
        ("MESSAGE", "421 4.3.2 closing", Deferred(status_code=421, detail="relay: DATA: 421 4.3.2 closing")),
        ("MAIL", "421 4.3.2 closing", Deferred(status_code=421, detail="relay: MAIL: 421 4.3.2 closing")),
        (
            "EHLO",
            "421 4.3.2 closing",
            Deferred(status_code=421, detail="relay: the relay localhost:PORT turned us away: 421 4.3.2 closing"),
        ),
        (
            "GREETING",
            "554 5.3.2 no service",
            Deferred(status_code=554, detail="relay: the relay localhost:PORT turned us away: 554 5.3.2 no service"),
        ),
    ],
)
@pytest.mark.parametrize("pipelining", [False, True])
async def test_an_answer_decides_what_becomes_of_the_message(
    verb: str, answer: str, outcome: Attempted, *, pipelining: bool
) -> None:
    """A synchronous 5xx ends the delivery; peers lose it."""
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink) as channel:
        sink.script(verb, answer)
        got = await channel.send(an_email())
    expected = type(outcome)(status_code=outcome.status_code, detail=outcome.detail.replace("PORT", str(sink.port)))
    assert got == expected


DOUBT = "; whether the relay has the message is unknown, it goes again with its Message-ID"


@pytest.mark.parametrize(
    ("verb", "detail"),
    [
        ("GREETING", "relay: no connection to the relay localhost:PORT: "),
        ("EHLO", "relay: no connection to the relay localhost:PORT: "),
        ("MAIL", "relay: MAIL: the relay closed the connection"),
        ("RCPT", "relay: RCPT: the relay closed the connection"),
        ("DATA", "relay: DATA: the relay closed the connection" + DOUBT),
        ("MESSAGE", "relay: DATA: the relay closed the connection" + DOUBT),
    ],
)
@pytest.mark.parametrize("pipelining", [False, True])
async def test_a_relay_that_drops_at_a_verb_defers_the_message(verb: str, detail: str, *, pipelining: bool) -> None:
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink) as channel:
        sink.script(verb, DROP)
        got = await channel.send(an_email())
        assert isinstance(got, Deferred)
        assert got.detail.startswith(detail.replace("PORT", str(sink.port)))
        assert await channel.send(an_email()) == ACCEPTED


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "MESSAGE"])
@pytest.mark.parametrize("pipelining", [False, True])
async def test_a_relay_that_never_answers_defers_the_message_in_time(verb: str, *, pipelining: bool) -> None:
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink, timeout=0.3) as channel:
        sink.script(verb, HANG)
        at = "DATA" if verb == "MESSAGE" else verb
        doubt = DOUBT if at == "DATA" else ""
        assert await channel.send(an_email()) == Deferred(detail=f"relay: {at}: no answer within 0.3 s{doubt}")


async def test_a_relay_that_never_greets_defers_the_message_in_time() -> None:
    async with smtp_sink() as sink, channel_to(sink, connect_timeout=0.2) as channel:
        sink.script("GREETING", HANG)
        assert await channel.send(an_email()) == Deferred(detail="relay: the relay did not let us in within 0.2 s")


async def test_waiting_for_a_connection_has_a_limit() -> None:
    async with smtp_sink() as sink, channel_to(sink, connections=1, timeout=0.3) as channel:
        assert isinstance(channel, SmtpSender)
        pool = channel._relays[0]._pool
        lent = await pool.take(Turn())
        got = await channel.send(an_email())
        pool.give_back(lent)
    assert got == Deferred(detail="relay: waiting for a connection: no answer within 0.3 s")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("answer", [DROP, "421 4.4.2 idle for too long"])
@pytest.mark.parametrize("pipelining", [False, True])
async def test_a_stale_connection_before_data_costs_no_attempt(verb: str, answer: Answer, *, pipelining: bool) -> None:
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink) as channel:
        await channel.send(an_email())
        sink.script(verb, answer)
        assert await channel.send(an_email()) == ACCEPTED
    assert (len(sink.messages), sink.connections) == (2, 2)


async def test_a_connection_lost_after_data_is_not_retried_behind_the_schedule() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        await channel.send(an_email())
        sink.script("MESSAGE", DROP)
        got = await channel.send(an_email())
    assert got == Deferred(detail="relay: DATA: the relay closed the connection" + DOUBT)
    assert (len(sink.messages), sink.connections) == (2, 1)


async def test_a_restarted_relay_costs_no_attempt() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        await channel.send(an_email())
        sink.drop_all()
        assert await channel.send(an_email()) == ACCEPTED
    assert sink.connections == 2


async def test_a_connection_whose_probe_fails_is_replaced() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        sink.script("RCPT", "550 5.1.1 no such user")
        sink.script("RSET", DROP)
        await channel.send(an_email())
        assert await channel.send(an_email()) == ACCEPTED
    assert sink.connections == 2


@pytest.mark.parametrize("pipelining", [False, True])
async def test_a_cancelled_send_leaves_no_half_used_connection_behind(*, pipelining: bool) -> None:
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink) as channel:
        sink.script("DATA", HANG)
        sending = asyncio.create_task(channel.send(an_email()))
        async with asyncio.timeout(5):
            while "DATA" not in sink.verbs:  # noqa: ASYNC110  the server's list is the only sign
                await asyncio.sleep(0.005)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await channel.send(an_email()) == ACCEPTED
    assert sink.connections == 2


async def test_commands_that_go_together_are_answered_one_by_one() -> None:
    """With PIPELINING a message takes two round trips; whatever was refused, the next one finds a clear connection."""
    refusals = ["550 5.7.1 not you", "550 5.1.1 no such user", "452 4.3.1 full"]
    async with smtp_sink(pipelining=True) as sink, channel_to(sink, connections=1) as channel:
        for verb, answer in zip(("MAIL", "RCPT", "DATA"), refusals, strict=True):
            sink.script(verb, answer)
            got = await channel.send(an_email())
            assert isinstance(got, Refused | Deferred)
            assert got.detail.endswith(f"{verb} answered {answer}")
            assert await channel.send(an_email()) == ACCEPTED
    assert (len(sink.messages), sink.connections) == (3, 1)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_a_relay_that_wants_the_content_of_a_refused_message_does_not_get_it(verb: str) -> None:
    async with smtp_sink(pipelining=True) as sink, channel_to(sink) as channel:
        sink.script(verb, "550 5.7.1 no")
        sink.script("DATA", "354 go on all the same")
        got = await channel.send(an_email())
        assert got == Refused(status_code=550, detail=f"policy: {verb} answered 550 5.7.1 no")
        assert await channel.send(an_email()) == ACCEPTED
    assert (len(sink.messages), sink.connections) == (1, 2)


async def test_done_before_there_was_a_message_is_no_acceptance() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        sink.script("DATA", "250 2.0.0 thank you")
        got = await channel.send(an_email())
    assert got == Deferred(status_code=250, detail="relay: DATA: 250 2.0.0 thank you")
    assert sink.messages == []


async def test_lines_that_open_with_a_dot_arrive_as_they_were() -> None:
    email = an_email(text=".\n..two\n.\r\nQUIT\n", html=None)
    async with smtp_sink() as sink, channel_to(sink) as channel:
        assert await channel.send(email) == ACCEPTED
    assert sink.messages[0].content.endswith(b"\r\n\r\n.\r\n..two\r\n.\r\nQUIT\r\n")


@pytest.mark.parametrize(("query", "implicit"), [("tls=starttls", False), ("tls=implicit", True)])
async def test_tls_and_login(tmp_path: Path, query: str, *, implicit: bool) -> None:
    context, bundle = tls_pair(tmp_path, "localhost")
    login = ("rewards@example.com", "open sesame")
    async with (
        smtp_sink(tls=context, implicit_tls=implicit, login=login) as sink,
        channel_to(sink, f"{query}&ca={bundle}&password=env:RELAY", "rewards%40example.com@") as channel,
    ):
        assert await channel.send(an_email()) == ACCEPTED
    assert sink.logins == [login]


async def test_a_refused_login_is_the_operators_to_mend() -> None:
    async with (
        smtp_sink(login=("rewards", "another password")) as sink,
        channel_to(sink, "tls=none&password=env:RELAY", "rewards@") as channel,
    ):
        got = await channel.send(an_email())
    assert isinstance(got, Deferred)
    assert got.status_code == 535
    assert got.detail.startswith(f"login: the relay localhost:{sink.port} refused the login: 535")
    assert "sesame" not in got.detail


async def test_a_missing_password_is_the_operators_to_mend() -> None:
    async with smtp_sink() as sink, channel_to(sink, "tls=none&password=env:ABSENT", "rewards@") as channel:
        assert await channel.send(an_email()) == Deferred(detail="login: there is no secret env:ABSENT")


async def test_a_relay_without_starttls_gets_no_message() -> None:
    async with smtp_sink() as sink, channel_to(sink, "tls=starttls") as channel:
        got = await channel.send(an_email())
    assert isinstance(got, Deferred)
    assert got.detail.startswith("tls: no TLS with the relay")
    assert sink.messages == []


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("names", [("localhost",), ("relay.example.net",)], ids=["unknown authority", "other name"])
async def test_a_certificate_that_does_not_prove_the_name_gets_no_message(
    tmp_path: Path, names: tuple[str, ...], *, implicit: bool
) -> None:
    context, bundle = tls_pair(tmp_path, *names)
    trusted = f"&ca={bundle}" if names != ("localhost",) else ""
    query = ("tls=implicit" if implicit else "tls=starttls") + trusted
    async with smtp_sink(tls=context, implicit_tls=implicit) as sink, channel_to(sink, query) as channel:
        got = await channel.send(an_email())
    assert isinstance(got, Deferred)
    assert got.detail.startswith("tls: no TLS with the relay")
    assert "CERTIFICATE_VERIFY_FAILED" in got.detail
    assert sink.messages == []


async def test_a_relay_that_is_not_there_defers_the_message() -> None:
    async with smtp_sink() as sink:
        pass
    async with channel_to(sink) as channel:
        got = await channel.send(an_email())
    assert isinstance(got, Deferred)
    assert got.detail.startswith(f"relay: no connection to the relay localhost:{sink.port}: ")


@pytest.mark.parametrize("pipelining", [False, True])
async def test_an_answer_that_is_not_smtp_defers_the_message(*, pipelining: bool) -> None:
    async with smtp_sink(pipelining=pipelining) as sink, channel_to(sink) as channel:
        sink.script("MAIL", "HTTP/1.1 400 Bad Request")
        got = await channel.send(an_email())
    assert isinstance(got, Deferred)
    assert sink.messages == []


async def test_a_long_answer_is_kept_short_and_on_one_line() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        sink.script("RCPT", "550-5.1.1 " + "x" * 400 + "\r\n550 5.1.1 " + "y" * 400)
        got = await channel.send(an_email())
    assert isinstance(got, Refused)
    assert (len(got.detail), "\n" in got.detail, got.detail[-1]) == (500, False, "…")


async def test_a_certificate_file_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    settings = EmailSettings(transport=f"smtp://localhost?ca={tmp_path / 'absent.pem'}")
    with pytest.raises(
        InvalidConfiguration, match=r"email\.transport: the certificates in .*absent\.pem cannot be read"
    ):
        async with open_email_channel(settings, secrets_of({})):
            pass


async def test_an_unsendable_message_never_reaches_the_relay() -> None:
    async with smtp_sink() as sink, channel_to(sink) as channel:
        got = await channel.send(an_email(recipient="asha@example.com>\r\nRCPT TO:<eve@example.com"))
    assert isinstance(got, Refused)
    assert sink.connections == 0


async def test_closing_drops_what_is_under_way_and_does_not_wait() -> None:
    async with smtp_sink() as sink:
        async with channel_to(sink) as channel:
            await channel.send(an_email())
            sink.script("RCPT", HANG)
            sending = asyncio.create_task(channel.send(an_email()))
            async with asyncio.timeout(5):
                while sink.verbs.count("RCPT") < 2:  # noqa: ASYNC110  the server's list is the only sign
                    await asyncio.sleep(0.005)
        assert await sending == Deferred(detail="relay: the gateway is stopping")
