"""Standard Webhooks signatures, version ``v1``: HMAC-SHA256 over ``id.timestamp.body``.

The timestamp is the attempt's, in whole seconds since the epoch, so no zone can shift it.
"""

import base64
import binascii
import hmac
from typing import Final

TOLERANCE_SECONDS: Final = 300
"""How far a receiver's clock and a timestamp may lie apart, either way."""

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24
_LONGEST: Final = 64


def decode_secret(secret: str) -> bytes:
    """Return the key that ``whsec_…`` stands for; the prefix may be absent.

    Raises ValueError, which never repeats the secret, unless it is base64 of 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signing secret reads whsec_ and then base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"a signing secret holds {_SHORTEST} to {_LONGEST} bytes, this one {len(key)}")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, ``v1,…``. Several, for a rotation, are joined with spaces."""
    return sign_with((decode_secret(secret),), message_id, timestamp, body)


def sign_with(keys: tuple[bytes, ...], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the whole ``webhook-signature`` header for these decoded keys."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + binascii.b2a_base64(hmac.digest(key, content, "sha256"), newline=False).decode() for key in keys
    )


def verify(secret: str, message_id: str, timestamp: int, body: bytes, *, signatures: str, now: int) -> bool:
    """Say whether one of the space-separated signatures is ours and ``timestamp`` near ``now`` (both in seconds).

    Every signature is compared, in constant time.
    """
    expected = sign(secret, message_id, timestamp, body).encode()
    matches = [hmac.compare_digest(expected, each.encode()) for each in signatures.split()]
    return any(matches) and abs(now - timestamp) <= TOLERANCE_SECONDS
