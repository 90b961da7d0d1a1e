"""``tidings preview``: the messages that would go out for an event, and sending them as a test."""

import asyncio
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from tidings.authoring.preview import preview as compose_all
from tidings.cli.explain import as_json
from tidings.cli.given import read_event, read_moment, read_rulebook
from tidings.cli.preview_page import page
from tidings.cli.preview_text import lines
from tidings.cli.terminal import PROBLEMS, Format, FormatOption, fail, gateway_channel, out, print_json
from tidings.documents import did_you_mean
from tidings.errors import NotFound
from tidings.events import event_name
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub
from tidings.intake import system_clock
from tidings.model import Contact, contact_faults
from tidings.rpc.contact_convert import contact_to_proto
from tidings.rpc.convert import timestamp
from tidings.rpc.previews import preview_to_proto
from tidings.rulebook import read_folder

LIVE = "-"
"""Stands for the rulebook that the gateway works by."""
_UNBOUNDED = 2**31


def preview(
    rules: Annotated[str, typer.Argument(help="The rulebook's folder; with --to, - is the gateway's own.")],
    event: Annotated[
        str,
        typer.Argument(help="A JSON payload in any envelope, - for standard input, or an event's name for its sample."),
    ],
    rule: Annotated[str, typer.Option(help="Only this rule.")] = "",
    now: Annotated[
        str | None, typer.Option(metavar="ISO", help="When to decide; in UTC unless it says otherwise.")
    ] = None,
    org: Annotated[int | None, typer.Option(help="The organisation, for a payload that names none.")] = None,
    locale: Annotated[str | None, typer.Option(help="The customer's locale, such as ar-AE.")] = None,
    all_locales: Annotated[bool, typer.Option("--all-locales", help="Each language that a template has.")] = False,
    name: Annotated[str | None, typer.Option(help="The customer's name.")] = None,
    email: Annotated[str | None, typer.Option(help="The customer's address; nothing is sent there.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="The customer's time zone, such as Asia/Kolkata.")] = None,
    contact: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A JSON object with email, name, locale, time_zone and attributes."),
    ] = None,
    customer: Annotated[str, typer.Option(metavar="ID", help="A customer as the gateway knows them; with --to.")] = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page that shows the messages in a browser.")
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Ask the gateway at this gRPC address.")] = "",
    send_to: Annotated[
        str, typer.Option("--send-to", metavar="ADDRESS", help="Send the e-mails there, marked as tests; with --to.")
    ] = "",
    send_to_endpoint: Annotated[
        str, typer.Option(metavar="NAME", help="Post the webhooks there, marked as tests; with --to.")
    ] = "",
    form: FormatOption = Format.TEXT,
) -> None:
    """Show the e-mails and webhooks that would go out for an event, as they would be sent, and why if there are none.

    Consent, suppression, quiet hours and limits are not looked at. Nothing is sent without --send-to.

    Example: tidings preview rules pointsExpiryReminder --now 2023-06-01 --email asha@example.com --html preview.html
    """
    if not to and (customer or send_to or send_to_endpoint or rules == LIVE):
        fail("--customer, --send-to, --send-to-endpoint and the rulebook - need --to HOST:PORT")
    given = {"email": email, "name": name, "locale": locale, "time_zone": time_zone}
    reader = _reader(contact, {key: value for key, value in given.items() if value is not None})
    if customer and reader is not None:
        fail("--customer looks the customer up; leave out --contact, --email, --name, --locale and --time-zone")
    asked = _Asked(
        rules=rules,
        event=read_event(event, org, verb="preview"),
        now=None if now is None and to else read_moment(now),
        reader=reader,
        customer=customer,
        rule=rule,
    )
    if send_to or send_to_endpoint:
        _report(asyncio.run(_send(to, asked.test(send_to, send_to_endpoint))), form)
        return
    response = _previewed(asked, to, all_locales=all_locales, form=form)
    _show(response, f"{event_name(asked.event)} of organisation {asked.event.org_id}", html=html, form=form)


def _previewed(asked: "_Asked", to: str, *, all_locales: bool, form: Format) -> pb.PreviewResponse:
    if to:
        return asyncio.run(_ask(to, asked.preview(all_locales=all_locales)))
    return _compose(asked, all_locales=all_locales, form=form)


def _compose(asked: "_Asked", *, all_locales: bool, form: Format) -> pb.PreviewResponse:
    rulebook = read_rulebook(Path(asked.rules), form, verb="preview")
    try:
        previewed = compose_all(
            rulebook,
            asked.event,
            now=system_clock() if asked.now is None else asked.now,
            contact=asked.reader,
            rule_id=asked.rule or None,
            all_locales=all_locales,
        )
    except NotFound as error:
        hint = did_you_mean(error.name, (each.id for each in rulebook.rules.rules))
        fail(f"{error} in {asked.rules}; {hint}".rstrip("; "))
    return preview_to_proto(previewed, room=_UNBOUNDED)


def _reader(file: Path | None, given: dict[str, str]) -> Contact | None:
    """Return what is supposed of the customer: the file's, and over it what the options say."""
    if file is None and not given:
        return None
    read = _contact_file(file) if file is not None else {}
    known = {each.name for each in fields(Contact)}
    for key in read:
        if key not in known:
            fail(f"{file}: {key} is nothing that a contact has. {did_you_mean(key, known)}".rstrip())
    named = {key: value for key, value in (read | given).items() if key not in ("org_id", "customer_id")}
    reader = replace(Contact(org_id=0, customer_id="anybody"), **named)
    for key, fault in contact_faults(reader):
        fail(f"{key}: {fault}")
    return reader


def _contact_file(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror or error}")
    except ValueError as error:
        _no_contact(file, str(error))
    if not isinstance(read, dict) or not all(isinstance(each, str | int | dict | None) for each in read.values()):
        _no_contact(file, "its values are texts")
    return {key: value for key, value in read.items() if value is not None}


def _no_contact(file: Path, why: str) -> NoReturn:
    fail(f'{file} is no JSON object such as {{"email": "asha@example.com", "locale": "en-IN"}}: {why}')


def _show(response: pb.PreviewResponse, what: str, *, html: Path | None, form: Format) -> None:
    """Print a preview, write its page, and end with 1 where a message cannot be made."""
    if html is not None:
        try:
            html.write_text(page(response, what=what), encoding="utf-8")
        except OSError as error:
            fail(f"{html} cannot be written: {error.strerror or error}")
    if form is Format.JSON:
        print_json(as_json(response))
    else:
        for line in lines(response, what=what):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(each.WhichOneof("content") is None for each in response.messages):
        raise typer.Exit(PROBLEMS)


def _report(response: pb.SendTestResponse, form: Format) -> None:
    """Print what became of test messages, and end with 1 where one was not taken."""
    if form is Format.JSON:
        print_json(as_json(response))
    else:
        for each in response.sent:
            code = f" {each.status_code}" if each.status_code else ""
            said = f"{each.outcome}{code}: {each.detail}" if each.detail else f"{each.outcome}{code}"
            line = f"{each.rule_id} to {each.recipient}: {said}"
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(each.outcome != "accepted" for each in response.sent):
        raise typer.Exit(PROBLEMS)


async def _ask(to: str, request: pb.PreviewRequest) -> pb.PreviewResponse:
    async with gateway_channel(to) as channel:
        return await RuleServiceStub(channel).Preview(request)


async def _send(to: str, request: pb.SendTestRequest) -> pb.SendTestResponse:
    async with gateway_channel(to) as channel:
        return await RuleServiceStub(channel).SendTest(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is to be previewed, or sent as a test."""

    rules: str
    event: Event
    now: int | None
    reader: Contact | None
    customer: str
    rule: str

    def preview(self, *, all_locales: bool) -> pb.PreviewRequest:
        request = pb.PreviewRequest(rule_id=self.rule, all_locales=all_locales)
        self._fill(request)
        return request

    def test(self, address: str, endpoint: str) -> pb.SendTestRequest:
        request = pb.SendTestRequest(address=address, endpoint=endpoint, rule_id=self.rule)
        self._fill(request)
        return request

    def _fill(self, request: pb.PreviewRequest | pb.SendTestRequest) -> None:
        request.event.CopyFrom(self.event)
        request.files.extend(_files(self.rules))
        if self.now is not None:
            request.decided_at.CopyFrom(timestamp(self.now))
        if self.reader is not None:
            request.contact.CopyFrom(contact_to_proto(self.reader))
        if self.customer:
            request.customer_id = self.customer


def _files(rules: str) -> list[pb.RulebookFile]:
    """Return the files of the rulebook to send along; none for the gateway's own."""
    if rules == LIVE:
        return []
    try:
        return [pb.RulebookFile(path=each.path, content=each.data) for each in read_folder(Path(rules))]
    except OSError as error:
        fail(f"{rules} cannot be read: {error.strerror or error}")
