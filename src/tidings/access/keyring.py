"""Finding out who calls."""

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Final

from tidings.access.bucket import Bucket
from tidings.access.keys import Key, hash_secret, split_token
from tidings.access.principal import Principal
from tidings.errors import Overloaded, Unauthenticated

_NOBODY: Final = "0" * 64
"""Compared with when there is no such key, so that an id that exists takes no longer to refuse."""


class Keyring:
    """The keys there are. Belongs to the loop it is used in."""

    def __init__(
        self, keys: Mapping[str, Key], *, clock: Callable[[], float], gateways: Callable[[], int] = lambda: 1
    ) -> None:
        """Take keys by id.

        Args:
            keys: by id.
            clock: gives the time, epoch seconds.
            gateways: gives how many answer callers: each lets through its part of what a key may do.
        """
        self._gateways = gateways
        self._clock = clock
        self._keys = dict(keys)
        self._allowances: dict[str, tuple[int, Bucket]] = {}
        """By key, among how many gateways its rate was divided, and what is left of the part."""

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
        per_second = key.rate.count / key.rate.seconds
        gateways = self._gateways()
        divided_among, allowance = self._allowances.get(key.id) or (0, None)
        if allowance is None or divided_among != gateways:
            # A second's worth may be used at once, and at least one call.
            allowance = Bucket(most=max(float(gateways), per_second), per_second=per_second, now=now)
            self._allowances[key.id] = (gateways, allowance)
        wait = allowance.spend(gateways, now)  # a call counts for one at each of them
        if wait > 0:
            limit = f"{key.rate.count} calls in {key.rate.seconds:g} s"
            raise Overloaded(f"key {key.id} may make {limit}", retry_after=wait)
