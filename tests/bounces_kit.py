"""Messages as mail systems send them back."""

from typing import Final

NAME: Final = "dlv_" + "a" * 32
ADDRESS: Final = "asha@example.com"


def returned(name: str = NAME, to: str = ADDRESS) -> str:
    return f"From: rewards@example.com\nTo: {to}\nSubject: Points\nMessage-ID:\n <{name}@example.com>\n"


def notification(
    *,
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <asha@example.com>: no such user",
    action: str = "failed",
    name: str = NAME,
    to: str = ADDRESS,
    recipient: str = ADDRESS,
    headers_only: bool = False,
) -> bytes:
    """Return a delivery status notification as a relay writes it."""
    kind = "text/rfc822-headers" if headers_only else "message/rfc822"
    body = "" if headers_only else "\nDear member\n"
    return f"""\
From: MAILER-DAEMON@mx.example.net
To: rewards@example.com
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

I am sorry. {ADDRESS} could not be reached.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Sun, 22 Nov 2026 01:00:00 +0000

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: {diagnostic}

--b1
Content-Type: {kind}

{returned(name, to)}{body}
--b1--
""".encode()


def complaint(*, kind: str = "abuse", name: str = NAME, to: str = ADDRESS) -> bytes:
    """Return an abuse report as a mailbox provider writes it."""
    return f"""\
From: fbl@provider.example.net
To: rewards@example.com
Subject: FW: Points
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b2"

--b2
Content-Type: text/plain

This is an email abuse report.

--b2
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: <{to}>

--b2
Content-Type: message/rfc822

{returned(name, "redacted@provider.example.net")}
Dear member

--b2--
""".encode()
