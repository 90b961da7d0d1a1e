"""Far sides that are slow, silent, or speak TLS that must not be trusted; each channel's own tests have more faults."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels_kit import SECRET, SECRETS, a_call, an_email, now_ms, secrets_of, tls_pair
from sink_kit import http_sink
from smtp_kit import DROP, HANG, Answer, Slow, smtp_sink
from tidings.channels import EmailSettings, WebhookSettings, open_email_channel, open_webhook_channel
from tidings.model import Accepted, Deferred, Outcome

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TAKEN = Accepted(status_code=250, detail="2.0.0 taken")


async def send_webhook(url: str, *, timeout: float = 5, connect_timeout: float = 5, ca: Path | None = None) -> Outcome:  # noqa: ASYNC109 (the setting's name)
    settings = WebhookSettings(
        allow_networks=("127.0.0.0/8",),
        timeout=timeout,
        connect_timeout=connect_timeout,
        ca=None if ca is None else str(ca),
    )
    async with open_webhook_channel(settings, secrets_of(SECRETS)) as channel:
        return await channel.send(a_call(url), now=now_ms())


async def send_email(port: int, query: str = "tls=none", *, timeout: float = 5, connect_timeout: float = 5) -> Outcome:  # noqa: ASYNC109 (the setting's name)
    settings = EmailSettings(
        transport=f"smtp://localhost:{port}?{query}",
        hello="gateway.example.com",
        timeout=timeout,
        connect_timeout=connect_timeout,
    )
    async with open_email_channel(settings, secrets_of(SECRETS)) as channel:
        return await channel.send(an_email())


@asynccontextmanager
async def server(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """Run a server that does this with each connection; yield its port."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def dripping(content: bytes, *, pause: float) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return what answers byte by byte."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        for number in range(len(content)):
            writer.write(content[number : number + 1])
            await writer.drain()
            await asyncio.sleep(pause)
        await asyncio.sleep(0.5)  # the other side hangs up first

    return drip


async def silent(writer: asyncio.StreamWriter) -> None:
    """Say nothing for longer than anybody waits."""
    await asyncio.sleep(60)


async def test_a_webhooks_answer_may_come_byte_by_byte_within_its_time() -> None:
    async with server(dripping(ANSWER, pause=0.001)) as port:
        assert await send_webhook(f"http://127.0.0.1:{port}/") == Accepted(status_code=200, detail="ok")


async def test_bytes_that_never_end_do_not_stretch_a_webhooks_time() -> None:
    """Each byte comes in good time; the answer does not."""
    began = time.monotonic()
    async with server(dripping(ANSWER, pause=0.2)) as port:
        assert await send_webhook(f"http://127.0.0.1:{port}/", timeout=0.4) == Deferred(detail="no answer in time")
    assert time.monotonic() - began < 4


async def test_bytes_that_never_end_do_not_stretch_an_emails_time() -> None:
    began = time.monotonic()
    async with server(dripping(b"220 relay.example.com ESMTP\r\n", pause=0.2)) as port:
        got = await send_email(port, connect_timeout=0.4)
    assert got == Deferred(detail="relay: the relay did not let us in within 0.4 s")
    assert time.monotonic() - began < 4


async def test_a_slow_relay_is_waited_for_within_its_time() -> None:
    async with smtp_sink() as sink:
        for verb in ("EHLO", "MAIL", "RCPT", "DATA", "MESSAGE"):
            sink.script(verb, Slow(0.05))
        assert await send_email(sink.port) == TAKEN
    assert len(sink.messages) == 1


@pytest.mark.parametrize(("scheme", "said"), [("http", "no answer in time"), ("https", "")])
async def test_a_receiver_that_accepts_and_says_nothing_defers_in_time(scheme: str, said: str) -> None:
    """In the clear the answer never comes; over TLS not even the handshake does, for which there is less time."""
    began = time.monotonic()
    async with server(silent) as port:
        limits = (0.3, 5) if scheme == "http" else (5, 0.3)
        got = await send_webhook(f"{scheme}://127.0.0.1:{port}/", timeout=limits[0], connect_timeout=limits[1])
    assert isinstance(got, Deferred)
    assert got.detail.startswith(said)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("query", ["tls=none", "tls=starttls", "tls=implicit"])
async def test_a_relay_that_accepts_and_says_nothing_defers_in_time(query: str) -> None:
    began = time.monotonic()
    async with server(silent) as port:
        got = await send_email(port, query, connect_timeout=0.3)
    assert got == Deferred(detail="relay: the relay did not let us in within 0.3 s")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("answer", [DROP, HANG, "500 what", "421 4.3.2 closing"])
async def test_a_relay_that_does_not_say_goodbye_takes_nothing_back(answer: Answer) -> None:
    began = time.monotonic()
    async with smtp_sink() as sink:
        sink.script("QUIT", answer)
        assert await send_email(sink.port) == TAKEN
        assert (len(sink.messages), sink.verbs[-1]) == (1, "QUIT")
        assert time.monotonic() - began < 5


def outdated(context: ssl.SSLContext) -> None:
    """Let a server speak only what is older than TLS 1.2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distrust:
    """Why a certificate proves nothing, and what is said of it."""

    name: str = "localhost"
    days: int = 1
    """Until it expires."""
    trusted: bool = True
    said: str


UNTRUSTED = pytest.mark.parametrize(
    "case",
    [
        Distrust(days=-1, said="certificate has expired"),
        Distrust(name="other.example.com", said="certificate is not valid for 'localhost'"),
        Distrust(trusted=False, said="unable to get local issuer certificate"),
    ],
    ids=["expired", "another name", "unknown authority"],
)
TLS = pytest.mark.parametrize("tls", ["starttls", "implicit"])


def server_of(case: Distrust, folder: Path) -> tuple[ssl.SSLContext, Path | None]:
    context, bundle = tls_pair(folder, case.name, not_after=datetime.now(UTC) + timedelta(days=case.days))
    return context, bundle if case.trusted else None


@UNTRUSTED
async def test_an_endpoint_whose_certificate_proves_nothing_gets_no_webhook(tmp_path: Path, case: Distrust) -> None:
    context, bundle = server_of(case, tmp_path)
    async with http_sink(SECRET, tls=context) as sink:
        got = await send_webhook(f"https://localhost:{sink.port}/hooks", ca=bundle)
    assert isinstance(got, Deferred)
    assert got.detail.startswith("TLS failed: ")
    assert case.said in got.detail
    assert sink.received == []


@TLS
@UNTRUSTED
async def test_a_relay_whose_certificate_proves_nothing_gets_no_message(
    tmp_path: Path, case: Distrust, tls: str
) -> None:
    context, bundle = server_of(case, tmp_path)
    async with smtp_sink(tls=context, implicit_tls=tls == "implicit") as sink:
        got = await send_email(sink.port, f"tls={tls}" + (f"&ca={bundle}" if bundle else ""))
    assert isinstance(got, Deferred)
    assert got.detail.startswith("tls: no TLS with the relay")
    assert case.said in got.detail
    assert sink.messages == []


async def test_an_endpoint_that_speaks_only_older_tls_gets_no_webhook(tmp_path: Path) -> None:
    context, bundle = tls_pair(tmp_path, "localhost")
    outdated(context)
    async with http_sink(SECRET, tls=context) as sink:
        got = await send_webhook(f"https://localhost:{sink.port}/hooks", ca=bundle)
    assert (type(got), sink.received) == (Deferred, [])


@TLS
async def test_a_relay_that_speaks_only_older_tls_gets_no_message(tmp_path: Path, tls: str) -> None:
    context, bundle = tls_pair(tmp_path, "localhost")
    outdated(context)
    async with smtp_sink(tls=context, implicit_tls=tls == "implicit") as sink:
        got = await send_email(sink.port, f"tls={tls}&ca={bundle}")
    assert (type(got), sink.messages) == (Deferred, [])


ALERT = bytes.fromhex("15 0301 0002 02 46")
"""TLS for: fatal, I do not speak your version."""


async def test_a_far_side_that_refuses_our_tls_version_is_said_to() -> None:
    async with server(dripping(ALERT, pause=0)) as port:
        webhook = await send_webhook(f"https://localhost:{port}/hooks")
        email = await send_email(port, "tls=implicit")
    assert isinstance(webhook, Deferred)
    assert isinstance(email, Deferred)
    assert webhook.detail.startswith("TLS failed: ")
    assert email.detail.startswith("tls: no TLS with the relay")
