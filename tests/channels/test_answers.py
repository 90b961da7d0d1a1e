"""What answers mean, as tables."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels import SmtpRuling, classify_http, classify_smtp, enhanced_code, parse_retry_after
from tidings.channels.answers import LONGEST_DETAIL, LONGEST_WAIT_MS, http_outcome, is_bad_address, shorten
from tidings.model import Accepted, Deferred, Gone, Outcome, Refused

NOW = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT


def test_every_http_status_has_its_meaning() -> None:
    deferred = {408, 425, 429} | set(range(500, 600)) | set(range(100, 200)) | set(range(600, 1000))
    for status in range(100, 1000):
        expected = Deferred if status in deferred else Accepted if status // 100 == 2 else Refused
        expected = Gone if status == 410 else expected
        assert (status, classify_http(status)) == (status, expected)


_UNWANTED = "the endpoint wants no more webhooks (webhook-delivery: disable)"
_ABORTED = "the endpoint does not want this webhook (webhook-delivery: abort-message)"


@pytest.mark.parametrize(
    ("status", "wish", "outcome"),
    [
        (200, "disable", Accepted(status_code=200)),
        (204, "abort-message", Accepted(status_code=204)),
        (400, "disable", Gone(status_code=400, detail=_UNWANTED)),
        (410, "disable", Gone(status_code=410, detail=_UNWANTED)),
        (500, " DISABLE\t", Gone(status_code=500, detail=_UNWANTED)),
        (301, "abort-message", Refused(status_code=301, detail=_ABORTED)),
        (429, "Abort-Message", Refused(status_code=429, detail=_ABORTED)),
        (500, "abort-message", Refused(status_code=500, detail=_ABORTED)),
        (500, "", Deferred(status_code=500, retry_after_ms=7_000)),
        (500, "disable, abort-message", Deferred(status_code=500, retry_after_ms=7_000)),
        (400, "pause", Refused(status_code=400)),
    ],
)
def test_an_endpoints_wish_counts_beside_a_failure(status: int, wish: str, outcome: Outcome) -> None:
    assert http_outcome(status, b"", retry_after="7", wish=wish, now=NOW) == outcome


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120_000),
        (" 0 ", 0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60_000),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60_000),
        ("Tue Nov 14 22:14:20 2023", 60_000),
        ("Tue, 14 Nov 2023 23:14:20 +0100", 60_000),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT_MS),
        ("999999999999999999", LONGEST_WAIT_MS),
        ("9" * 40, None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Tue, 99 Nov 2023 22:14:20 GMT", None),
        ("x" * 10_000, None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, wait: int | None) -> None:
    assert parse_retry_after(value, now=NOW) == wait


@given(st.integers(min_value=0, max_value=300 * 86_400))
def test_a_date_in_retry_after_is_never_early(seconds: int) -> None:
    """A peer clamps the wait and comes too early."""
    date = datetime.fromtimestamp(NOW // 1000 + seconds, UTC)
    wait = parse_retry_after(format_datetime(date, usegmt=True), now=NOW)
    assert wait == seconds * 1000


@given(st.text(max_size=80))
def test_no_retry_after_breaks_the_reader(value: str) -> None:
    wait = parse_retry_after(value, now=NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT_MS


@pytest.mark.parametrize(
    ("code", "text", "verb", "ruling"),
    [
        (250, "2.1.5 fine", "RCPT", SmtpRuling(verdict=Accepted, category="accepted")),
        (421, "4.7.0 too many", "MAIL", SmtpRuling(verdict=Deferred, category="busy")),
        (450, "4.2.1 greylisted", "RCPT", SmtpRuling(verdict=Deferred, category="bad-address")),
        (451, "4.7.1 slow down", "RCPT", SmtpRuling(verdict=Deferred, category="policy")),
        (452, "too many recipients", "MAIL", SmtpRuling(verdict=Deferred, category="busy")),
        (452, "mailbox full", "RCPT", SmtpRuling(verdict=Deferred, category="mailbox-full")),
        (550, "5.1.1 unknown", "RCPT", SmtpRuling(verdict=Refused, category="bad-address")),
        (550, "5.1.10 null MX", "RCPT", SmtpRuling(verdict=Refused, category="bad-address")),
        (550, "unknown", "RCPT", SmtpRuling(verdict=Refused, category="bad-address")),
        (550, "unknown", "MAIL", SmtpRuling(verdict=Refused, category="bad-sender")),
        (550, "unknown", "DATA", SmtpRuling(verdict=Refused, category="rejected")),
        (550, "5.7.1 no relaying", "RCPT", SmtpRuling(verdict=Refused, category="policy")),
        (550, "5.7.26 unauthenticated", "DATA", SmtpRuling(verdict=Refused, category="policy")),
        (552, "5.3.4 too big", "DATA", SmtpRuling(verdict=Refused, category="too-large")),
        (552, "5.2.2 over quota", "RCPT", SmtpRuling(verdict=Refused, category="mailbox-full")),
        (554, "5.6.0 malformed", "DATA", SmtpRuling(verdict=Refused, category="content")),
        (530, "5.7.0 log in", "MAIL", SmtpRuling(verdict=Deferred, category="login")),
        (535, "5.7.8 bad login", "AUTH", SmtpRuling(verdict=Deferred, category="login")),
        (354, "go on", "DATA", SmtpRuling(verdict=Deferred, category="busy")),
        (-1, "garbage", "MAIL", SmtpRuling(verdict=Deferred, category="busy")),
        (550, "5.9.9 new", "RCPT", SmtpRuling(verdict=Refused, category="bad-address")),
    ],
)
def test_an_smtp_answer_has_a_verdict_and_a_category(code: int, text: str, verb: str, ruling: SmtpRuling) -> None:
    assert classify_smtp(code, enhanced_code(text), verb=verb) == ruling


@pytest.mark.parametrize(
    ("text", "code"),
    [("5.1.1 no", "5.1.1"), ("4.7.650", "4.7.650"), ("5.1.1.2 no", None), ("version 5.1.1", None), ("3.1.1 no", None)],
)
def test_an_enhanced_code_opens_the_text(text: str, code: str | None) -> None:
    assert enhanced_code(text) == code


@given(st.text(max_size=3000))
def test_what_is_kept_of_an_answer_is_short_and_one_line(text: str) -> None:
    kept = shorten(text)
    assert len(kept) <= LONGEST_DETAIL
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in kept)
    assert kept.encode().decode() == kept


def test_secrets_and_signatures_are_not_kept() -> None:
    echoed = "bad signature v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= for whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert shorten(echoed) == "bad signature [redacted] for [redacted]"


@pytest.mark.parametrize(
    ("code", "text", "verb", "bad"),
    [
        (550, "5.1.1 no such user", "RCPT", True),
        (550, "5.1.1 no such user", "DATA", True),
        (553, "5.1.3 bad syntax", "RCPT", True),
        (550, "5.2.1 mailbox disabled", "RCPT", True),
        (550, "user unknown", "RCPT", True),
        (550, "5.1.1 no such user", "MAIL", False),
        (450, "4.1.1 greylisted", "RCPT", False),
        (550, "4.1.1 confused", "RCPT", False),
        (550, "5.7.1 listed as spam", "RCPT", False),
        (550, "5.1.8 bad sender", "RCPT", False),
        (552, "5.2.2 mailbox full", "RCPT", False),
        (550, "relaying denied", "RCPT", False),
        (550, "no thank you", "DATA", False),
        (554, "blocked", "DATA", False),
        (530, "5.1.1 log in first", "RCPT", False),
    ],
)
def test_only_a_mailbox_that_is_not_there_is_a_bad_address(code: int, text: str, verb: str, bad: bool) -> None:  # noqa: FBT001
    assert is_bad_address(code, text, verb=verb) is bad
