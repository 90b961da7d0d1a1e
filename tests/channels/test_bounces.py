"""What is read from messages that came back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounces_kit import ADDRESS, NAME, complaint, notification
from tidings.channels import MOST_READ, BounceKind, BounceReport, read_bounce

NO_MAILBOX, COMPLAINT, OTHER = BounceKind.NO_SUCH_MAILBOX, BounceKind.COMPLAINT, BounceKind.OTHER


@pytest.mark.parametrize("headers_only", [False, True])
def test_a_notification_names_its_delivery_and_its_address(headers_only: bool) -> None:  # noqa: FBT001 (two forms)
    assert read_bounce(notification(headers_only=headers_only)) == BounceReport(
        kind=NO_MAILBOX,
        delivery_id=NAME,
        addresses=frozenset({ADDRESS}),
        detail="5.1.1 smtp; 550 5.1.1 <asha@example.com>: no such user",
    )


def test_a_complaint_names_its_delivery_and_its_address() -> None:
    assert read_bounce(complaint()) == BounceReport(
        kind=COMPLAINT,
        delivery_id=NAME,
        addresses=frozenset({ADDRESS, "redacted@provider.example.net"}),
        detail="feedback: abuse",
    )


@pytest.mark.parametrize(
    ("status", "diagnostic", "action", "kind"),
    [
        ("5.1.1", "smtp; 550 5.1.1 unknown", "failed", NO_MAILBOX),
        ("5.1.1 (bad mailbox)", "", "Failed", NO_MAILBOX),
        ("5.0.0", "smtp; 550-5.1.1 The account does not exist", "failed", NO_MAILBOX),
        ("5.1.10", "smtp; 556 null MX", "failed", NO_MAILBOX),
        ("5.1.1", "smtp; 550 5.7.1 listed", "failed", OTHER),
        ("5.7.1", "smtp; 550 5.7.1 listed", "failed", OTHER),
        ("5.2.2", "smtp; 552 5.2.2 full", "failed", OTHER),
        ("5.0.0", "smtp; 550 go away", "failed", OTHER),
        ("4.1.1", "smtp; 450 4.1.1 later", "failed", OTHER),
        ("5.1.1", "smtp; 550 5.1.1 unknown", "delayed", OTHER),
        ("5.1.1", "smtp; 550 5.1.1 unknown", "relayed", OTHER),
        ("", "", "failed", OTHER),
    ],
)
def test_only_a_mailbox_that_is_not_there_counts(status: str, diagnostic: str, action: str, kind: BounceKind) -> None:
    report = read_bounce(notification(status=status, diagnostic=diagnostic, action=action))
    assert report is not None
    assert report.kind is kind


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "", "other"])
def test_a_report_that_is_no_complaint_says_nothing(kind: str) -> None:
    report = read_bounce(complaint(kind=kind))
    assert report is not None
    assert report.kind is OTHER


def test_a_message_id_of_somebody_else_names_no_delivery() -> None:
    for name in ("4711", "dlv_short", "dlv_" + "A" * 32):
        report = read_bounce(notification(name=name))
        assert report is not None
        assert report.delivery_id is None


def test_a_report_inside_another_message_is_not_believed() -> None:
    outer = b"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n"
    assert read_bounce(outer + notification() + b"\n--o--\n") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Subject: out of office\n\nI am away.",
        b"Content-Type: multipart/report\n\nno boundary",
        b"Content-Type: multipart/report; boundary=b\n\n--b\n\nnothing of interest\n--b--\n",
        b"".join(b'Content-Type: multipart/report; boundary="%d"\n\n--%d\n' % (n, n) for n in range(3_000)),
    ],
    ids=["nothing", "a reply", "no parts", "no report", "nested"],
)
def test_what_is_neither_is_told_apart(content: bytes) -> None:
    assert read_bounce(content) is None


def test_what_follows_the_part_that_is_read_does_not_matter() -> None:
    assert read_bounce(notification() + b"x" * (2 * MOST_READ)) == read_bounce(notification())


@given(
    st.binary(max_size=200),
    st.integers(min_value=0, max_value=len(notification())),
    st.integers(min_value=0, max_value=200),
)
def test_no_message_breaks_the_reader(noise: bytes, at: int, gone: int) -> None:
    for whole in (notification(), complaint()):
        report = read_bounce(whole[:at] + noise + whole[at + gone :])
        assert report is None or len(report.detail) <= 500
