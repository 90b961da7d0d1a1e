"""Sends signed webhooks: what to sign with, what to say on failure, and no waste on the way.

A URL is read once and secrets are read again every few seconds, so that a post costs its signature and its
bytes, and a rotated secret is in use soon after.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from tidings.channels.answers import http_outcome, shorten
from tidings.channels.http_client import AddressBlocked, HttpClient, HttpFault, Target, UnusableUrl
from tidings.channels.signature import decode_secret, sign_with
from tidings.model import Deferred, Endpoint, Outcome, Refused, SecretRef, Secrets, WebhookCall

SECRETS_KEPT_MS: Final = 5_000
"""How long a secret that was read is used before it is read again."""

_K = TypeVar("_K")
_V = TypeVar("_V")
_MOST_ENDPOINTS: Final = 10_000
_BLOCKED: Final = Refused(
    detail="the endpoint's address is not a public one; webhook.allow_networks says which others may be reached"
)


@dataclass(frozen=True, slots=True)
class _Read:
    """Secrets as read at one time: the keys, or what is wrong."""

    at: int
    keys: tuple[bytes, ...]
    problem: str = ""


class WebhookSender:
    """A webhook channel over one HTTP client."""

    def __init__(self, client: HttpClient, secrets: Secrets) -> None:
        self._client = client
        self._secrets = secrets
        self._targets: dict[str, Target | Refused] = {}
        self._keys: dict[tuple[SecretRef, ...], _Read] = {}

    async def send(self, call: WebhookCall, *, now: int) -> Outcome:
        """Sign for ``now`` (epoch milliseconds), post and return what came of it."""
        target = self._target(call.endpoint.url)
        if isinstance(target, Refused):
            return target
        read = self._signing_keys(call.endpoint, now)
        if read.problem:
            return Deferred(detail=shorten(f"endpoint {call.endpoint.name}: {read.problem}"))
        try:
            answer = await self._client.post(target, call.body, _headers(call, read.keys, now // 1000))
        except AddressBlocked:
            return _BLOCKED
        except HttpFault as fault:
            return Deferred(detail=shorten(str(fault)))
        return http_outcome(answer.status, answer.body, retry_after=answer.retry_after, now=now)

    def _target(self, url: str) -> Target | Refused:
        target = self._targets.get(url)
        if target is None:
            _make_room(self._targets)
            target = self._targets[url] = self._read_target(url)
        return target

    def _read_target(self, url: str) -> Target | Refused:
        try:
            return self._client.target(url)
        except AddressBlocked:
            return _BLOCKED
        except UnusableUrl as error:
            return Refused(detail=str(error))

    def _signing_keys(self, endpoint: Endpoint, now: int) -> _Read:
        read = self._keys.get(endpoint.secrets)
        if read is None or abs(now - read.at) >= SECRETS_KEPT_MS:
            _make_room(self._keys)
            read = self._keys[endpoint.secrets] = self._read_keys(endpoint.secrets, now)
        return read

    def _read_keys(self, references: tuple[SecretRef, ...], now: int) -> _Read:
        if not references:
            return _Read(now, (), "it has no secret to sign with; give it one under secrets")
        keys: list[bytes] = []
        for reference in references:
            value = self._secrets(reference)
            if value is None:
                return _Read(now, (), f"there is no secret {reference}")
            try:
                keys.append(decode_secret(value))
            except ValueError as error:
                return _Read(now, (), f"the secret {reference} cannot be used: {error}")
        return _Read(now, tuple(keys))


def _headers(call: WebhookCall, keys: tuple[bytes, ...], timestamp: int) -> dict[str, str]:
    return {
        "webhook-id": call.delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_with(keys, call.delivery_id, timestamp, call.body),
    }


def _make_room(kept: dict[_K, _V]) -> None:
    if len(kept) >= _MOST_ENDPOINTS:
        kept.clear()
