"""The next message's commands go in the same write as this one's content: one connection, and who waits for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from channels_kit import SECRETS, an_email, secrets_of
from smtp_kit import DROP, Slow, SmtpSink, smtp_sink
from tidings.channels import EmailChannel, EmailSettings, open_email_channel
from tidings.model import Accepted, Deferred, Outcome, Refused

ACCEPTED = Accepted(status_code=250, detail="2.0.0 taken")
USUAL = Slow(0)
DOUBT = "; whether the relay has the message is unknown, it goes again with its Message-ID"


@asynccontextmanager
async def one_connection(sink: SmtpSink, **settings: object) -> AsyncIterator[EmailChannel]:
    """Open a channel whose one connection has carried a message: ``dlv_0``, for the scripts of MAIL and so on."""
    transport = f"smtp://127.0.0.1:{sink.port}?tls=none"
    options = {"hello": "gateway.example.com", "timeout": 5, "connections": 1, **settings}
    email = EmailSettings.model_validate({"transport": transport, **options})
    async with open_email_channel(email, secrets_of(SECRETS)) as channel:
        assert await channel.send(an_email(delivery_id="dlv_0")) == ACCEPTED
        yield channel


async def sent_together(channel: EmailChannel, count: int) -> Sequence[Outcome]:
    return await asyncio.gather(*(channel.send(an_email(delivery_id=f"dlv_{n + 1}")) for n in range(count)))


def arrived(sink: SmtpSink) -> list[str]:
    return [str(each.message["Message-ID"]).strip("<>").partition("@")[0] for each in sink.messages]


async def test_content_goes_out_with_the_commands_of_the_message_that_waits() -> None:
    """Bare sockets show what came in one piece."""
    pieces: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        while piece := await reader.read(65_536):
            pieces.append(piece)
            _, dot, rest = piece.rpartition(b"\r\n.\r\n")
            answers = [b"250 2.0.0 taken"] if dot else []
            for command in (rest if dot else piece).split(b"\r\n")[:-1]:
                verb = command[:4]
                answers += [b"250-relay", b"250 PIPELINING"] if verb == b"EHLO" else []
                answers += {b"MAIL": [b"250 ok"], b"RCPT": [b"250 ok"], b"DATA": [b"354 go"]}.get(verb, [])
            writer.write(b"".join(answer + b"\r\n" for answer in answers))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        transport = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}?tls=none"
        settings = EmailSettings(transport=transport, hello="gateway.example.com", connections=1, timeout=5)
        async with open_email_channel(settings, secrets_of(SECRETS)) as channel:
            outcomes = [await channel.send(an_email(delivery_id="dlv_0")), *await sent_together(channel, 3)]
    commands = b"MAIL FROM:<rewards@example.com>\r\nRCPT TO:<asha@example.com>\r\nDATA\r\n"
    assert outcomes == [ACCEPTED] * 4
    assert [each.partition(b"\r\n.\r\n")[2] for each in pieces if b"\r\n.\r\n" in each] == [
        b"",
        commands,
        commands,
        b"",
    ]
    assert pieces.count(commands) == 2  # the first message's, and the first's of those that went together


async def test_what_becomes_of_one_message_is_not_the_others_fate() -> None:
    async with smtp_sink(pipelining=True) as sink, one_connection(sink) as channel:
        # refused after its content, by its address, by the relay's leave; those between go through
        sink.script("MESSAGE", "554 5.6.0 no")
        sink.script("RCPT", USUAL, USUAL, "550 5.1.1 no such user")
        sink.script("MAIL", USUAL, USUAL, USUAL, USUAL, "421 4.3.2 closing")
        outcomes = await sent_together(channel, 6)
        assert outcomes == [
            Refused(status_code=554, detail="content: DATA answered 554 5.6.0 no"),
            ACCEPTED,
            Refused(status_code=550, detail="bad-address: RCPT answered 550 5.1.1 no such user", bad_address=True),
            ACCEPTED,
            ACCEPTED,
            ACCEPTED,
        ]
    assert sorted(arrived(sink)) == ["dlv_0", "dlv_2", "dlv_4", "dlv_5", "dlv_6"]
    assert sink.connections == 3  # one more for who went next, one for who was sent away


async def test_a_relay_that_wants_a_reset_after_what_it_refused_says_nothing_of_the_next() -> None:
    async with smtp_sink(pipelining=True) as sink, one_connection(sink) as channel:
        sink.script("MESSAGE", "554 5.6.0 no")
        sink.script("MAIL", USUAL, "503 5.5.1 nested MAIL command")
        outcomes = await sent_together(channel, 2)
    assert outcomes == [Refused(status_code=554, detail="content: DATA answered 554 5.6.0 no"), ACCEPTED]
    assert (arrived(sink), sink.connections) == (["dlv_0", "dlv_2"], 2)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (DROP, Deferred(detail=f"relay: DATA: the relay closed the connection{DOUBT}")),
        ("421 4.3.2 closing", Deferred(status_code=421, detail="relay: DATA: 421 4.3.2 closing")),
    ],
)
async def test_a_connection_that_breaks_costs_only_the_message_that_was_on_it(
    answer: object, outcome: Deferred
) -> None:
    async with smtp_sink(pipelining=True) as sink, one_connection(sink) as channel:
        sink.script("MESSAGE", answer)  # type: ignore[arg-type]  # either kind
        assert await sent_together(channel, 3) == [outcome, ACCEPTED, ACCEPTED]
    assert [each for each in arrived(sink) if each != "dlv_1"] == ["dlv_0", "dlv_2", "dlv_3"]


@pytest.mark.parametrize("gone", [0, 1])
async def test_who_gives_up_leaves_nobody_elses_answers_behind(gone: int) -> None:
    """Of two, the one whose content the relay thinks about, or the one whose commands went with it."""
    async with smtp_sink(pipelining=True) as sink, one_connection(sink) as channel:
        sink.script("MESSAGE", Slow(0.05))
        tasks = [asyncio.create_task(channel.send(an_email(delivery_id=f"dlv_{n + 1}"))) for n in range(3)]
        async with asyncio.timeout(5):
            while sink.verbs.count("MESSAGE") < 2:  # noqa: ASYNC110  the server's list is the only sign
                await asyncio.sleep(0.002)
        tasks[gone].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(outcomes.pop(gone), asyncio.CancelledError)
        assert outcomes == [ACCEPTED, ACCEPTED]
    assert set(arrived(sink)) >= {"dlv_0", "dlv_3"}
    assert gone == 0 or "dlv_2" not in arrived(sink)


async def test_nobody_is_bound_to_a_connection_that_answers_late_or_is_to_be_replaced() -> None:
    async with smtp_sink(pipelining=True) as sink, one_connection(sink, messages_per_connection=3) as channel:
        assert await sent_together(channel, 5) == [ACCEPTED] * 5
        assert sink.connections == 2
        sink.script("MESSAGE", Slow(0.15), DROP)
        late, lost, other = await sent_together(channel, 3)
    assert (late, other) == (ACCEPTED, ACCEPTED)
    assert lost == Deferred(detail=f"relay: DATA: the relay closed the connection{DOUBT}")


async def test_who_waits_for_a_promise_though_others_are_free_does_not_wait_long() -> None:
    async with smtp_sink(pipelining=True) as sink, one_connection(sink, connections=2) as channel:
        sink.script("MESSAGE", Slow(0.5))
        late = asyncio.create_task(channel.send(an_email(delivery_id="dlv_1")))
        async with asyncio.timeout(5):
            while sink.verbs.count("MESSAGE") < 2:  # noqa: ASYNC110  the server's list is the only sign
                await asyncio.sleep(0.002)
        assert await channel.send(an_email(delivery_id="dlv_2")) == ACCEPTED
        assert not late.done()
        assert (await late, sink.connections) == (ACCEPTED, 2)
