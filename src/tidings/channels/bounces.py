"""Reading what mail systems send back: delivery status notifications (RFC 3464) and abuse reports (RFC 5965).

Pure. What comes here is written by strangers: it is parsed by the standard library and looked at within bounds, and
says nothing of whom it concerns. That is for the delivery to say, which our own Message-ID names in what was returned.
"""

import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from enum import Enum
from typing import Final

from tidings.channels.answers import is_bad_address, shorten
from tidings.model import normalise_address

MOST_READ: Final = 1024 * 1024
"""How much of a message is looked at, bytes; what matters comes before the returned message's own body."""

_OURS: Final = re.compile(r"<\s*(dlv_[0-9a-f]{32})@")
_CODE: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b", re.ASCII)
_UNSPECIFIC: Final = frozenset({"5.0.0", "4.0.0"})
_ADDRESS: Final = re.compile(r"[^\s<>,;:\"()]{1,64}@[^\s<>,;:\"()]{1,255}")
_LONGEST_FIELD: Final = 2_000
_COMPLAINTS: Final = frozenset({"abuse", "fraud"})


class BounceKind(Enum):
    """What a message that came back means for the address."""

    NO_SUCH_MAILBOX = "no such mailbox"
    COMPLAINT = "complaint"
    OTHER = "other"
    """A delay, a full mailbox, a rejection by policy, a report of another kind: the address is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceReport:
    """What a notification or a report says."""

    kind: BounceKind
    delivery_id: str | None
    """Of the message that was returned; None when it holds no Message-ID of ours."""
    addresses: frozenset[str]
    """Whom it names as recipient, normalised and in lower case."""
    detail: str
    """Its own words, shortened."""


def read_bounce(content: bytes) -> BounceReport | None:
    """Read a message in wire form; None when it is neither a notification nor a report, or cannot be read."""
    try:
        message = email.message_from_bytes(content[:MOST_READ])
        return _read(message) if message.get_content_type() == "multipart/report" else None
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError):
        return None  # nested or broken beyond what the parser takes


def _read(message: Message) -> BounceReport | None:
    parts = message.get_payload()
    if not isinstance(parts, list):
        return None
    by_type = {each.get_content_type(): each for each in reversed(parts) if isinstance(each, Message)}
    returned = _returned(by_type.get("message/rfc822"), by_type.get("text/rfc822-headers"))
    if (status := by_type.get("message/delivery-status")) is not None:
        return _notification(_blocks(status), returned)
    if (feedback := by_type.get("message/feedback-report")) is not None:
        return _complaint(_blocks(feedback), returned)
    return None


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _returned(whole: Message | None, headers: Message | None) -> Message | None:
    """Return the headers of the message that came back."""
    if whole is not None:
        return next(iter(_blocks(whole)), None)
    if headers is not None:
        text = headers.get_payload(decode=True)
        return email.message_from_bytes(text) if isinstance(text, bytes) else None
    return None


def _notification(blocks: Sequence[Message], returned: Message | None) -> BounceReport:
    failed = [each for each in blocks if _field(each, "Action").strip().lower() == "failed"]
    is_hard = any(_says_no_mailbox(each) for each in failed)
    recipients = [_field(each, name) for each in blocks for name in ("Original-Recipient", "Final-Recipient")]
    words = [f"{_field(each, 'Status')} {_field(each, 'Diagnostic-Code')}".strip() for each in failed or blocks]
    return BounceReport(
        kind=BounceKind.NO_SUCH_MAILBOX if is_hard else BounceKind.OTHER,
        delivery_id=_delivery_id(returned),
        addresses=_addresses(recipients, returned),
        detail=shorten("; ".join(filter(None, words))),
    )


def _says_no_mailbox(block: Message) -> bool:
    """Say whether all codes that say something specific are of a mailbox that is not there, and there is one."""
    found = (
        *_CODE.findall(_field(block, "Status"))[:1],
        *_CODE.findall(_field(block, "Diagnostic-Code"))[:1],
    )
    codes = [each for each in found if each not in _UNSPECIFIC]
    return bool(codes) and all(is_bad_address(550, each) for each in codes)


def _complaint(blocks: Sequence[Message], returned: Message | None) -> BounceReport:
    kinds = [_field(each, "Feedback-Type").strip().lower() for each in blocks]
    recipients = [_field(each, "Original-Rcpt-To") for each in blocks]
    return BounceReport(
        kind=BounceKind.COMPLAINT if _COMPLAINTS.intersection(kinds) else BounceKind.OTHER,
        delivery_id=_delivery_id(returned),
        addresses=_addresses(recipients, returned),
        detail=shorten("feedback: " + ", ".join(filter(None, kinds))),
    )


def _delivery_id(returned: Message | None) -> str | None:
    match = _OURS.search(_field(returned, "Message-ID")) if returned is not None else None
    return match[1] if match else None


def _addresses(recipients: Sequence[str], returned: Message | None) -> frozenset[str]:
    texts = [*recipients, "" if returned is None else _field(returned, "To")]
    return frozenset(_written_in(texts))


def _written_in(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        for address in _ADDRESS.findall(text):
            yield normalise_address(address).casefold()


def _field(block: Message, name: str) -> str:
    return str(block.get(name, ""))[:_LONGEST_FIELD]
