"""``tidings contacts``: the directory of customers."""

import asyncio
import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from tidings.cli.terminal import DEFAULT_TO, PROBLEMS, Step, To, err, fail, gateway_channel, progress
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.model import Contact, contact_faults

contacts = typer.Typer(no_args_is_help=True, help="The directory of customers: how each may be reached.")

_REQUIRED = ("org", "customer_id", "email")
_OPTIONAL = ("name", "locale", "time_zone")
_BATCH = 500


@contacts.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header: org,customer_id,email,name,locale,time_zone.")],
    to: To = DEFAULT_TO,
) -> None:
    """Add or replace contacts from a CSV file; only the first three columns are required.

    A row that cannot be used is reported with its line; the good ones are kept.

    Example: tidings contacts import members.csv
    """
    try:
        rows = sum(1 for _ in file.open(encoding="utf-8")) - 1
        with file.open(encoding="utf-8-sig", newline="") as opened, progress("importing", total=rows) as step:
            kept, bad = asyncio.run(_import(opened, to, step))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        fail(f"{file} is not UTF-8 text: byte {error.start} cannot be read; save the file as UTF-8")
    err.print(f"{kept} contacts imported, {bad} rows refused", highlight=False)
    if bad:
        raise typer.Exit(PROBLEMS)


async def _import(lines: Iterator[str], to: str, step: Step) -> tuple[int, int]:
    reader = csv.DictReader(lines)
    _check_header(reader.fieldnames)
    kept = bad = 0
    async with gateway_channel(to) as channel:
        stub = ContactServiceStub(channel)
        while batch := list(islice(_contacts(reader), _BATCH)):
            good = [each for each in batch if each is not None]
            if good:
                await stub.UpsertContacts(pb.UpsertContactsRequest(contacts=good))
            kept += len(good)
            bad += len(batch) - len(good)
            step(len(batch))
    return kept, bad


def _check_header(columns: object) -> None:
    names = list(columns) if isinstance(columns, list) else []
    missing = [name for name in _REQUIRED if name not in names]
    unknown = [name for name in names if name not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        parts = [f"lacks the column {name}" for name in missing]
        parts += [f"has a column {name!r} that contacts do not have" for name in unknown]
        fail(f"line 1: the header {' and '.join(parts)}; it reads org,customer_id,email[,name,locale,time_zone]")


def _contacts(reader: "csv.DictReader[str]") -> Iterator[pb.Contact | None]:
    """Yield a contact for each row, or None for one that was reported and refused."""
    for row in reader:
        fault = _fault(row)
        if fault:
            err.print(f"line {reader.line_num}: {fault}", markup=False, highlight=False, soft_wrap=True)
            yield None
            continue
        values = {name: row[name] for name in ("email", *_OPTIONAL) if row.get(name)}
        yield pb.Contact(org_id=int(row["org"]), customer_id=row["customer_id"], **values)


def _fault(row: dict[str, str]) -> str | None:
    if None in row or None in row.values():
        return "has not as many values as the header has columns"
    if not row["org"].isascii() or not row["org"].isdigit():
        return f"org: {row['org']!r} is not an organisation's number"
    values = {name: row[name] for name in ("email", *_OPTIONAL) if row.get(name)}
    contact = Contact(org_id=int(row["org"]), customer_id=row["customer_id"], **values)
    return "; ".join(f"{field}: {text}" for field, text in contact_faults(contact)) or None
