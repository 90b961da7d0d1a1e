"""What an endpoint asks of its webhooks besides a url: headers of its own, and a certificate to show."""

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from channels_kit import SECRET, SECRETS, a_call, now_ms, secrets_of
from sink_kit import http_sink
from tidings.channels import WebhookSettings, open_webhook_channel
from tidings.model import Accepted, Deferred, SecretRef, WebhookCall

LOOPBACK = ("127.0.0.0/8",)


def with_endpoint(call: WebhookCall, **changes: object) -> WebhookCall:
    return call._replace(endpoint=replace(call.endpoint, **changes))  # type: ignore[arg-type]  # a test's own keys


async def test_headers_are_sent_with_secrets_looked_up() -> None:
    headers = {"X-Tenant": "example", "Authorization": SecretRef("env", "RELAY")}
    settings = WebhookSettings(allow_networks=LOOPBACK)
    async with http_sink(SECRET) as sink, open_webhook_channel(settings, secrets_of(SECRETS)) as channel:
        outcome = await channel.send(with_endpoint(a_call(sink.url), headers=headers), now=now_ms())
    (call,) = sink.received
    assert (outcome, call.verified) == (Accepted(status_code=200), True)
    assert (call.headers["X-Tenant"], call.headers["Authorization"]) == ("example", "open sesame")


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "endpoint crm: there is no secret env:KEY"),
        (
            "two\nlines",
            "endpoint crm: the secret env:KEY cannot be the header X-Key: it must be printable ASCII on one line",
        ),
    ],
)
async def test_a_header_without_a_usable_secret_is_the_operators_to_mend(value: str | None, detail: str) -> None:
    secrets = secrets_of(SECRETS if value is None else {**SECRETS, "env:KEY": value})
    settings = WebhookSettings(allow_networks=LOOPBACK)
    async with http_sink(SECRET) as sink, open_webhook_channel(settings, secrets) as channel:
        call = with_endpoint(a_call(sink.url), headers={"X-Key": SecretRef("env", "KEY")})
        assert await channel.send(call, now=now_ms()) == Deferred(detail=detail)
    assert sink.received == []


class Parties:
    """A receiver that asks callers for a certificate, and files of those who call."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        authority.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.bundle = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.bundle))
        self.known = folder / "known.pem"
        authority.issue_cert("tidings.example.com").private_key_and_cert_chain_pem.write_to_path(str(self.known))
        self.stranger = folder / "stranger.pem"
        trustme.CA().issue_cert("x.example.com").private_key_and_cert_chain_pem.write_to_path(str(self.stranger))


async def test_a_certificate_is_shown_to_the_endpoint_that_wants_it(tmp_path: Path) -> None:
    parties = Parties(tmp_path)
    settings = WebhookSettings(allow_networks=LOOPBACK, ca=str(parties.bundle))
    async with (
        http_sink(SECRET, tls=parties.context) as sink,
        open_webhook_channel(settings, secrets_of(SECRETS)) as channel,
    ):
        shown = with_endpoint(a_call(sink.url), certificate=str(parties.known))
        strange = with_endpoint(a_call(sink.url), certificate=str(parties.stranger))
        outcomes = [await channel.send(call, now=now_ms()) for call in (shown, strange, a_call(sink.url), shown)]
    assert [type(each) for each in outcomes] == [Accepted, Deferred, Deferred, Accepted]
    assert len(sink.received) == 2


async def test_a_renewed_certificate_is_in_use_within_seconds(tmp_path: Path) -> None:
    parties = Parties(tmp_path)
    file = tmp_path / "client.pem"
    file.write_bytes(parties.stranger.read_bytes())
    settings = WebhookSettings(allow_networks=LOOPBACK, ca=str(parties.bundle))
    async with (
        http_sink(SECRET, tls=parties.context) as sink,
        open_webhook_channel(settings, secrets_of(SECRETS)) as channel,
    ):
        call = with_endpoint(a_call(sink.url), certificate=str(file))
        before = await channel.send(call, now=now_ms())
        file.write_bytes(parties.known.read_bytes())
        os.utime(file, ns=(1, 1))  # whatever the granularity of the file system's clock
        after = await channel.send(call, now=now_ms() + 5_000)
    assert [type(each) for each in (before, after)] == [Deferred, Accepted]


async def test_a_certificate_that_cannot_be_used_defers_and_says_why(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.pem", tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    settings = WebhookSettings(allow_networks=LOOPBACK)
    async with http_sink(SECRET) as sink, open_webhook_channel(settings, secrets_of(SECRETS)) as channel:
        outcomes = [
            await channel.send(with_endpoint(a_call(sink.url), certificate=str(each)), now=now_ms())
            for each in (absent, broken)
        ]
    assert outcomes == [
        Deferred(detail=f"endpoint crm: the certificate {absent} cannot be read: No such file or directory"),
        Deferred(
            detail=f"endpoint crm: the certificate {broken} cannot be used: "
            "it must hold a certificate and its unencrypted key, both as PEM"
        ),
    ]
    assert sink.received == []
