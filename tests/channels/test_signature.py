"""Standard Webhooks signatures."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from channels_kit import OTHER_SECRET, SECRET
from tidings.channels import decode_secret, sign, verify
from tidings.channels.signature import sign_with

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
    keys = (decode_secret(SECRET), decode_secret(OTHER_SECRET))
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
