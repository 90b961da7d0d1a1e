"""Sends signed webhooks: what to sign with, what to say on failure, and no waste on the way.

A URL is read once and secrets are read again every few seconds, so that a post costs its signature and its
bytes, and a rotated secret is in use soon after.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from tidings.channels.answers import http_outcome, shorten
from tidings.channels.certificates import ClientCertificates, UnusableCertificate
from tidings.channels.http_client import AddressBlocked, HttpClient, HttpFault, Target, UnusableUrl
from tidings.channels.redaction import Redactor, url_tokens
from tidings.channels.signature import Key, decode_key, sign_with
from tidings.model import Deferred, Endpoint, Outcome, Refused, SecretRef, Secrets, WebhookCall

SECRETS_KEPT_MS: Final = 5_000
"""How long a secret that was read is used before it is read again."""

_K = TypeVar("_K")
_V = TypeVar("_V")
_MOST_ENDPOINTS: Final = 10_000
_VISIBLE: Final = re.compile(r"[\x20-\x7e]+")
_BLOCKED: Final = Refused(
    detail="the endpoint's address is not a public one; webhook.allow_networks says which others may be reached"
)


@dataclass(frozen=True)
class _Read:
    """An endpoint's secrets as read at one time: keys and where to post with which headers, or what is wrong."""

    endpoint: Endpoint
    at: int
    target: Target
    """With the endpoint's further headers."""
    keys: tuple[Key, ...] = ()
    secrets: tuple[str, ...] = ()
    """What must not be kept of an answer that repeats it."""
    problem: str = ""

    @cached_property
    def hide(self) -> Redactor:
        """What blots these secrets out."""
        return Redactor(self.secrets)


class WebhookSender:
    """A webhook channel over one HTTP client."""

    def __init__(self, client: HttpClient, secrets: Secrets, certificates: ClientCertificates) -> None:
        self._client = client
        self._secrets = secrets
        self._certificates = certificates
        self._targets: dict[str, Target | Refused] = {}
        self._read: dict[tuple[int, str], _Read] = {}

    async def send(self, call: WebhookCall, *, now: int) -> Outcome:
        """Sign for ``now`` (epoch milliseconds), post and return what came of it."""
        endpoint = call.endpoint
        read = self._read.get((endpoint.org_id, endpoint.name))
        if read is None or read.endpoint is not endpoint or abs(now - read.at) >= SECRETS_KEPT_MS:
            target = self._target(endpoint.url)
            if isinstance(target, Refused):
                return target
            read = self._read_again(endpoint, target, now)
        if read.problem:
            return _unfit(endpoint, read.problem)
        try:
            context = (
                None
                if endpoint.certificate is None
                else await self._certificates.context(endpoint.certificate, now=now)
            )
            headers = _headers(call, read, now // 1000)
            answer = await self._client.post(read.target, call.body, headers, context=context)
        except UnusableCertificate as error:
            return _unfit(endpoint, str(error))
        except AddressBlocked:
            return _BLOCKED
        except HttpFault as fault:
            return Deferred(detail=shorten(str(fault), read.hide))
        return http_outcome(
            answer.status,
            answer.body,
            retry_after=answer.retry_after,
            wish=answer.wish,
            now=now,
            hide=_hiding(read, headers, answer.body) if answer.body else read.hide,
        )

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

    def _read_again(self, endpoint: Endpoint, target: Target, now: int) -> _Read:
        _make_room(self._read)
        read = self._read[endpoint.org_id, endpoint.name] = self._read_secrets(endpoint, target, now)
        return read

    def _read_secrets(self, endpoint: Endpoint, target: Target, now: int) -> _Read:
        if not endpoint.secrets:
            return _Read(endpoint, now, target, problem="it has no secret to sign with; give it one under secrets")
        try:
            keys = tuple(self._key(reference) for reference in endpoint.secrets)
            headers = {name: self._header(name, value) for name, value in endpoint.headers.items()}
            target = target.with_headers(headers)
        except (_Unfit, ValueError) as error:
            return _Read(endpoint, now, target, problem=str(error))
        confided = [headers[name] for name, value in endpoint.headers.items() if _is_confided(name, value)]
        signing = [part for each in endpoint.secrets for part in _with_and_without_prefix(self._value(each).strip())]
        return _Read(endpoint, now, target, keys, (*confided, *signing, *url_tokens(endpoint.url)))

    def _key(self, reference: SecretRef) -> Key:
        try:
            return decode_key(self._value(reference))
        except ValueError as error:
            raise _Unfit(f"the secret {reference} cannot be used: {error}") from None

    def _header(self, name: str, value: str | SecretRef) -> str:
        if isinstance(value, str):
            return value
        found = self._value(value).strip()
        if not _VISIBLE.fullmatch(found):
            raise _Unfit(f"the secret {value} cannot be the header {name}: it must be printable ASCII on one line")
        return found

    def _value(self, reference: SecretRef) -> str:
        value = self._secrets(reference)
        if value is None:
            raise _Unfit(f"there is no secret {reference}")
        return value


class _Unfit(Exception):
    """An endpoint cannot be posted to as it is set up; the message says why, and repeats no secret."""


def _unfit(endpoint: Endpoint, problem: str) -> Deferred:
    return Deferred(detail=shorten(f"endpoint {endpoint.name}: {problem}"))


def _headers(call: WebhookCall, read: _Read, timestamp: int) -> dict[str, str]:
    headers = {
        "webhook-id": call.delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_with(read.keys, call.delivery_id, timestamp, call.body),
    }
    if call.traceparent:
        headers["traceparent"] = call.traceparent
    return headers


def _is_confided(name: str, value: str | SecretRef) -> bool:
    """Say whether a header's value is a secret; one that is written out is not, save where it always is."""
    return isinstance(value, SecretRef) or name.lower() == "authorization"


def _with_and_without_prefix(secret: str) -> tuple[str, str]:
    return secret, secret.rpartition("_")[2]


def _hiding(read: _Read, headers: Mapping[str, str], body: bytes) -> Redactor:
    """Return what blots out the secrets, and the signatures too if the answer looks as if it had some."""
    if b"v1" not in body:
        return read.hide
    signatures = headers["webhook-signature"].split()
    return Redactor([*read.secrets, *signatures, *(each.partition(",")[2] for each in signatures)])


def _make_room(kept: dict[_K, _V]) -> None:
    if len(kept) >= _MOST_ENDPOINTS:
        kept.clear()
