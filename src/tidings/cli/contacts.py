"""``tidings contacts``: the directory of customers."""

import asyncio
import csv
import enum
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import grpc
import typer

from tidings.cli.contact_rows import (
    HeaderFault,
    Row,
    cells_of,
    columns_of,
    json_of,
    marks_of,
    read_csv,
    read_json_lines,
)
from tidings.cli.patience import patiently
from tidings.cli.terminal import (
    DEFAULT_TO,
    PROBLEMS,
    Format,
    FormatOption,
    Step,
    To,
    err,
    fail,
    gateway_channel,
    out,
    print_json,
    progress,
    violations_of,
)
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub

if TYPE_CHECKING:  # the stub's type for an asynchronous channel exists in the generated stubs only
    from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceAsyncStub

contacts = typer.Typer(no_args_is_help=True, help="The directory of customers: how each may be reached.")

_BATCH: Final = 500
_PAGE: Final = 100
"""Small enough that the largest contacts there can be fit one answer."""
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_PLACE: Final = re.compile(r"contacts\[(\d+)\]\.(.+)")

_Usable = tuple[int, pb.Contact]
"""The line on which a row begins, and the contact it holds."""


class Form(enum.StrEnum):
    """How contacts are written."""

    JSONL = "jsonl"
    CSV = "csv"


@contacts.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON lines (.jsonl, .ndjson).")],
    to: To = DEFAULT_TO,
) -> None:
    """Add contacts or change what the file names of them.

    CSV columns: org, customer_id and email, then any of name, locale, time_zone, consent.CATEGORY (yes or no) and
    attribute.NAME. A row that cannot be used is reported with its line; the good ones are kept.

    Example: tidings contacts import members.csv
    """
    is_lines = file.suffix in _LINES
    try:
        total = _count(file) - (not is_lines)
        # Bytes that are not UTF-8 pass here, to be reported with their row.
        with (
            file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened,
            progress("importing", total=total) as step,
        ):
            rows = read_json_lines(opened) if is_lines else read_csv(opened)
            kept, bad = asyncio.run(_import(rows, to, step))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except HeaderFault as error:
        fail(str(error))
    err.print(f"{kept} contacts imported, {bad} rows refused", highlight=False)
    if bad:
        raise typer.Exit(PROBLEMS)


@contacts.command("export")
def export(
    to: To = DEFAULT_TO,
    org: Annotated[int | None, typer.Option(help="Only this organisation's.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to write them.")] = Form.JSONL,
) -> None:
    """Write the directory to standard output, so that it can be imported again.

    Example: tidings contacts export --org 50750 --format csv > members.csv
    """
    with progress("exporting", total=None) as step:
        asyncio.run(_export_csv(to, org, step) if form is Form.CSV else _export_lines(to, org, step))


@contacts.command("show")
def show(
    org: Annotated[int, typer.Argument(help="The organisation.")],
    customer_id: Annotated[str, typer.Argument(help="The customer within it.")],
    to: To = DEFAULT_TO,
    form: FormatOption = Format.TEXT,
) -> None:
    """Show what is known of a customer.

    Example: tidings contacts show 50750 381750905
    """
    contact = asyncio.run(_get(to, org, customer_id))
    facts = json_of(contact) | marks_of(contact)
    if form is Format.JSON:
        print_json(facts)
        return
    for name, value in facts.items():
        told = ", ".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, dict) else value
        out.print(f"{name}: {told}", markup=False, highlight=False, soft_wrap=True)


@contacts.command("erase")
def erase(
    org: Annotated[int, typer.Argument(help="The organisation.")],
    customer_id: Annotated[str, typer.Argument(help="The customer within it.")],
    to: To = DEFAULT_TO,
    address: Annotated[list[str] | None, typer.Option(help="A further address of theirs; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    form: FormatOption = Format.TEXT,
) -> None:
    """Forget a customer everywhere, for good; what waits for them is cancelled.

    A suppressed address stays suppressed, by a hash of it. Exit code 1 when something was just being sent: do it again.

    Example: tidings contacts erase 50750 381750905 --yes
    """
    if not yes:
        typer.confirm(f"Forget customer {customer_id} of organisation {org} for good?", abort=True, err=True)
    request = pb.EraseContactRequest(org_id=org, customer_id=customer_id, addresses=address)
    answer = asyncio.run(_erase(to, request))
    counts = {each.name: getattr(answer, each.name) for each in answer.DESCRIPTOR.fields}
    if form is Format.JSON:
        print_json(counts)
    else:
        out.print("\n".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items()), highlight=False)
    if answer.under_way:
        raise typer.Exit(PROBLEMS)


def _count(file: Path) -> int:
    with file.open("rb") as opened:
        return sum(1 for _ in opened)


async def _import(rows: Iterator[Row], to: str, step: Step) -> tuple[int, int]:
    """Send batch after batch, the next being read while one is under way."""
    read = kept = 0
    under_way: asyncio.Task[int] | None = None
    async with gateway_channel(to) as channel:
        stub = ContactServiceStub(channel)
        while batch := list(islice(rows, _BATCH)):
            good = list(_usable(batch))
            if under_way is not None:
                kept += await under_way
            under_way = asyncio.create_task(_upsert(stub, good)) if good else None
            await asyncio.sleep(0)  # lets it set out
            read += len(batch)
            step(len(batch))
        if under_way is not None:
            kept += await under_way
    return kept, read - kept


def _usable(batch: list[Row]) -> Iterator[_Usable]:
    """Yield the lines and contacts of rows that hold one, and report the others."""
    for row in batch:
        if isinstance(row.content, str):
            _refuse(row.line, row.content)
        else:
            yield row.line, row.content


def _refuse(line: int, why: str) -> None:
    err.print(f"line {line}: {why}", markup=False, highlight=False, soft_wrap=True)


async def _upsert(stub: "ContactServiceAsyncStub", good: list[_Usable]) -> int:
    """Return how many were kept; those that the gateway refuses, for what it knows already, are reported."""
    left = good
    while left:
        request = pb.UpsertContactsRequest(
            contacts=[contact for _, contact in left], consent_source=pb.CONSENT_SOURCE_IMPORT
        )
        try:
            await patiently(partial(stub.UpsertContacts, request))
        except grpc.aio.AioRpcError as error:
            refused = _refused(error)
            if not refused:
                raise
        else:
            break
        for place, why in sorted(refused.items()):
            _refuse(left[place][0], "; ".join(why))
        left = [each for place, each in enumerate(left) if place not in refused]
    return len(left)


def _refused(error: grpc.aio.AioRpcError) -> dict[int, list[str]]:
    """Return what the gateway said is wrong with single contacts, by their places in the call."""
    found: dict[int, list[str]] = {}
    for each in violations_of(error):
        if place := _PLACE.fullmatch(each.field):
            found.setdefault(int(place[1]), []).append(f"{place[2]}: {each.description}")
    return found


async def _get(to: str, org: int, customer_id: str) -> pb.Contact:
    async with gateway_channel(to) as channel:
        answer = await ContactServiceStub(channel).GetContact(pb.GetContactRequest(org_id=org, customer_id=customer_id))
    return answer.contact


async def _erase(to: str, request: pb.EraseContactRequest) -> pb.EraseContactResponse:
    async with gateway_channel(to) as channel:
        return await ContactServiceStub(channel).EraseContact(request)


async def _export_lines(to: str, org: int | None, step: Step) -> None:
    async for page in _pages(to, org):
        sys.stdout.writelines(json.dumps(json_of(each), ensure_ascii=False) + "\n" for each in page)
        step(len(page))


async def _export_csv(to: str, org: int | None, step: Step) -> None:
    """Go through the directory twice: only at its end is it known which columns it takes."""
    columns: dict[str, None] = {}
    async for page in _pages(to, org):
        columns.update(dict.fromkeys(columns_of(page)))
    ordered = list(columns) or columns_of(())
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(ordered)
    async for page in _pages(to, org):
        writer.writerows(cells_of(each, ordered) for each in page)
        step(len(page))


async def _pages(to: str, org: int | None) -> AsyncIterator[Sequence[pb.Contact]]:
    token = ""
    async with gateway_channel(to) as channel:
        stub = ContactServiceStub(channel)
        while True:
            request = pb.ListContactsRequest(org_id=org, page_size=_PAGE, page_token=token)
            answer = await stub.ListContacts(request)
            yield answer.contacts
            token = answer.next_page_token
            if not token:
                return
