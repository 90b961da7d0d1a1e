"""``tidings suppressions``: addresses that must not be used."""

import asyncio
import time
from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table

from tidings.channels import parse_duration
from tidings.cli.terminal import DEFAULT_TO, Format, FormatOption, To, err, fail, gateway_channel, out, print_json, when
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.model import SuppressionReason

suppressions = typer.Typer(no_args_is_help=True, help="Addresses that must not be used, and why.")

_NUMBERS = {reason: pb.SuppressionReason.Value(f"SUPPRESSION_REASON_{reason.name}") for reason in SuppressionReason}
_NAMES = {number: reason.value for reason, number in _NUMBERS.items()}
_LARGEST_PAGE = 1_000

Org = Annotated[int, typer.Argument(help="The organisation.")]
Address = Annotated[str, typer.Argument(help="The e-mail address.")]


@suppressions.command("list")
def list_(
    to: To = DEFAULT_TO,
    org: Annotated[int | None, typer.Option(help="Only this organisation's.")] = None,
    reason: Annotated[SuppressionReason | None, typer.Option(help="Only those for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    form: FormatOption = Format.TEXT,
) -> None:
    """List addresses that must not be used, the latest first.

    Example: tidings suppressions list --org 50750 --reason complaint
    """
    request = pb.ListSuppressionsRequest(org_id=org, reason=_number(reason))
    rows = [_row(each) for each in asyncio.run(_collect(to, request, limit=limit))]
    if form is Format.JSON:
        print_json({"suppressions": rows})
        return
    table = Table("org", "address", "reason", "since", "until", "detail")
    for row in rows:
        table.add_row(
            str(row["org"]),
            row["address"] or "(erased)",
            row["reason"],
            row["created_at"],
            row["expires_at"] or "always",
            row["detail"],
        )
    out.print(table if rows else "no suppressed addresses")


@suppressions.command("add")
def add(
    org: Org,
    address: Address,
    to: To = DEFAULT_TO,
    reason: Annotated[SuppressionReason, typer.Option(help="Why.")] = SuppressionReason.MANUAL,
    lasting: Annotated[
        str | None, typer.Option("--for", help="How long: 12h, 30d; else as long as the reason does.")
    ] = None,
    detail: Annotated[str, typer.Option(help="What else is known of it.")] = "",
) -> None:
    """Put an address on the list: from now on nothing is sent to it.

    A complaint and an unsubscription leave messages of category service; a hard bounce ends after 90 days.

    Example: tidings suppressions add 50750 asha@example.com --reason unsubscribed
    """
    request = pb.AddSuppressionRequest(
        org_id=org, address=address, reason=_NUMBERS[reason], detail=detail, expires_at=_until(lasting)
    )
    added = asyncio.run(_add(to, request)).suppression
    until = when(added.expires_at) if added.HasField("expires_at") else "it is removed"
    err.print(f"{added.address} is suppressed until {until}", highlight=False, soft_wrap=True)


@suppressions.command("remove")
def remove(
    org: Org,
    address: Address,
    to: To = DEFAULT_TO,
    reason: Annotated[SuppressionReason | None, typer.Option(help="Only for this reason; else for all.")] = None,
) -> None:
    """Take an address off the list.

    Example: tidings suppressions remove 50750 asha@example.com
    """
    request = pb.RemoveSuppressionRequest(org_id=org, address=address, reason=_number(reason))
    removed = asyncio.run(_remove(to, request)).removed
    err.print(f"{removed} suppressions removed", highlight=False)


def _number(reason: SuppressionReason | None) -> pb.SuppressionReason.ValueType:
    return pb.SUPPRESSION_REASON_UNSPECIFIED if reason is None else _NUMBERS[reason]


def _until(lasting: str | None) -> Timestamp | None:
    if lasting is None:
        return None
    try:
        seconds = parse_duration(lasting)
    except ValueError as error:
        fail(f"--for: {error}")
    until = Timestamp()
    until.FromMilliseconds(int((time.time() + seconds) * 1000))
    return until


async def _collect(to: str, request: pb.ListSuppressionsRequest, *, limit: int) -> list[pb.Suppression]:
    found: list[pb.Suppression] = []
    async with gateway_channel(to) as channel:
        stub = ContactServiceStub(channel)
        while len(found) < limit:
            request.page_size = min(limit - len(found), _LARGEST_PAGE)
            answer = await stub.ListSuppressions(request)
            found.extend(answer.suppressions)
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                break
    return found


async def _add(to: str, request: pb.AddSuppressionRequest) -> pb.AddSuppressionResponse:
    async with gateway_channel(to) as channel:
        return await ContactServiceStub(channel).AddSuppression(request)


async def _remove(to: str, request: pb.RemoveSuppressionRequest) -> pb.RemoveSuppressionResponse:
    async with gateway_channel(to) as channel:
        return await ContactServiceStub(channel).RemoveSuppression(request)


def _row(each: pb.Suppression) -> dict[str, Any]:
    return {
        "org": each.org_id,
        "address": each.address,
        "reason": _NAMES[each.reason],
        "detail": each.detail,
        "created_at": when(each.created_at),
        "expires_at": when(each.expires_at) if each.HasField("expires_at") else None,
    }
