"""Standard Webhooks signatures."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from channels_kit import OTHER_SECRET, SECRET
from tidings.channels import decode_secret, sign, verify
from tidings.channels.answers import shorten
from tidings.channels.signature import decode_key, sign_with

MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIME = 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector() -> None:
    assert sign(SECRET, MESSAGE, TIME, BODY) == SIGNATURE


@given(st.binary(min_size=24, max_size=64), st.text(min_size=1), st.integers(0, 4_000_000_000))
def test_the_reference_library_signs_the_same(key: bytes, body: str, timestamp: int) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = body.encode("utf-8", "replace").decode()
    theirs = Webhook(secret).sign(MESSAGE, datetime.fromtimestamp(timestamp, UTC), body)
    assert sign(secret, MESSAGE, timestamp, body.encode()) == theirs


def test_several_keys_sign_one_header() -> None:
    keys = (decode_key(SECRET), decode_key(OTHER_SECRET))
    assert sign_with(keys, MESSAGE, TIME, BODY) == f"{SIGNATURE} {sign(OTHER_SECRET, MESSAGE, TIME, BODY)}"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"signatures": f"v1,bm90IHRoaXM= {SIGNATURE}"}, True),
        ({"now": TIME + 300}, True),
        ({"now": TIME - 300}, True),
        ({"now": TIME + 301}, False),
        ({"now": TIME - 301}, False),
        ({"body": BODY + b" "}, False),
        ({"secret": OTHER_SECRET}, False),
        ({"message_id": "msg_other"}, False),
        ({"timestamp": TIME + 1}, False),
        ({"signatures": ""}, False),
        ({"signatures": SIGNATURE.removeprefix("v1,")}, False),
        ({"signatures": "v1,é"}, False),
    ],
)
def test_only_a_signature_of_ours_and_of_the_hour_is_verified(changed: dict[str, object], expected: bool) -> None:  # noqa: FBT001  a case's expectation
    given_ = {
        "secret": SECRET,
        "message_id": MESSAGE,
        "timestamp": TIME,
        "body": BODY,
        "signatures": SIGNATURE,
        "now": TIME,
    }
    assert verify(**{**given_, **changed}) is expected  # type: ignore[arg-type]


def test_the_prefix_may_be_absent_and_space_round_it_present() -> None:
    assert decode_secret(f" {SECRET.removeprefix('whsec_')}\n") == decode_secret(SECRET)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("open sesame", "a signing secret reads whsec_ and then base64"),
        ("whsec_é", "a signing secret reads whsec_ and then base64"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "a signing secret holds 24 to 64 bytes, this one 23"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "a signing secret holds 24 to 64 bytes, this one 65"),
        ("", "a signing secret holds 24 to 64 bytes, this one 0"),
    ],
)
def test_an_unusable_secret_is_told_without_repeating_it(secret: str, message: str) -> None:
    with pytest.raises(ValueError, match="signing secret") as raised:
        decode_secret(secret)
    assert str(raised.value) == message


SEED = bytes(range(32))
PAIR = SEED + Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()


def private(key: bytes) -> str:
    return "whsk_" + base64.b64encode(key).decode()


@pytest.mark.parametrize("secret", [private(SEED), private(PAIR), f" {private(SEED)}\n"])
def test_a_private_key_signs_v1a_which_its_public_key_verifies(secret: str) -> None:
    version, _, signature = sign(secret, MESSAGE, TIME, BODY).partition(",")
    assert version == "v1a"
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    public.verify(base64.b64decode(signature), f"{MESSAGE}.{TIME}.".encode() + BODY)


def test_keys_of_either_kind_sign_one_header() -> None:
    keys = (decode_key(SECRET), decode_key(private(SEED)))
    assert sign_with(keys, MESSAGE, TIME, BODY) == f"{SIGNATURE} {sign(private(SEED), MESSAGE, TIME, BODY)}"


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("whsk_open sesame", "a private signing key reads whsk_ and then base64"),
        (private(SEED[:31]), "a private signing key holds 32 or 64 bytes, this one 31"),
        (private(SEED + SEED), "a private signing key of 64 bytes ends in its public key, and this one does not"),
    ],
)
def test_an_unusable_private_key_is_told_without_repeating_it(secret: str, message: str) -> None:
    with pytest.raises(ValueError, match="a private signing key") as raised:
        decode_key(secret)
    assert str(raised.value) == message


def test_neither_kind_of_secret_nor_signature_is_kept_from_an_answer() -> None:
    told = f"got {SECRET} {private(SEED)} {SIGNATURE} {sign(private(SEED), MESSAGE, TIME, BODY)}"
    assert shorten(told) == "got [redacted] [redacted] [redacted] [redacted]"
