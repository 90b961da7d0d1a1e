"""Finding out who calls."""

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Final

from tidings.access.keys import Key, hash_secret, split_token
from tidings.access.principal import Principal
from tidings.errors import Overloaded, Unauthenticated

_NOBODY: Final = "0" * 64
"""Compared with when there is no such key, so that an id that exists takes no longer to refuse."""


class _Allowance:
    """A token bucket: a second's worth may be used at once, and it fills as time goes by."""

    __slots__ = ("_left", "_most", "_per_second", "_since")

    def __init__(self, key: Key, now: float) -> None:
        rate = key.rate
        self._per_second = rate.count / rate.seconds if rate else 0.0
        self._most = max(1.0, self._per_second)
        self._left = self._most
        self._since = now

    def use(self, now: float) -> float:
        """Take one; return 0, or after how many seconds there is one again."""
        self._left = min(self._most, self._left + max(0.0, now - self._since) * self._per_second)
        self._since = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._per_second


class Keyring:
    """The keys there are. Belongs to the loop it is used in."""

    def __init__(self, keys: Mapping[str, Key], *, clock: Callable[[], float]) -> None:
        """Take keys by id; ``clock`` gives the time, epoch seconds."""
        self._clock = clock
        self._keys = dict(keys)
        self._allowances: dict[str, _Allowance] = {}

    def replace(self, keys: Mapping[str, Key]) -> None:
        """Use these keys from now on."""
        self._keys = dict(keys)
        self._allowances = {name: each for name, each in self._allowances.items() if name in keys}

    def identify(self, token: str | None) -> Principal:
        """Say who calls with this token.

        Raises:
            Unauthenticated: there is none, it is not known, or it has expired.
            Overloaded: the key has made as many calls as it may.
        """
        if not token:
            raise Unauthenticated("this gateway wants a key; send it as metadata: authorization: Bearer tdk_…")
        parts = split_token(token)
        key = self._keys.get(parts[0]) if parts else None
        expected = key.digest if key else _NOBODY
        given = hash_secret(parts[1] if parts else "")
        if not hmac.compare_digest(expected, given) or key is None:
            raise Unauthenticated("the key is not known here; it may have been revoked")
        now = self._clock()
        if key.expires_at is not None and now >= key.expires_at.timestamp():
            day = key.expires_at.astimezone(UTC).isoformat(sep=" ", timespec="seconds")
            raise Unauthenticated(f"key {key.id} expired at {day}; make a new one with tidings keys create")
        self._count(key, now)
        return Principal(name=key.id, orgs=key.orgs, permissions=key.permissions)

    def _count(self, key: Key, now: float) -> None:
        if key.rate is None:
            return
        allowance = self._allowances.get(key.id)
        if allowance is None:
            allowance = self._allowances[key.id] = _Allowance(key, now)
        wait = allowance.use(now)
        if wait > 0:
            limit = f"{key.rate.count} calls in {key.rate.seconds:g} s"
            raise Overloaded(f"key {key.id} may make {limit}", retry_after=wait)
