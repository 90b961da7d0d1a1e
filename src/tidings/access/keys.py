"""API keys: ``tdk_ID_SECRET``. The id names the key in files and logs; the secret is shown once and kept as a hash.

A secret is 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess that a slow hash would protect.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tidings.access.principal import Permission
from tidings.model import Rate

_PREFIX: Final = "tdk"
_TOKEN: Final = re.compile(rf"{_PREFIX}_([a-z0-9]{{8}})_([A-Za-z0-9_-]{{43}})")
_ID_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without those that look like others."""
_ID_LENGTH: Final = 8
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is kept of a key."""

    id: str
    name: str
    """Whose it is, in words."""
    digest: str
    """SHA-256 of the secret, hexadecimal."""
    orgs: frozenset[int] | None
    """None: every organisation."""
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime | None = None
    rate: Rate | None = None
    """How many calls it may make; None: any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key at the only moment when its token is known."""

    id: str
    token: str
    digest: str


def new_key() -> NewKey:
    """Make a key."""
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return NewKey(id=key_id, token=f"{_PREFIX}_{key_id}_{secret}", digest=hash_secret(secret))


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split_token(token: str) -> tuple[str, str] | None:
    """Return id and secret of a token, or None for what is none."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None
