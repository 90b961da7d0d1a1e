"""DKIM signatures, each verified by an implementation that is not ours."""

import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_kit import an_email, secrets_of
from dkim_kit import dns_record, new_key, pem, short_rsa_key, verifies
from long_kit import at_length
from smtp_kit import smtp_sink
from tidings.channels import EmailSettings, open_email_channel
from tidings.channels.compose import Composed, compose
from tidings.channels.dkim import SigningKey, UnusableKey, read_signing_key, sign
from tidings.errors import InvalidConfiguration
from tidings.model import Accepted, Email

RSA = new_key("2048")
ED25519 = new_key("ed25519")
RECORDS = {"s1._domainkey.example.com": dns_record(RSA), "s2._domainkey.example.com": dns_record(ED25519)}
KEYS = {
    "rsa": SigningKey(domain="example.com", selector="s1", private=RSA),
    "ed25519": SigningKey(domain="example.com", selector="s2", private=ED25519),
}
UNSUBSCRIBE = {
    "List-Unsubscribe": "<https://notify.example.com/unsubscribe/" + "a" * 90 + ">, <mailto:leave@example.com>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def signed(email: Email, *names: str) -> bytes:
    return sign(compose(email), [KEYS[name] for name in names], date=email.date).content


EMAILS = {
    "plain": an_email(html=None),
    "both parts": an_email(headers=UNSUBSCRIBE),
    "other scripts": an_email(
        subject="आपके 300 पॉइंट " * 8, text="नमस्ते\n" * 40, sender="Café Rewards <rewards@example.com>"
    ),
    "spaces and empty lines": an_email(text="  a \t b  \n\n \n.\n..\nend \n\n\n\n", html=None),
    "nothing to say": an_email(text="", html=None, subject=""),
}


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@pytest.mark.parametrize("email", EMAILS.values(), ids=list(EMAILS))
def test_a_signature_holds(email: Email, algorithm: str) -> None:
    assert verifies(signed(email, algorithm), RECORDS)


@settings(max_examples=at_length(20, 60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(max_size=300),
    subject=st.text(max_size=150),
    value=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=200),
)
def test_a_signature_holds_whatever_is_written(text: str, subject: str, value: str) -> None:
    email = an_email(text=text, subject=subject, headers={"List-Id": value})
    assert verifies(signed(email, "ed25519"), RECORDS)


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_the_same_email_gives_the_same_signed_bytes(algorithm: str) -> None:
    assert signed(EMAILS["both parts"], algorithm) == signed(EMAILS["both parts"], algorithm)


def test_what_matters_is_signed() -> None:
    """RFC 8058 wants both List-Unsubscribe headers under the signature."""
    header = re.sub(rb"\r\n\s+|(?<=:) ", b"", signed(EMAILS["both parts"], "rsa").partition(b"\r\nFrom:")[0]).decode()
    tags = dict(tag.strip().split("=", 1) for tag in header.removeprefix("DKIM-Signature:").split(";"))
    assert {name: tags[name] for name in ("v", "a", "c", "d", "s", "t")} == {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": "example.com",
        "s": "s1",
        "t": "1700000000",
    }
    sealed = "from:to:subject:date:message-id"
    others = "auto-submitted:list-unsubscribe:list-unsubscribe-post:mime-version:content-type"
    assert tags["h"] == f"{sealed}:{others}:{sealed}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Use them by Friday", b"Use them by Monday"),
        (b"Subject: 300 points", b"Subject: 900 points"),
        (b"\r\nTo: ", b"\r\nFrom: eve@example.org\r\nTo: "),
        (b"\r\nTo: ", b"\r\nSubject: pay now\r\nTo: "),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (b"unsubscribe/aaa", b"unsubscribe/bbb"),
        (b"multipart/alternative", b"multipart/mixed"),
    ],
)
def test_what_is_changed_on_the_way_breaks_the_signature(old: bytes, new: bytes) -> None:
    content = signed(EMAILS["both parts"], "rsa")
    assert old in content
    assert not verifies(content.replace(old, new, 1), RECORDS)


def test_what_relays_may_do_leaves_the_signature_whole() -> None:
    content = signed(EMAILS["both parts"], "rsa")
    relayed = (
        b"Received: from gateway.example.com\r\n" + content.replace(b"Subject: 300", b"SUBJECT:   300", 1) + b"\r\n"
    )
    assert verifies(relayed, RECORDS)


def test_every_line_of_the_header_is_short() -> None:
    header = signed(EMAILS["both parts"], "rsa").partition(b"\r\nFrom:")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 78


def test_of_several_keys_each_signs() -> None:
    content = signed(EMAILS["plain"], "rsa", "ed25519")
    assert [verifies(content, RECORDS, signature=number) for number in (0, 1)] == [True, True]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("not a key", "not a private key in PEM"),
        (pem(RSA).replace("A", "B"), "not a private key in PEM"),
        (pem(short_rsa_key()), "an RSA key of 768 bits is ignored by receivers"),
        (
            RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")).decode(),
            "without a passphrase",
        ),
        (
            generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "an RSA or an Ed25519 key",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_explained_and_not_repeated(key: str, message: str) -> None:
    with pytest.raises(UnusableKey, match=message) as raised:
        read_signing_key(key, domain="example.com", selector="s1")
    assert key[30:60] not in str(raised.value) or key == "not a key"


def mail_to(port: int, key: str = "env:DKIM") -> EmailSettings:
    return EmailSettings.model_validate(
        {
            "transport": f"smtp://localhost:{port}?tls=none",
            "hello": "gateway.example.com",
            "timeout": 5,
            "dkim": {"example.com": {"selector": "s1", "key": key}},
        }
    )


async def test_a_signature_holds_after_the_wire_and_on_every_attempt() -> None:
    email = an_email(text=".\n..dots\n", headers=UNSUBSCRIBE)
    async with (
        smtp_sink() as sink,
        open_email_channel(mail_to(sink.port), secrets_of({"env:DKIM": pem(RSA)})) as channel,
    ):
        for _ in range(2):
            assert isinstance(await channel.send(email), Accepted)
    first, second = sink.messages
    assert first == second
    assert verifies(first.content, RECORDS)


async def test_a_sender_of_another_domain_is_not_signed_for() -> None:
    async with (
        smtp_sink() as sink,
        open_email_channel(mail_to(sink.port), secrets_of({"env:DKIM": pem(RSA)})) as channel,
    ):
        assert isinstance(await channel.send(an_email(sender="rewards@news.example.com")), Accepted)
    assert sink.messages[0].message["DKIM-Signature"] is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"email\.dkim\.example\.com: there is no secret env:DKIM"),
        ("a secret that is no key", r"email\.dkim\.example\.com: env:DKIM cannot sign: it is not a private key"),
    ],
)
async def test_a_key_that_is_missing_or_wrong_is_said_at_the_start(value: str | None, message: str) -> None:
    secrets = secrets_of({} if value is None else {"env:DKIM": value})
    with pytest.raises(InvalidConfiguration, match=message):
        async with open_email_channel(mail_to(1), secrets):
            pass


def test_a_message_is_otherwise_left_as_it_was() -> None:
    message = compose(EMAILS["both parts"])
    after = sign(message, [KEYS["rsa"]], date=0)
    assert isinstance(after, Composed)
    assert after.content.endswith(message.content)
    assert (after.sender, after.recipient) == (message.sender, message.recipient)
