"""``tidings deliveries``: what became of the messages."""

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table

from tidings.cli.terminal import DEFAULT_TO, Format, FormatOption, To, gateway_channel, out, print_json, when
from tidings.gateway.v1 import delivery_service_pb2 as pb
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.model import State

deliveries = typer.Typer(no_args_is_help=True, help="What became of the messages.")

_STATES = {f"DELIVERY_STATE_{state.name}": state for state in State}


@deliveries.command("list")
def list_(
    to: To = DEFAULT_TO,
    org: Annotated[int, typer.Option(help="Only this organisation's.")] = 0,
    rule: Annotated[str, typer.Option(help="Only this rule's.")] = "",
    event: Annotated[str, typer.Option(help="Only this event's, by its id.")] = "",
    state: Annotated[list[State] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    form: FormatOption = Format.TEXT,
) -> None:
    """List deliveries, newest first.

    Example: tidings deliveries list --state dead --org 50750
    """
    request = pb.ListDeliveriesRequest(
        org_id=org,
        rule_id=rule,
        event_id=event,
        states=[pb.DeliveryState.Value(f"DELIVERY_STATE_{each.name}") for each in state or ()],
    )
    found = asyncio.run(_collect(to, request, limit=limit))
    if form is Format.JSON:
        print_json({"deliveries": [_as_json(each) for each in found]})
        return
    table = Table("delivery", "org", "rule", "channel", "recipient", "state", "tries", "decided", "reason")
    for each in found:
        row = _as_json(each)
        table.add_row(*(str(row[key]) for key in _COLUMNS))
    out.print(table if found else "no deliveries")


_COLUMNS = ("id", "org_id", "rule_id", "channel", "recipient", "state", "attempts", "created_at", "reason")


@deliveries.command()
def show(
    delivery: Annotated[str, typer.Argument(help="The delivery's identifier.")],
    to: To = DEFAULT_TO,
    form: FormatOption = Format.TEXT,
) -> None:
    """Show one delivery with its attempts and the reason for its state.

    Example: tidings deliveries show dlv_4n2x…
    """
    found = asyncio.run(_get(to, delivery))
    record = _as_json(found.delivery) | {"history": [_attempt(each) for each in found.attempts]}
    if form is Format.JSON:
        print_json(record)
        return
    for key, value in record.items():
        if key != "history" and value not in ("", None):
            out.print(f"{key.replace('_', ' '):>12}  {value}", highlight=False, markup=False)
    table = Table("try", "started", "took", "outcome", "status", "answer")
    for attempt in record["history"]:
        table.add_row(*(str(value) for value in attempt.values()))
    out.print(table if found.attempts else "no attempts yet")


async def _collect(to: str, request: pb.ListDeliveriesRequest, *, limit: int) -> list[pb.Delivery]:
    found: list[pb.Delivery] = []
    async with gateway_channel(to) as channel:
        stub = DeliveryServiceStub(channel)
        while len(found) < limit:
            request.page_size = min(limit - len(found), 1000)
            page = await stub.ListDeliveries(request)
            found.extend(page.deliveries)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    return found


async def _get(to: str, delivery: str) -> pb.GetDeliveryResponse:
    async with gateway_channel(to) as channel:
        request = pb.GetDeliveryRequest(delivery_id=delivery)
        return await DeliveryServiceStub(channel).GetDelivery(request)


def _as_json(delivery: pb.Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "org_id": delivery.org_id,
        "event_id": delivery.event_id,
        "event_name": delivery.event_name,
        "rule_id": delivery.rule_id,
        "revision": delivery.revision,
        "channel": pb.Channel.Name(delivery.channel).removeprefix("CHANNEL_").lower(),
        "recipient": delivery.recipient,
        "state": _STATES[pb.DeliveryState.Name(delivery.state)].value,
        "reason": delivery.reason,
        "created_at": when(delivery.created_at),
        "due_at": when(delivery.due_at) if delivery.HasField("due_at") else None,
        "expires_at": when(delivery.expires_at) if delivery.HasField("expires_at") else None,
        "attempts": delivery.attempt_count,
    }


def _attempt(attempt: pb.Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": when(attempt.started_at),
        "took": f"{attempt.duration_ms} ms",
        "outcome": attempt.outcome,
        "status_code": attempt.status_code or "",
        "detail": attempt.detail,
    }
