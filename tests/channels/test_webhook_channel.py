"""Webhooks, against a real receiver that verifies with the reference library."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from channels_kit import OTHER_SECRET, SECRET, SECRETS, a_call, now_ms, secrets_of, tls_pair
from sink_kit import Reply, http_sink
from tidings.channels import WebhookChannel, WebhookSettings, open_webhook_channel
from tidings.channels.http_client import AddressBlocked, Target, open_http_client
from tidings.errors import InvalidConfiguration
from tidings.model import Accepted, Deferred, Gone, Outcome, Refused

BLOCKED = Refused(
    detail="the endpoint's address is not a public one; webhook.allow_networks says which others may be reached"
)
LOOPBACK = ("127.0.0.0/8",)


class Names:
    """A name service of the test's own: each look-up takes the next answer, and the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def opened(names: Names | None = None, **settings: Any) -> AsyncIterator[WebhookChannel]:
    options = WebhookSettings(**{"allow_networks": LOOPBACK, "timeout": 5, "resolve_ttl": 0, **settings})
    resolve = names or Names(["127.0.0.1"])
    async with open_webhook_channel(options, secrets_of(SECRETS), resolve=resolve) as channel:
        yield channel


async def test_a_webhook_arrives_signed() -> None:
    now = now_ms()
    async with http_sink(SECRET) as sink, opened() as channel:
        assert await channel.send(a_call(sink.url), now=now) == Accepted(status_code=200)
    (call,) = sink.received
    names = ("Content-Type", "Webhook-Id", "Webhook-Timestamp", "User-Agent")
    headers = {name.title(): value for name, value in call.headers.items()}
    assert (call.verified, call.path, call.body) == (True, "/hooks", b'{"type":"loyalty.points"}')
    assert [headers[name] for name in names] == ["application/json", "dlv_example", str(now // 1000), "Tidings/0.1.0"]


async def test_every_attempt_has_its_own_time_and_the_same_id() -> None:
    now = now_ms()
    async with http_sink(SECRET) as sink, opened() as channel:
        for attempt in range(2):
            await channel.send(a_call(sink.url), now=now + attempt * 60_000)
    assert [call.verified for call in sink.received] == [True, True]
    assert {call.headers["webhook-id"] for call in sink.received} == {"dlv_example"}
    assert len({call.headers["webhook-timestamp"] for call in sink.received}) == 2


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
async def test_during_a_rotation_either_secret_verifies(known: str) -> None:
    async with http_sink(known) as sink, opened() as channel:
        await channel.send(a_call(sink.url, secrets=("env:HOOK", "env:OLD_HOOK")), now=now_ms())
    assert [call.verified for call in sink.received] == [True]


async def test_a_rotated_secret_is_in_use_within_seconds() -> None:
    values = {"env:HOOK": OTHER_SECRET}
    now = now_ms()
    settings = WebhookSettings(allow_networks=LOOPBACK)
    async with http_sink(SECRET) as sink, open_webhook_channel(settings, secrets_of(values)) as channel:
        await channel.send(a_call(sink.url), now=now)
        values["env:HOOK"] = SECRET
        await channel.send(a_call(sink.url), now=now + 5_000)
    assert [call.verified for call in sink.received] == [False, True]


@pytest.mark.parametrize(
    ("references", "detail"),
    [
        (("env:ABSENT",), "endpoint crm: there is no secret env:ABSENT"),
        (("env:HOOK", "env:ABSENT"), "endpoint crm: there is no secret env:ABSENT"),
        (
            ("env:RELAY",),
            "endpoint crm: the secret env:RELAY cannot be used: a signing secret reads whsec_ and then base64",
        ),
        ((), "endpoint crm: it has no secret to sign with; give it one under secrets"),
    ],
)
async def test_a_missing_secret_is_the_operators_to_mend(references: tuple[str, ...], detail: str) -> None:
    async with http_sink() as sink, opened() as channel:
        assert await channel.send(a_call(sink.url, secrets=references), now=now_ms()) == Deferred(detail=detail)
    assert sink.received == []


REDIRECTED = "redirects are not followed, so give the endpoint the address that it moved to"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(status=204), Accepted(status_code=204)),
        (Reply(status=200, body=b'{"ok": true}\n'), Accepted(status_code=200, detail='{"ok": true}')),
        (Reply(status=404, body=b"no such hook"), Refused(status_code=404, detail="no such hook")),
        (Reply(status=410), Gone(status_code=410)),
        (Reply(status=301, headers={"location": "https://example.com/"}), Refused(status_code=301, detail=REDIRECTED)),
        (Reply(status=304), Refused(status_code=304, detail=REDIRECTED)),
        (Reply(status=503, headers={"retry-after": "120"}), Deferred(status_code=503, retry_after_ms=120_000)),
        (Reply(status=429, headers={"retry-after": "soon"}), Deferred(status_code=429)),
        (Reply(status=500, body=b"\x00\xff<p>\r\nfailed"), Deferred(status_code=500, detail="\ufffd<p> failed")),
        (Reply(status=404, headers={"retry-after": "5"}), Refused(status_code=404)),
        (Reply(status=400, body=b"x" * 600), Refused(status_code=400, detail="x" * 499 + "…")),
    ],
)
async def test_the_answer_decides_what_becomes_of_the_webhook(reply: Reply, outcome: Outcome) -> None:
    """3xx is no success, 429 is tried again, 4xx is not: peers got each of these wrong."""
    async with http_sink(SECRET) as sink, opened() as channel:
        sink.script(reply)
        assert await channel.send(a_call(sink.url), now=now_ms()) == outcome
    assert len(sink.received) == 1


async def test_a_redirect_to_a_private_address_is_not_followed() -> None:
    """Peers follow it, and so reach what only they can reach."""
    async with http_sink(SECRET) as inside, http_sink(SECRET) as sink, opened() as channel:
        sink.script(Reply(status=307, headers={"location": inside.url}))
        got = await channel.send(a_call(sink.url), now=now_ms())
    assert (got, inside.received) == (Refused(status_code=307, detail=REDIRECTED), [])


@pytest.mark.parametrize("fault", ["reset-early", "reset-late"])
async def test_a_reset_before_the_answer_defers(fault: Any) -> None:
    async with http_sink(SECRET) as sink, opened() as channel:
        sink.script(Reply(fault=fault))
        got = await channel.send(a_call(sink.url), now=now_ms())
    assert got == Deferred(detail="the connection was closed before an answer came")


async def test_a_receiver_that_never_answers_defers_in_time() -> None:
    async with http_sink(SECRET) as sink, opened(timeout=0.3) as channel:
        sink.script(Reply(fault="hang"))
        assert await channel.send(a_call(sink.url), now=now_ms()) == Deferred(detail="no answer in time")


@pytest.mark.parametrize("fault", ["reset-in-answer", "trickle"])
async def test_a_status_stands_even_if_its_body_breaks_off(fault: Any) -> None:
    async with http_sink(SECRET) as sink, opened(timeout=0.3) as channel:
        sink.script(Reply(status=200, body=b"half", fault=fault))
        got = await channel.send(a_call(sink.url), now=now_ms())
        again = await channel.send(a_call(sink.url), now=now_ms())
    assert got == Accepted(status_code=200, detail="half")
    assert again == Accepted(status_code=200)
    assert len({call.connection for call in sink.received}) == 2


async def test_an_endless_answer_is_read_to_its_limit_and_its_connection_dropped() -> None:
    async with http_sink(SECRET) as sink, opened() as channel:
        sink.script(Reply(status=200, body=b"y" * 5_000_000))
        got = await channel.send(a_call(sink.url), now=now_ms())
        await channel.send(a_call(sink.url), now=now_ms())
    assert got == Accepted(status_code=200, detail="y" * 499 + "…")
    assert len({call.connection for call in sink.received}) == 2


async def test_an_answer_that_is_not_http_defers() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 relay.example.com ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, opened() as channel:
        port = server.sockets[0].getsockname()[1]
        got = await channel.send(a_call(f"http://127.0.0.1:{port}/"), now=now_ms())
    assert isinstance(got, Deferred)
    assert got.detail.startswith("no readable answer: ")


async def test_nobody_listening_defers() -> None:
    async with http_sink() as sink:
        pass
    async with opened() as channel:
        got = await channel.send(a_call(sink.url), now=now_ms())
    assert isinstance(got, Deferred)
    assert got.detail.startswith(f"no connection to 127.0.0.1:{sink.port}: ")


async def test_an_unknown_name_defers() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    settings = WebhookSettings()
    async with open_webhook_channel(settings, secrets_of(SECRETS), resolve=resolve) as channel:
        got = await channel.send(a_call("https://crm.example.com/hooks"), now=now_ms())
    assert got == Deferred(detail="the name crm.example.com was not resolved: no such name")


# TLS


async def test_tls_is_checked_on_the_name_and_carried_to_the_vetted_address(tmp_path: Path) -> None:
    context, bundle = tls_pair(tmp_path, "crm.example.com")
    async with http_sink(SECRET, tls=context) as sink, opened(ca=str(bundle)) as channel:
        got = await channel.send(a_call(f"https://crm.example.com:{sink.port}/hooks"), now=now_ms())
    assert (got, [call.verified for call in sink.received]) == (Accepted(status_code=200), [True])


@pytest.mark.parametrize(
    ("name", "trusted"),
    [("crm.example.com", False), ("other.example.com", True)],
    ids=["unknown authority", "other name"],
)
async def test_a_certificate_that_does_not_prove_the_name_defers(tmp_path: Path, name: str, *, trusted: bool) -> None:
    context, bundle = tls_pair(tmp_path, name)
    async with http_sink(SECRET, tls=context) as sink, opened(ca=str(bundle) if trusted else None) as channel:
        got = await channel.send(a_call(f"https://crm.example.com:{sink.port}/hooks"), now=now_ms())
    assert isinstance(got, Deferred)
    assert got.detail.startswith("TLS failed: ")
    assert sink.received == []


async def test_a_receiver_without_tls_defers() -> None:
    async with http_sink(SECRET) as sink, opened() as channel:
        got = await channel.send(a_call(sink.url.replace("http:", "https:")), now=now_ms())
    assert isinstance(got, Deferred)
    assert got.detail.startswith("TLS failed: ")


async def test_a_certificate_file_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    settings = WebhookSettings(ca=str(tmp_path / "absent.pem"))
    with pytest.raises(InvalidConfiguration, match=r"webhook\.ca: the certificates in .*absent\.pem cannot be read"):
        async with open_webhook_channel(settings, secrets_of({})):
            pass


# The guard: which addresses are reached


async def test_a_name_that_leads_inside_is_refused() -> None:
    names = Names(["127.0.0.1", "::1"])
    async with http_sink(SECRET) as sink, opened(names, allow_networks=()) as channel:
        got = await channel.send(a_call(f"http://crm.example.com:{sink.port}/hooks"), now=now_ms())
    assert (got, sink.received, names.asked) == (BLOCKED, [], ["crm.example.com"])


async def test_of_mixed_addresses_only_admitted_ones_are_reached() -> None:
    names = Names(["127.0.0.2", "127.0.0.1", "169.254.169.254"])
    async with http_sink(SECRET) as sink, opened(names, allow_networks=("127.0.0.1/32",)) as channel:
        got = await channel.send(a_call(f"http://crm.example.com:{sink.port}/hooks"), now=now_ms())
    assert (got, len(sink.received)) == (Accepted(status_code=200), 1)


async def test_a_name_is_resolved_once_a_connection_and_vetted_at_each() -> None:
    """A name service that changes its answer after the check gains nothing: there is one look-up, and it is vetted."""
    names = Names(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"])
    async with http_sink(SECRET) as sink, opened(names, allow_networks=("127.0.0.1/32",), idle=30) as channel:
        call = a_call(f"http://crm.example.com:{sink.port}/hooks")
        sink.script(Reply(status=500, fault="reset-in-answer"))  # ends the first connection
        outcomes = [await channel.send(call, now=now_ms()) for _ in range(3)]
    assert outcomes == [Deferred(status_code=500), BLOCKED, Accepted(status_code=200)]
    assert len(names.asked) == 3


async def test_a_kept_connection_stays_with_its_vetted_address() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with http_sink(SECRET) as sink, opened(names) as channel:
        call = a_call(f"http://crm.example.com:{sink.port}/hooks")
        outcomes = [await channel.send(call, now=now_ms()) for _ in range(4)]
    assert outcomes == [Accepted(status_code=200)] * 4
    assert (len(names.asked), len({each.connection for each in sink.received})) == (1, 1)


async def test_vetted_addresses_are_used_again_for_a_while() -> None:
    names = Names(["127.0.0.1"])
    async with http_sink(SECRET) as sink, opened(names, resolve_ttl=60) as channel:
        call = a_call(f"http://crm.example.com:{sink.port}/hooks")
        outcomes = await asyncio.gather(*(channel.send(call, now=now_ms()) for _ in range(8)))
    assert (outcomes, len(names.asked)) == ([Accepted(status_code=200)] * 8, 1)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.01", "127.0.0.1.",
        "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
        "169.254.169.254", "10.0.0.1", "0", "0.0.0.0", "\uff11\uff12\uff17.0.0.1", "%31%32%37.0.0.1",
    ],
)  # fmt: skip
async def test_an_address_inside_is_refused_in_any_spelling(host: str) -> None:
    async with http_sink(SECRET) as sink, opened(allow_networks=()) as channel:
        got = await channel.send(a_call(f"http://{host}:{sink.port}/hooks"), now=now_ms())
    assert (got, sink.received) == (BLOCKED, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "127.0.0.1."])
async def test_an_allowed_address_is_reached_in_any_spelling(host: str) -> None:
    async with http_sink(SECRET) as sink, opened() as channel:
        got = await channel.send(a_call(f"http://{host}:{sink.port}/hooks"), now=now_ms())
    assert (got, len(sink.received)) == (Accepted(status_code=200), 1)


async def test_the_last_check_stands_where_the_socket_is_made() -> None:
    """Whatever way an address came in, no socket is opened to one that is not admitted."""
    context = ssl.create_default_context()
    resolve = Names(["127.0.0.1"])
    async with (
        http_sink(SECRET) as sink,
        open_http_client(WebhookSettings(), context=context, resolve=resolve) as client,
    ):
        unchecked = Target(URL(sink.url))
        with pytest.raises(AddressBlocked):
            await client.post(unchecked, b"{}", {})
    assert sink.received == []


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("ftp://example.com/", "the endpoint's url starts with neither https:// nor http://"),
        ("file:///etc/passwd", "the endpoint's url starts with neither https:// nor http://"),
        ("https://user:word@example.com/", "the endpoint's url holds a user or a password, which are not sent"),
        ("https://user@example.com/", "the endpoint's url holds a user or a password, which are not sent"),
        ("https:///hooks", "the endpoint's url names no host, no port or is too long"),
        ("https://example.com:99999/", "the endpoint's url is not one"),
        ("http://[::1", "the endpoint's url is not one"),
        ("https://example.com/" + "x" * 2000, "the endpoint's url names no host, no port or is too long"),
    ],
)
async def test_a_url_that_cannot_be_posted_to_is_refused(url: str, detail: str) -> None:
    async with opened() as channel:
        assert await channel.send(a_call(url), now=now_ms()) == Refused(detail=detail)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_sink() as proxy, http_sink(SECRET) as sink, opened() as channel:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        got = await channel.send(a_call(sink.url), now=now_ms())
    assert (got, len(sink.received), proxy.received) == (Accepted(status_code=200), 1, [])


async def test_a_cookie_is_not_kept() -> None:
    async with http_sink(SECRET) as sink, opened() as channel:
        sink.default = Reply(headers={"set-cookie": "session=1; Path=/"})
        for _ in range(2):
            await channel.send(a_call(sink.url), now=now_ms())
    assert [call.headers.get("cookie") for call in sink.received] == [None, None]


async def test_one_endpoint_takes_no_more_connections_than_its_share() -> None:
    async with http_sink(SECRET) as sink, opened(connections_per_endpoint=2) as channel:
        outcomes = await asyncio.gather(*(channel.send(a_call(sink.url), now=now_ms()) for _ in range(20)))
    assert outcomes == [Accepted(status_code=200)] * 20
    assert len({call.connection for call in sink.received}) <= 2


async def test_a_cancelled_send_leaves_the_channel_usable() -> None:
    async with http_sink(SECRET) as sink, opened(connections_per_endpoint=1) as channel:
        sink.script(Reply(fault="trickle"))
        sending = asyncio.create_task(channel.send(a_call(sink.url), now=now_ms()))
        async with asyncio.timeout(5):
            while not sink.received:  # noqa: ASYNC110  the server's list is the only sign
                await asyncio.sleep(0.005)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await channel.send(a_call(sink.url), now=now_ms()) == Accepted(status_code=200)
