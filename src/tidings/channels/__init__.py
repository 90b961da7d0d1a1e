"""The channels: each carries one message to one recipient and says what came of it.

E-mail goes to an SMTP relay or into a Mailbox; webhooks are signed (Standard Webhooks ``v1``) and posted over
HTTP to public addresses only. A far side's answer, and any fault on the way, is an Outcome. Scheduling, limits
per endpoint, breakers and consent are the dispatcher's.

Each driver is named in one module: aiosmtplib in ``smtp_connection``, httptools in ``http_answer``, and what signs
e-mails, cryptography, in ``dkim``. ``http_client`` says how the parts of the HTTP client fit together.
"""

from tidings.channels.answers import (
    SmtpRuling,
    classify_http,
    classify_smtp,
    enhanced_code,
    parse_retry_after,
)
from tidings.channels.bounces import MOST_READ, BounceKind, BounceReport, read_bounce
from tidings.channels.http_addresses import Resolve, system_resolve
from tidings.channels.mailbox import Mailbox
from tidings.channels.opening import open_email_channel, open_webhook_channel
from tidings.channels.port import EmailChannel, WebhookChannel
from tidings.channels.settings import DkimKey, DomainLimits, Duration, EmailSettings, WebhookSettings, parse_duration
from tidings.channels.signature import decode_secret, sign, verify

__all__ = [
    "MOST_READ",
    "BounceKind",
    "BounceReport",
    "DkimKey",
    "DomainLimits",
    "Duration",
    "EmailChannel",
    "EmailSettings",
    "Mailbox",
    "Resolve",
    "SmtpRuling",
    "WebhookChannel",
    "WebhookSettings",
    "classify_http",
    "classify_smtp",
    "decode_secret",
    "enhanced_code",
    "open_email_channel",
    "open_webhook_channel",
    "parse_duration",
    "parse_retry_after",
    "read_bounce",
    "sign",
    "system_resolve",
    "verify",
]
