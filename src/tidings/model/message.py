"""What a channel carries, and what it says came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tidings.model.brand import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """One rendered e-mail to one recipient."""

    delivery_id: str
    """Also the local part of the Message-ID, so every attempt carries the same one."""
    sender: str
    """``Name <address>`` or an address; the address is the envelope's sender too."""
    recipient: str
    """One bare address."""
    subject: str
    text: str
    html: str | None = None
    date: int
    """When the message was decided, epoch milliseconds: the Date header of every attempt."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers, such as List-Unsubscribe."""
    preheader: str = ""
    """What a mailbox shows beside the subject; the HTML holds it already. For those who look at the message."""
    locale: str = ""
    """The locale it was written in; for those who look at the message."""


class WebhookCall(NamedTuple):
    """One signed POST to one endpoint."""

    delivery_id: str
    """Also the ``webhook-id``."""
    endpoint: Endpoint
    body: bytes
    """The JSON body, the same bytes on every attempt."""
    traceparent: str = ""
    """The trace context to pass on (W3C), which each attempt has its own of; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The far side took the message."""

    status_code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Try again later."""

    status_code: int = 0
    detail: str = ""
    retry_after_ms: int | None = None
    """What the far side asked to wait, counted from its answer; never tried earlier than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Never try this message again."""

    status_code: int = 0
    detail: str = ""
    bad_address: bool = False
    """Whether the far side says that there is no such mailbox, so that no other message would arrive there either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Refused):
    """A refusal for good of everything: whoever it went to takes no more messages, neither this nor another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """Nothing was tried: it is not this message's turn yet. No attempt is recorded or used up."""

    detail: str
    wait_ms: int
    """How long until it may be, counted from the answer."""


Attempted = Accepted | Deferred | Refused
"""What came of a try."""

Outcome = Attempted | Postponed
"""What came of one attempt: a type, not a flag."""
