"""Values and openers for the channels' tests."""

import ssl
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import trustme

from tidings.model import Email, Endpoint, SecretRef, WebhookCall

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + "b3RoZXIgc2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXM="
SECRETS = {"env:HOOK": SECRET, "env:OLD_HOOK": OTHER_SECRET, "env:RELAY": "open sesame"}


def secrets_of(values: Mapping[str, str]) -> "Lookup":
    return Lookup(values)


class Lookup:
    """Secrets in a mapping, by the text of their reference."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __call__(self, reference: SecretRef) -> str | None:
        return self._values.get(str(reference))


def an_email(
    *,
    delivery_id: str = "dlv_example",
    recipient: str = "asha@example.com",
    sender: str = "Example Rewards <rewards@example.com>",
    subject: str = "300 points expire soon",
    text: str = "Use them by Friday.\n",
    html: str | None = "<p>Use them by <b>Friday</b>.</p>\n",
    headers: Mapping[str, str] | None = None,
) -> Email:
    return Email(
        delivery_id=delivery_id,
        sender=sender,
        recipient=recipient,
        subject=subject,
        text=text,
        html=html,
        date=1_700_000_000_000,
        headers=headers or {},
    )


def a_call(
    url: str, *, body: bytes = b'{"type":"loyalty.points"}', secrets: tuple[str, ...] = ("env:HOOK",)
) -> WebhookCall:
    references = tuple(SecretRef.parse(each) for each in secrets)
    return WebhookCall(
        delivery_id="dlv_example",
        endpoint=Endpoint(org_id=50750, name="crm", url=url, secrets=references),
        body=body,
    )


def now_ms() -> int:
    """The real hour: the reference library that verifies knows no other."""
    return int(time.time() * 1000)


def tls_pair(folder: Path, *names: str, not_after: datetime | None = None) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for these names, and the file of the authority that made it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=not_after).configure_cert(context)
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, bundle
