"""What a far side's answer means: tables from status codes to Accepted, Deferred or Refused.

Pure: no clock and no wire. HTTP first, then SMTP with its enhanced codes (RFC 3463).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from tidings.channels.redaction import REDACTED, Redactor
from tidings.model import Accepted, Deferred, Gone, Outcome, Refused

Verdict = type[Accepted] | type[Deferred] | type[Refused]

LONGEST_DETAIL: Final = 500
"""Characters kept of an answer or a fault."""

LONGEST_WAIT_MS: Final = 366 * 86_400_000
"""A Retry-After beyond this counts as this; whoever schedules caps it further."""

_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_SECRET: Final = re.compile(r"wh(?:sec|sk)_(?:[A-Za-z0-9+=]|\\?/)+|\bv1a?,(?:[A-Za-z0-9+=]|\\?/){20,}")


_HIDE_NOTHING: Final = Redactor()


def shorten(text: str, hide: Redactor = _HIDE_NOTHING) -> str:
    """Return the text on one line, at most LONGEST_DETAIL long.

    It is without signing secrets and signatures, whosever they are, and without what ``hide`` knows.
    """
    text = hide(text)[: 4 * LONGEST_DETAIL]
    if not (text.isascii() and text.isprintable()):
        text = _UNREADABLE.sub(" ", text)
    text = text.strip()
    if "whs" in text or "v1" in text:
        text = _SECRET.sub(REDACTED, text)
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"


# HTTP

_HTTP: Final[Mapping[int, Verdict]] = {408: Deferred, 410: Gone, 425: Deferred, 429: Deferred}
_HTTP_CLASS: Final[Mapping[int, Verdict]] = {2: Accepted, 3: Refused, 4: Refused, 5: Deferred}
_SUCCESS: Final = 2
_HTTP_REMARK: Final[Mapping[int, str]] = {
    3: "redirects are not followed, so give the endpoint the address that it moved to",
}
_WISH: Final[Mapping[str, tuple[type[Refused], str]]] = {
    "disable": (Gone, "the endpoint wants no more webhooks (webhook-delivery: disable)"),
    "abort-message": (Refused, "the endpoint does not want this webhook (webhook-delivery: abort-message)"),
}
"""What an endpoint may say of its own accord in the header webhook-delivery of an answer that is no success."""
_SECONDS: Final = re.compile(r"\d{1,18}", re.ASCII)
_LONGEST_RETRY_AFTER: Final = 64


def classify_http(status: int) -> Verdict:
    """Say what an HTTP status means for a webhook; a status outside 200 to 599 says nothing, so it is deferred."""
    return _HTTP.get(status) or _HTTP_CLASS.get(status // 100, Deferred)


def http_outcome(
    status: int,
    body: bytes,
    *,
    retry_after: str | None,
    wish: str | None = None,
    now: int,
    hide: Redactor = _HIDE_NOTHING,
) -> Outcome:
    """Turn an HTTP answer into an outcome.

    Args:
        status: its status code.
        body: its body, or the beginning of it.
        retry_after: its header Retry-After.
        wish: its header webhook-delivery.
        now: epoch milliseconds that a date in Retry-After counts from.
        hide: blots out of the detail what must not be kept.
    """
    if not body and status // 100 == _SUCCESS:
        return _accepted(status)
    verdict = classify_http(status)
    wanted = _WISH.get(wish.strip().lower()) if wish and verdict is not Accepted else None
    if wanted is not None:
        verdict, remark = wanted
        return verdict(status_code=status, detail=_http_detail(remark, body, hide))
    detail = _http_detail(_HTTP_REMARK.get(status // 100, ""), body, hide)
    if verdict is Deferred:
        wait = parse_retry_after(retry_after, now=now) if retry_after else None
        return Deferred(status_code=status, detail=detail, retry_after_ms=wait)
    return verdict(status_code=status, detail=detail)


@lru_cache(maxsize=100)
def _accepted(status: int) -> Accepted:
    return Accepted(status_code=status)


def _http_detail(remark: str, body: bytes, hide: Redactor) -> str:
    if not body:
        return remark
    text = body.decode("utf-8", "replace")
    return shorten(f"{remark}: {text}" if remark else text, hide)


def parse_retry_after(value: str, *, now: int) -> int | None:
    """Read both forms of Retry-After into milliseconds from ``now``; None when it is neither.

    A date that has passed asks for no wait. A date counts from the attempt's start, so the wait is never short.
    """
    value = value.strip()
    if len(value) > _LONGEST_RETRY_AFTER:
        return None
    if _SECONDS.fullmatch(value):
        return min(int(value) * 1000, LONGEST_WAIT_MS)
    try:
        date = parsedate_to_datetime(value)
        moment = round((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return min(max(moment - now, 0), LONGEST_WAIT_MS)


# SMTP


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpRuling:
    """What an SMTP answer means, and in one word why; the word opens the outcome's detail."""

    verdict: Verdict
    category: str


_SMTP_CLASS: Final[Mapping[int, Verdict]] = {2: Accepted, 4: Deferred, 5: Refused}
_SMTP_CODE: Final[Mapping[int, SmtpRuling]] = {
    # The relay is leaving, or wants another login: nothing is wrong with the message.
    421: SmtpRuling(verdict=Deferred, category="busy"),
    530: SmtpRuling(verdict=Deferred, category="login"),
    534: SmtpRuling(verdict=Deferred, category="login"),
    535: SmtpRuling(verdict=Deferred, category="login"),
    538: SmtpRuling(verdict=Deferred, category="login"),
}
_SMTP_CATEGORY: Final[Mapping[str, str]] = {
    # by "subject.detail" of the enhanced code, then by "subject" alone
    "1.0": "bad-address",
    "1.1": "bad-address",
    "1.2": "bad-address",
    "1.3": "bad-address",
    "1.4": "bad-address",
    "1.6": "bad-address",
    "1.7": "bad-sender",
    "1.8": "bad-sender",
    "1.9": "bad-address",
    "1.10": "bad-address",
    "2.1": "bad-address",
    "2.2": "mailbox-full",
    "2.3": "too-large",
    "3.4": "too-large",
    "7.27": "bad-sender",
    "1": "bad-address",
    "2": "mailbox",
    "3": "relay",
    "4": "route",
    "5": "protocol",
    "6": "content",
    "7": "policy",
}
_SMTP_VERB_CATEGORY: Final[Mapping[tuple[str, int], str]] = {
    # without an enhanced code the verb tells most
    ("RCPT", 550): "bad-address",
    ("RCPT", 551): "bad-address",
    ("RCPT", 553): "bad-address",
    ("RCPT", 552): "mailbox-full",
    ("RCPT", 452): "mailbox-full",
    ("MAIL", 550): "bad-sender",
    ("MAIL", 553): "bad-sender",
    ("MAIL", 552): "too-large",
    ("DATA", 552): "too-large",
}
_BAD_ADDRESS: Final = "bad-address"
_POLICY_WORDS: Final = re.compile(
    r"relay|polic|spam|block|den(y|ied)|reject|reputation|listed|spf|dkim|dmarc|auth|sender|permi|access", re.IGNORECASE
)
_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?=\s|$)", re.ASCII)


def enhanced_code(text: str) -> str | None:
    """Return the enhanced code that an SMTP answer's text opens with, such as ``5.1.1``, or None."""
    match = _ENHANCED.match(text)
    return match[1] if match else None


def classify_smtp(code: int, enhanced: str | None, *, verb: str = "") -> SmtpRuling:
    """Say what an SMTP answer to ``verb`` means.

    The code's class decides (an enhanced code of another class is not believed); the category tells a bad
    address (5.1.x) from policy (5.7.x), from a full mailbox and so on. A code of no class is deferred.
    """
    if code in _SMTP_CODE:
        return _SMTP_CODE[code]
    verdict = _SMTP_CLASS.get(code // 100, Deferred)
    if verdict is Accepted:
        return SmtpRuling(verdict=Accepted, category="accepted")
    return SmtpRuling(verdict=verdict, category=_category(code, enhanced, verb))


def _category(code: int, enhanced: str | None, verb: str) -> str:
    if enhanced:
        subject_and_detail = enhanced.partition(".")[2]
        subject = subject_and_detail.partition(".")[0]
        found = _SMTP_CATEGORY.get(subject_and_detail) or _SMTP_CATEGORY.get(subject)
        if found:
            return found
    return _SMTP_VERB_CATEGORY.get((verb, code), "rejected" if code // 100 == 5 else "busy")  # noqa: PLR2004  5yz


def is_bad_address(code: int, text: str, *, verb: str = "") -> bool:
    """Say whether an SMTP answer to ``verb`` means that there is no such mailbox, for good.

    What says so is an enhanced code (5.1.x, 5.2.1), or for want of one a 550 to RCPT whose text does not speak of
    policy: a relay that turns everybody away must not put everybody on the list. A sender's address is another matter.
    """
    enhanced = enhanced_code(text)
    ruling = classify_smtp(code, enhanced, verb=verb)
    if ruling.verdict is not Refused or ruling.category != _BAD_ADDRESS or verb == "MAIL":
        return False
    return not _POLICY_WORDS.search(text) if enhanced is None else enhanced.startswith("5")


def smtp_outcome(code: int, text: str, *, verb: str) -> Outcome:
    """Turn an SMTP answer into an outcome; its detail reads ``category: VERB answered code text``."""
    if code // 100 == 2:  # noqa: PLR2004  2yz is RFC 5321's class of success
        return Accepted(status_code=code, detail=shorten(text))
    ruling = classify_smtp(code, enhanced_code(text), verb=verb)
    detail = shorten(f"{ruling.category}: {verb} answered {code} {text}")
    if ruling.verdict is Refused:
        return Refused(status_code=code, detail=detail, bad_address=is_bad_address(code, text, verb=verb))
    return Deferred(status_code=code, detail=detail)
