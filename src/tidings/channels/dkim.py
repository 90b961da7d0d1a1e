"""Signs e-mails with DKIM (RFC 6376): rsa-sha256, or ed25519-sha256 (RFC 8463), relaxed/relaxed.

The keys and the signing are cryptography's; what is written here is the canonical form and the header, and the
tests have each signature verified by another implementation. Nothing in a signature depends on the hour of the
attempt, and both algorithms are deterministic: the same e-mail gives the same signed bytes every time.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tidings.channels.compose import Composed, checked_lines

_SIGNED: Final = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "auto-submitted",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
_SEALED: Final = ("from", "to", "subject", "date", "message-id")
"""Signed once more than they are there: a second one, put in on the way, breaks the signature."""
_FEWEST_BITS: Final = 1024
"""RFC 8301: a receiver ignores signatures of shorter RSA keys."""
_SPACES: Final = re.compile(rb"[ \t]+")
_SPACE_AT_END: Final = re.compile(rb" +(?=\r\n|\Z)")
_FOLDS: Final = re.compile(rb"\r\n(?=[ \t])")
_LINE: Final = 72


class UnusableKey(ValueError):
    """A private key cannot sign; the message says why and never repeats the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key and the selector under which its public half stands in the DNS."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """The name of the algorithm in the signature."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """Sign the SHA-256 hash of ``data``; Ed25519 signs the hash as its message (RFC 8463)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PKCS1v15(), SHA256())
        return self.private.sign(hashlib.sha256(data).digest())


def read_signing_key(pem: str, *, domain: str, selector: str) -> SigningKey:
    """Read an RSA or Ed25519 private key in PEM; raise UnusableKey when it is none."""
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("it is not a private key in PEM without a passphrase") from None
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise UnusableKey("DKIM takes an RSA or an Ed25519 key")
    if isinstance(private, RSAPrivateKey) and private.key_size < _FEWEST_BITS:
        raise UnusableKey(f"an RSA key of {private.key_size} bits is ignored by receivers; take 2048")
    return SigningKey(domain=domain, selector=selector, private=private)


class DkimSigner:
    """Signs the e-mails of the domains that have keys; others it leaves as they are."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        by_domain: dict[str, list[SigningKey]] = {}
        for key in keys:
            by_domain.setdefault(key.domain.lower(), []).append(key)
        self._keys: Mapping[str, Sequence[SigningKey]] = by_domain
        self.has_keys = bool(by_domain)
        """Whether it signs for any domain."""

    async def sign(self, message: Composed, *, date: int) -> Composed:
        """Return the message with a signature of each key of its sender's domain, dated ``date`` (epoch ms).

        RSA takes half a millisecond and lets go of the interpreter, so a thread does it beside the loop; for
        Ed25519 the way to a thread and back would cost more than the signature.
        """
        keys = self._keys.get(message.sender.rpartition("@")[2].lower())
        if not keys:
            return message
        if any(isinstance(key.private, RSAPrivateKey) for key in keys):
            return await asyncio.to_thread(sign, message, keys, date=date)
        return sign(message, keys, date=date)


def sign(message: Composed, keys: Iterable[SigningKey], *, date: int) -> Composed:
    """Put a signature of each key above the message's headers, dated ``date`` (epoch milliseconds)."""
    head, _, body = message.content.partition(b"\r\n\r\n")
    headers = _relaxed_headers(head)
    body_hash = base64.b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
    signatures = [_signature(key, headers, body_hash, date=date) for key in keys]
    return message._replace(content=checked_lines(b"".join(signatures)) + message.content)


def _signature(key: SigningKey, headers: Mapping[str, bytes], body_hash: str, *, date: int) -> bytes:
    names = (*(name for name in _SIGNED if name in headers), *_SEALED)
    tags = (
        "v=1",
        f"a={key.algorithm}",
        "c=relaxed/relaxed",
        f"d={key.domain}",
        f"s={key.selector}",
        f"t={date // 1000}",
        f"h={':'.join(names)}",
        f"bh={body_hash}",
        "b=",
    )
    header = _folded("DKIM-Signature:", tags).encode("ascii")
    # a name's second turn in the list finds no header and adds nothing
    signed = b"".join(headers[name] + b"\r\n" for name in _SIGNED if name in headers)
    signature = base64.b64encode(key.sign(signed + _relaxed(header))).decode()
    lines = [signature[start : start + _LINE] for start in range(0, len(signature), _LINE)]
    return header + "\r\n ".join(("", *lines)).encode("ascii") + b"\r\n"


def _folded(name: str, tags: Iterable[str]) -> str:
    """Write the tags one after the other, a long list of names broken at its colons."""
    lines = [name]
    for word in "; ".join(tags).replace(":", ": ").split(" "):
        if len(lines[-1]) + 1 + len(word) > _LINE:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines)


def _relaxed_headers(head: bytes) -> Mapping[str, bytes]:
    """Return each header's canonical form by its name; of several of one name the last, as verifiers do."""
    canonical = [_relaxed(line) for line in _FOLDS.sub(b"", head).split(b"\r\n")]
    return {line.partition(b":")[0].decode("ascii"): line for line in canonical}


def _relaxed(header: bytes) -> bytes:
    name, _, value = _FOLDS.sub(b"", header).partition(b":")
    return name.strip().lower() + b":" + _SPACES.sub(b" ", value).strip()


def _relaxed_body(body: bytes) -> bytes:
    text = _SPACE_AT_END.sub(b"", _SPACES.sub(b" ", body)).rstrip(b"\r\n")
    return text + b"\r\n" if text else b""
