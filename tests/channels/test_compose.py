"""E-mails as bytes: read back with the standard library's parser."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_kit import an_email
from tidings.channels.compose import Unsendable, checked_lines, compose

PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


@given(PRINTABLE, LINES, st.none() | LINES)
def test_what_was_written_is_read_back(subject: str, text: str, html: str | None) -> None:
    composed = compose(an_email(subject=subject, text=text, html=html))
    message = parsed(composed.content)
    assert " ".join(message["Subject"].split()) == " ".join(subject.split())
    assert text_of(message, "plain") == text.rstrip("\n") + "\n"
    assert html is None or text_of(message, "html") == html.rstrip("\n") + "\n"


@settings(max_examples=30, deadline=None)  # the library takes its time
@given(PRINTABLE, LINES, LINES)
def test_a_message_says_what_the_standard_library_would_have_it_say(subject: str, text: str, html: str) -> None:
    ours = parsed(compose(an_email(subject=subject, text=text, html=html)).content)
    theirs = EmailMessage(policy=policy.SMTP)
    theirs["From"], theirs["To"] = "Example Rewards <rewards@example.com>", "asha@example.com"
    theirs["Subject"] = " ".join(subject.split())
    theirs["Date"] = format_datetime(datetime.fromtimestamp(1_700_000_000, UTC))
    theirs["Message-ID"], theirs["Auto-Submitted"] = "<dlv_example@example.com>", "auto-generated"
    theirs.set_content(text.rstrip("\n") + "\n", cte="base64")
    theirs.add_alternative(html.rstrip("\n") + "\n", subtype="html", cte="base64")
    assert [(name, " ".join(str(ours[name]).split())) for name in ours if not name.startswith("Content-")] == [
        (name, " ".join(str(theirs[name]).split())) for name in theirs if not name.startswith("Content-")
    ]
    assert [(part.get_content_type(), part.get_param("charset")) for part in ours.walk()] == [
        (part.get_content_type(), part.get_param("charset")) for part in theirs.walk()
    ]
    assert [text_of(ours, kind) for kind in ("plain", "html")] == [text_of(theirs, kind) for kind in ("plain", "html")]


# what quoted-printable has rules for, close together: escapes where a line must be broken, space before a line's end
@given(
    st.lists(st.sampled_from(["=", "x" * 70, "y", " ", "\t", "\n", "é", "\0", ".", "From "]), max_size=60).map("".join)
)
def test_an_encoded_part_has_short_lines_that_end_in_what_stays(text: str) -> None:
    text += "x" * 1000
    content = compose(an_email(text=text, html=None)).content
    lines = content.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    assert text_of(parsed(content), "plain") == text + "\n"


@given(PRINTABLE, LINES, LINES)
def test_what_goes_out_is_seven_bit_in_short_lines_ending_in_crlf(subject: str, text: str, html: str) -> None:
    content = compose(an_email(subject=subject, text=text, html=html)).content
    lines = content.split(b"\r\n")
    assert content.isascii()
    assert b"\0" not in content
    assert lines[-1] == b""
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("rewards@example.com", "", "rewards@example.com"),
        ("<rewards@example.com>", "", "rewards@example.com"),
        ("Example Rewards <rewards@example.com>", "Example Rewards", "rewards@example.com"),
        ("Rewards, Inc. <r@example.com>", "Rewards, Inc.", "r@example.com"),
        ('"Rewards, Inc." <r@example.com>', "Rewards, Inc.", "r@example.com"),
        ('The "best" \\ <r@example.com>', 'The "best" \\', "r@example.com"),
        ("Prämien <r@example.com>", "Prämien", "r@example.com"),
        ("=?utf-8?q?x?= <r@example.com>", "=?utf-8?q?x?=", "r@example.com"),
        ("Prämien <r@prämien.example>", "Prämien", "r@xn--prmien-cua.example"),
    ],
)
def test_a_sender_may_have_a_name(sender: str, name: str, address: str) -> None:
    composed = compose(an_email(sender=sender))
    message = parsed(composed.content)
    addresses = [(each.display_name, each.addr_spec) for each in message["From"].addresses]
    assert (addresses, composed.sender) == ([(name, address)], address)
    assert message["Message-ID"] == f"<dlv_example@{address.partition('@')[2]}>"


def test_a_long_name_of_a_sender_stays_whole() -> None:
    name = "Prämienwelt der Beispielgesellschaft für außergewöhnlich lange Namen und Bezeichnungen"
    raw = message_from_bytes(compose(an_email(sender=f"{name} <r@example.com>")).content)["From"]
    assert str(make_header(decode_header(raw))) == f"{name} <r@example.com>"


def test_a_senders_name_too_long_for_a_line_is_not_written() -> None:
    with pytest.raises(Unsendable, match="name is too long"):
        compose(an_email(sender=f"{'x' * 1000} <r@example.com>"))


def test_a_domain_outside_ascii_is_written_in_ascii() -> None:
    assert compose(an_email(recipient="asha@bücher.example")).recipient == "asha@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "address",
    [
        "asha", "@example.com", "asha@", "asha@exa mple.com", "asha @example.com", "<asha@example.com>",
        "asha@example.com\r\nBcc: eve@example.com", "asha@example.com\n", "asha@example..com", "asha..rao@example.com",
        ".asha@example.com", "asha@-example.com", "asha@example.com,eve@example.com", "asha@example.com>", "",
        "a" * 65 + "@example.com",
        "asha@" + "a" * 64 + ".com", "asha@" + "a." * 127 + "com", "आशा@example.com", "asha@\u2028.example",
        "asha@exa\0mple.com",
    ],
)  # fmt: skip
def test_a_bad_recipient_is_told_as_one(address: str) -> None:
    with pytest.raises(Unsendable, match="bad-address: the recipient"):
        compose(an_email(recipient=address))


@pytest.mark.parametrize("control", ["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028"])
def test_a_sender_or_header_with_a_control_character_is_not_written(control: str) -> None:
    injected = f"x{control}Bcc: eve@example.com"
    with pytest.raises(Unsendable, match="control character"):
        compose(an_email(sender=f"{injected} <r@example.com>"))
    with pytest.raises(Unsendable, match="the header X-Campaign holds"):
        compose(an_email(headers={"X-Campaign": injected}))


@pytest.mark.parametrize("control", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\r\n\t"])
def test_a_line_break_in_a_subject_becomes_a_space(control: str) -> None:
    message = parsed(compose(an_email(subject=f"Hello{control}Bcc: eve@example.com\0")).content)
    assert (message["Subject"], message["Bcc"]) == ("Hello Bcc: eve@example.com", None)


@pytest.mark.parametrize("name", ["From", "bcc", "Subject", "Content-Type", "MIME-Version", "message-id"])
def test_a_header_of_the_gateways_own_cannot_be_given(name: str) -> None:
    with pytest.raises(Unsendable, match="is the gateway's own to write"):
        compose(an_email(headers={name: "x"}))


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nY", "Ü"])
def test_a_headers_name_must_be_one(name: str) -> None:
    with pytest.raises(Unsendable, match="name is not one"):
        compose(an_email(headers={name: "x"}))


@pytest.mark.parametrize("value", ["word " * 60, "ü" * 200, "<https://example.com/" + "x" * 300 + ">", "a  b   c" * 30])
def test_a_long_header_is_folded_and_read_back(value: str) -> None:
    content = compose(an_email(headers={"X-Note": value})).content
    assert " ".join(str(parsed(content)["X-Note"]).split()) == " ".join(value.split())


def test_a_word_too_long_for_a_line_is_not_written() -> None:
    with pytest.raises(Unsendable, match="too long for a line"):
        compose(an_email(headers={"X-Note": "x" * 1000}))


@pytest.mark.parametrize("change", [{"delivery_id": "a>\r\nb"}, {"delivery_id": ""}, {"date": 10**18}])
def test_what_cannot_stand_in_a_header_is_not_written(change: dict[str, object]) -> None:
    with pytest.raises(Unsendable):
        compose(replace(an_email(), **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("naïve, mostly ASCII text", "quoted-printable"),
        ("नमस्ते", "base64"),
        ("a\0b", "quoted-printable"),
    ],
)
def test_a_part_takes_the_encoding_that_fits(text: str, encoding: str) -> None:
    message = parsed(compose(an_email(text=text, html=None)).content)
    assert message["Content-Transfer-Encoding"] == encoding


def test_a_text_that_holds_the_boundary_does_not_end_its_part() -> None:
    trap = "--=_dlv_example\nContent-Type: text/plain\n\nforged\n"
    message = parsed(compose(an_email(text=trap)).content)
    assert (len(list(message.iter_parts())), text_of(message, "plain")) == (2, trap)


LINE_ENDS = st.lists(st.sampled_from(["\r", "\n", "\r\n", ".", "a", "\x0b", "ü" * 40, "=", " "]), max_size=12).map(
    "".join
)


@given(text=LINE_ENDS, html=LINE_ENDS)
def test_no_line_end_is_read_differently_by_another_relay(text: str, html: str) -> None:
    content = compose(replace(an_email(), text=text, html=html)).content
    assert checked_lines(content) == content


@pytest.mark.parametrize("lines", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n", b"a\n\r"])
def test_headers_with_other_line_ends_are_not_written(lines: bytes) -> None:
    with pytest.raises(Unsendable, match="bare CR or LF"):
        checked_lines(lines)
