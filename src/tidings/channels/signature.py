"""Standard Webhooks signatures over ``id.timestamp.body``: ``v1`` is HMAC-SHA256, ``v1a`` is ed25519.

The secret's prefix says which: ``whsec_`` signs with ``v1``, ``whsk_`` with ``v1a``. The timestamp is the
attempt's, in whole seconds since the epoch, so no zone can shift it.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TOLERANCE_SECONDS: Final = 300
"""How far a receiver's clock and a timestamp may lie apart, either way."""

_BLOCK: Final = 64
"""SHA-256's block, bytes; a shared secret is never longer."""
_INNER: Final = bytes(each ^ 0x36 for each in range(256))
_OUTER: Final = bytes(each ^ 0x5C for each in range(256))


class SharedKey:
    """The bytes of a shared secret, as HMAC-SHA256 wants them.

    HMAC hashes the key before each message; kept in two hashes, that costs once for all messages and not, with what
    the library needs to find its algorithm each time, half of every signature.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def sign(self, content: bytes) -> bytes:
        """Return the HMAC of the content."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return outer.digest()


Key = SharedKey | Ed25519PrivateKey
"""What signs: a shared secret, or a private key."""

_PREFIX: Final = "whsec_"
_PRIVATE_PREFIX: Final = "whsk_"
_SHORTEST: Final = 24
_LONGEST: Final = 64
_SEED: Final = 32
_PAIR: Final = 64


def decode_key(secret: str) -> Key:
    """Return what signs with this secret, of either kind; raise ValueError, which never repeats it."""
    text = secret.strip()
    if text.startswith(_PRIVATE_PREFIX):
        return _private_key(text.removeprefix(_PRIVATE_PREFIX))
    return SharedKey(decode_secret(text))


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


def _private_key(text: str) -> Ed25519PrivateKey:
    """Read a seed of 32 bytes, or a seed with its public key behind it, which must be its own."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a private signing key reads whsk_ and then base64") from None
    if len(key) not in (_SEED, _PAIR):
        raise ValueError(f"a private signing key holds {_SEED} or {_PAIR} bytes, this one {len(key)}")
    private = Ed25519PrivateKey.from_private_bytes(key[:_SEED])
    if key[_SEED:] not in (b"", private.public_key().public_bytes_raw()):
        raise ValueError("a private signing key of 64 bytes ends in its public key, and this one does not")
    return private


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, ``v1,…`` or ``v1a,…``. Several, for a rotation, are joined with spaces."""
    return sign_with((decode_key(secret),), message_id, timestamp, body)


def sign_with(keys: tuple[Key, ...], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the whole ``webhook-signature`` header for these decoded keys."""
    content = f"{message_id}.{timestamp}.".encode() + body
    if len(keys) == 1:
        return _signature(keys[0], content)
    return " ".join([_signature(key, content) for key in keys])


def _signature(key: Key, content: bytes) -> str:
    version = "v1," if key.__class__ is SharedKey else "v1a,"
    return version + binascii.b2a_base64(key.sign(content), newline=False).decode()


def verify(secret: str, message_id: str, timestamp: int, body: bytes, *, signatures: str, now: int) -> bool:
    """Say whether one of the space-separated signatures is ours and ``timestamp`` near ``now`` (both in seconds).

    Every signature is compared, in constant time.
    """
    expected = sign(secret, message_id, timestamp, body).encode()
    matches = [hmac.compare_digest(expected, each.encode()) for each in signatures.split()]
    return any(matches) and abs(now - timestamp) <= TOLERANCE_SECONDS
