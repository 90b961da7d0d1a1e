"""``tidings convert``: a vendor's JSON as the gateway reads it."""

import enum
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import text_format

from tidings.cli.terminal import PROBLEMS, err, fail
from tidings.errors import InvalidEvent
from tidings.events import ConvertedEvent, RejectedEvent, to_vendor_json
from tidings.events import convert as read_payload


class Form(enum.StrEnum):
    """How an event is printed."""

    JSON = "json"
    TEXT = "text"
    BINARY = "binary"


def convert(
    file: Annotated[str, typer.Argument(help="A JSON payload in any envelope; - is standard input.")],
    form: Annotated[Form, typer.Option("--format", help="json: the vendor's flat form; text or binary: protobuf.")] = (
        Form.JSON
    ),
    org: Annotated[int | None, typer.Option(help="The organisation, for payloads that name none.")] = None,
) -> None:
    """Convert a JSON payload to events and print them, with a warning for each leniency used.

    Example: tidings convert event.json --format text
    """
    try:
        conversion = read_payload(_read(file), org_id=org)
    except InvalidEvent as error:
        _complain(file, error)
        raise typer.Exit(PROBLEMS) from None
    for member in conversion.members:
        if isinstance(member, RejectedEvent):
            _complain(f"{file}{member.path}", member.error)
            continue
        for warning in member.warnings:
            _say(f"{file}: warning: {member.path}{warning.path}: {warning.text}")
    _print(conversion.events, form, is_batch=conversion.is_batch)
    if conversion.rejected:
        raise typer.Exit(PROBLEMS)


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")


def _print(events: Sequence[ConvertedEvent], form: Form, *, is_batch: bool) -> None:
    if form is Form.JSON:
        documents = [to_vendor_json(each.event) for each in events]
        if documents:
            shown = documents if is_batch else documents[0]
            sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    elif form is Form.TEXT:
        sys.stdout.write("\n".join(text_format.MessageToString(each.event, as_utf8=True) for each in events))
    elif len(events) > 1:
        fail("binary holds one event; this payload holds several")
    else:
        sys.stdout.buffer.write(b"".join(each.event.SerializeToString() for each in events))


def _complain(place: str, error: InvalidEvent) -> None:
    for violation in error.violations:
        _say(f"{place}: error: {violation.field or 'event'}: {violation.description}")


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)
