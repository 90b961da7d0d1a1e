"""What is kept of an answer holds nothing that the endpoint was told in confidence, however it comes back."""

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_kit import OTHER_SECRET, SECRET, a_call, an_email, now_ms, secrets_of
from sink_kit import Reply, http_sink
from smtp_kit import smtp_sink
from tidings.channels import EmailSettings, WebhookSettings, open_email_channel, open_webhook_channel
from tidings.channels.redaction import Redactor, url_tokens
from tidings.model import Accepted, Deferred, Outcome, Postponed, Refused, SecretRef

TOKEN = 's3cr3t/+"quoted"&<w==>'
BARE = SECRET.removeprefix("whsec_")
PRIVATE = "whsk_" + "c2VlZCBvZiB0aGlydHktdHdvIGJ5dGVzLCBubyBtb3I="
SECRETS = {
    "env:HOOK": SECRET,
    "env:BARE": OTHER_SECRET.removeprefix("whsec_"),
    "env:PAIR": PRIVATE,
    "env:KEY": TOKEN,
    "env:BASIC": "Bearer opaque-token-of-the-brand",
}
CONFIDED = [
    TOKEN,
    "opaque-token-of-the-brand",
    BARE,
    SECRETS["env:BARE"],
    PRIVATE,
    "abcdef0123456789abcdef",
    "written-out",
]

Echo = Callable[[Mapping[str, str]], str]
"""Makes the body of an answer of the headers that came."""


def as_php(headers: Mapping[str, str]) -> str:
    return json.dumps(dict(headers)).replace("/", "\\/")


def as_dotnet(headers: Mapping[str, str]) -> str:
    text = json.dumps(dict(headers)).replace('\\"', "\\u0022")
    for sign in "+&<>":
        text = text.replace(sign, f"\\u{ord(sign):04X}")
    return text


def as_strict_html(headers: Mapping[str, str]) -> str:
    signs = {"+": "&#43;", "=": "&#x3D;", "/": "&#x2F;"}
    return "".join(signs.get(sign, sign) for sign in html.escape(repr(dict(headers))))


ECHOES: Mapping[str, Echo] = {
    "lines": lambda headers: "\n".join(f"{name}: {value}" for name, value in headers.items()),
    "json": lambda headers: json.dumps(dict(headers)),
    "json within json": lambda headers: json.dumps({"request": json.dumps(dict(headers))}),
    "php": as_php,
    ".net": as_dotnet,
    "html": lambda headers: html.escape(str(dict(headers))),
    "strict html": as_strict_html,
    "url": lambda headers: quote(str(dict(headers))),
    "form": lambda headers: urlencode(dict(headers)),
    "each alone": lambda headers: " ".join(part for value in headers.values() for part in value.split(",")),
}


async def echoed(status: int, *echoes: Echo) -> list[tuple[Outcome, Mapping[str, str]]]:
    """Send webhooks with all kinds of secrets to a sink that repeats them; return what came of each and its headers."""
    settings = WebhookSettings(allow_networks=("127.0.0.0/8",))
    async with http_sink(SECRET) as sink, open_webhook_channel(settings, secrets_of(SECRETS)) as channel:
        sink.script(*(Reply(status=status, echo=echo) for echo in echoes))
        call = a_call(f"{sink.url}?token=abcdef0123456789abcdef", secrets=("env:HOOK", "env:BARE", "env:PAIR"))
        headers: dict[str, str | SecretRef] = {
            "X-Key": SecretRef("env", "KEY"),
            "X-Auth": SecretRef("env", "BASIC"),
            "Authorization": "written-out",
        }
        call = call._replace(endpoint=replace(call.endpoint, headers=headers))
        outcomes = [await channel.send(call, now=now_ms()) for _ in echoes]
        assert all(each.verified for each in sink.received)
        sent = [{name.lower(): value for name, value in each.headers.items()} for each in sink.received]
        return list(zip(outcomes, sent, strict=True))


def only(name: str, echo: Echo) -> Echo:
    return lambda headers: echo({name: headers[name]})


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("form", ECHOES)
async def test_an_endpoint_that_echoes_its_request_gives_no_secret_away(form: str, status: int) -> None:
    names = ("Webhook-Signature", "X-Key", "X-Auth", "Authorization")
    for outcome, sent in await echoed(status, *(only(name, ECHOES[form]) for name in names)):
        assert not isinstance(outcome, Postponed)
        signatures = {given for each in sent["webhook-signature"].split() for given in each.split(",")[1:]}
        for secret in (*CONFIDED, *signatures):
            assert secret not in outcome.detail
            assert ECHOES[form]({"": secret})[1:-1] not in outcome.detail
        assert "[redacted]" in outcome.detail


async def test_a_secret_that_the_receiver_writes_into_its_answer_is_not_kept() -> None:
    told = f"no such key: {BARE}, {SECRETS['env:BARE']}, {PRIVATE}, /hooks?token=abcdef0123456789abcdef"
    ((outcome, _),) = await echoed(400, lambda headers: told)
    assert outcome == Refused(
        status_code=400, detail="no such key: [redacted], [redacted], [redacted], /hooks?token=[redacted]"
    )


async def test_an_answer_without_secrets_is_kept_as_it_is() -> None:
    plain = "50% of v1 & more \\ than <b>that</b> + Bearer hooks"
    ((outcome, _),) = await echoed(200, lambda headers: plain)
    assert outcome == Accepted(status_code=200, detail=plain)


@given(st.integers(0, 5_000), st.sampled_from(["", "x", "&", "%41"]))
def test_no_piece_of_a_secret_is_left_where_a_text_is_cut(before: int, filling: str) -> None:
    hide = Redactor([TOKEN])
    text = (filling or TOKEN) * before + TOKEN * 3 + "y" * 4_000
    assert not any(TOKEN[:length] in hide(text)[-len(TOKEN) :] for length in range(4, len(TOKEN)))
    assert TOKEN not in hide(text)


def test_long_words_of_a_url_may_be_tokens() -> None:
    url = "https://hooks.example.com/services/T00000000/abcdef0123456789?key=0123456789abcdef0&v=2"
    assert url_tokens(url) == ["abcdef0123456789", "0123456789abcdef0"]


@pytest.mark.parametrize(
    "echo",
    ["open sesame", "AHJld2FyZHMAb3BlbiBzZXNhbWU=", "b3BlbiBzZXNhbWU="],
    ids=["plain", "AUTH PLAIN", "AUTH LOGIN"],
)
@pytest.mark.parametrize("verb", ["AUTH", "GREETING"])
async def test_a_relay_that_repeats_our_login_does_not_give_it_away(verb: str, echo: str) -> None:
    async with smtp_sink(login=("rewards", "another password")) as sink:
        sink.script(verb, *[f"535 5.7.8 what is {echo}?"] * 4)
        transport = f"smtp://rewards@localhost:{sink.port}?tls=none&password=env:RELAY"
        settings = EmailSettings(transport=transport, hello="gateway.example.com")
        async with open_email_channel(settings, secrets_of({"env:RELAY": "open sesame"})) as channel:
            got = await channel.send(an_email())
    assert isinstance(got, Deferred)
    assert "what is [redacted]?" in got.detail
