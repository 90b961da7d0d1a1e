"""Sealed tokens: who a link is for and what it may do, readable and makeable by nobody without the secret.

AES-SIV (RFC 5297) needs no random number: equal contents give equal tokens, so that every attempt at a delivery sends
the same bytes, and nothing can be spoilt by using a number twice. A token does not expire: an e-mail may be read years
later, and whoever reads it must still be able to say no. What a token is for is bound into its seal, so that a link
that unsubscribes from one category, which mail providers get to see, opens no page of preferences.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET: Final = 32
"""The fewest characters of a secret."""

_VERSION: Final = b"\x01"
_KEY_BYTES: Final = 64
_MOST_BYTES: Final = 500
"""The longest content, so that a token and its address fit one line of a header (998 bytes)."""
_LONGEST: Final = 800
_SHAPE: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST}}}", re.ASCII)


class UnusableSecret(ValueError):
    """A secret is too short to seal with; the message does not repeat it."""


class Purpose(StrEnum):
    """What a token may be used for."""

    UNSUBSCRIBE = "unsubscribe"
    """Objecting to one category."""
    PREFERENCES = "preferences"
    """Saying yes or no to every category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who a token is for: a customer, or an address where no customer is known."""

    org_id: int
    customer_id: str | None = None
    address: str | None = None
    """Given where ``customer_id`` is not."""
    category: str = ""
    """The category of the e-mail that it came with."""
    delivery_id: str = ""
    """That e-mail."""


class TokenBox:
    """Seals and opens tokens; what one of several secrets sealed, it opens."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets, the one that seals first; raise UnusableSecret for one that is too short."""
        if any(len(each) < MIN_SECRET for each in secrets):
            raise UnusableSecret(f"a secret must have at least {MIN_SECRET} characters that nobody can guess")
        self._ciphers = [AESSIV(_key(each)) for each in secrets]

    def seal(self, purpose: Purpose, reader: Reader) -> str | None:
        """Write a token of letters, digits, dashes and underscores; None when what it is for is too long.

        Raises:
            UnusableSecret: there is no secret.
        """
        if not self._ciphers:
            raise UnusableSecret("without a secret nothing can be sealed")
        content = _content(reader)
        if len(content) > _MOST_BYTES:
            return None
        sealed = self._ciphers[0].encrypt(content, _bound(purpose))
        return base64.urlsafe_b64encode(_VERSION + sealed).rstrip(b"=").decode()

    def open(self, purpose: Purpose, token: str) -> Reader | None:
        """Return who a token is for, or None for one that is not ours or that is for something else."""
        sealed = _unwrapped(token)
        for cipher in self._ciphers if sealed else ():
            try:
                content = cipher.decrypt(sealed, _bound(purpose))
            except (InvalidTag, ValueError):  # ValueError: too short to hold a seal
                continue
            return _reader(orjson.loads(content))
        return None


def _key(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"tidings links 1").derive(secret.encode())


def _bound(purpose: Purpose) -> list[bytes]:
    return [_VERSION + purpose.encode()]


def _content(reader: Reader) -> bytes:
    known = reader.customer_id is not None
    name = reader.customer_id if known else reader.address
    return orjson.dumps([reader.org_id, int(known), name, reader.category, reader.delivery_id])


def _reader(content: list[Any]) -> Reader:
    org_id, known, name, category, delivery_id = content
    return Reader(
        org_id=org_id,
        customer_id=name if known else None,
        address=None if known else name,
        category=category,
        delivery_id=delivery_id,
    )


def _unwrapped(token: str) -> bytes:
    """Return what a token of this version wraps; nothing for any other text, another spelling of a token included."""
    if not _SHAPE.fullmatch(token):
        return b""
    try:
        wrapped = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error:
        return b""
    if base64.urlsafe_b64encode(wrapped).rstrip(b"=").decode() != token or wrapped[:1] != _VERSION:
        return b""
    return wrapped[1:]
