"""``tidings deliveries``: what became of the messages."""

import asyncio
import time
from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table

from tidings.channels import parse_duration
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
    when,
)
from tidings.gateway.v1 import delivery_service_pb2 as pb
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.model import State

Since = Annotated[str | None, typer.Option(help="Only decided this long ago or later: 30m, 12h, 7d.")]

deliveries = typer.Typer(no_args_is_help=True, help="What became of the messages.")

_STATES = {f"DELIVERY_STATE_{state.name}": state for state in State}


@deliveries.command("list")
def list_(
    to: To = DEFAULT_TO,
    org: Annotated[int, typer.Option(help="Only this organisation's.")] = 0,
    rule: Annotated[str, typer.Option(help="Only this rule's.")] = "",
    event: Annotated[str, typer.Option(help="Only this event's, by its id.")] = "",
    state: Annotated[list[State] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    recipient: Annotated[str, typer.Option(help="Only to customer:ID, address:ADDRESS or endpoint:NAME.")] = "",
    since: Since = None,
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
        states=_numbers(state),
        recipient=recipient,
        created_from=_ago(since),
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


@deliveries.command()
def retry(
    delivery: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Deliveries by identifier.")] = None,
    to: To = DEFAULT_TO,
    state: Annotated[list[State] | None, typer.Option(help="All in this state: dead, expired, suppressed …")] = None,
    org: Annotated[int, typer.Option(help="Of these, only this organisation's.")] = 0,
    rule: Annotated[str, typer.Option(help="Of these, only this rule's.")] = "",
    event: Annotated[str, typer.Option(help="Of these, only this event's, by its id.")] = "",
    recipient: Annotated[str, typer.Option(help="Of these, only to customer:ID, address:… or endpoint:NAME.")] = "",
    since: Since = None,
) -> None:
    """Send deliveries that have ended once more: those named, or all in a state.

    Example: tidings deliveries retry --state dead --org 50750 --since 2d
    """
    if bool(delivery) == bool(state):
        fail("name deliveries, or give --state for all that ended so")
    if delivery:
        raise typer.Exit(asyncio.run(_retry_named(to, delivery)))
    selection = pb.DeliverySelection(
        org_id=org,
        rule_id=rule,
        event_id=event,
        recipient=recipient,
        states=_numbers(state),
        created_from=_ago(since),
    )
    with progress("retrying", total=None) as step:
        total = asyncio.run(_retry_all(to, selection, step))
    err.print(f"{total} deliveries are on their way again", highlight=False)


@deliveries.command()
def cancel(
    delivery: Annotated[str, typer.Argument(help="The delivery's identifier.")],
    to: To = DEFAULT_TO,
    reason: Annotated[str, typer.Option(help="Why; kept with the delivery.")] = "",
) -> None:
    """Call off a delivery that waits or is held.

    Example: tidings deliveries cancel dlv_4n2x… --reason "the member has left"
    """
    cancelled = asyncio.run(_cancel(to, pb.CancelDeliveryRequest(delivery_id=delivery, reason=reason)))
    err.print(f"{cancelled.delivery.id} is cancelled: {cancelled.delivery.reason}", highlight=False, markup=False)


async def _retry_named(to: str, names: list[str]) -> int:
    """Retry deliveries by name, with a line for each that could not be; return the exit code."""
    async with gateway_channel(to) as channel:
        answer = await DeliveryServiceStub(channel).RetryDeliveries(pb.RetryDeliveriesRequest(delivery_ids=names))
    left = [each for each in answer.results if each.state != pb.DELIVERY_STATE_WAITING]
    for each in left:
        state = _STATES.get(pb.DeliveryState.Name(each.state))
        err.print(
            f"{each.delivery_id}: {f'is {state.value} and was left so' if state else 'there is no such delivery'}"
        )
    err.print(f"{answer.retried} deliveries are on their way again", highlight=False)
    return PROBLEMS if left else 0


async def _retry_all(to: str, selection: pb.DeliverySelection, step: Step) -> int:
    total = 0
    async with gateway_channel(to) as channel:
        stub = DeliveryServiceStub(channel)
        while True:
            answer = await stub.RetryDeliveries(pb.RetryDeliveriesRequest(selection=selection))
            total += answer.retried
            step(answer.retried)
            if not answer.more:
                return total
    return total


async def _cancel(to: str, request: pb.CancelDeliveryRequest) -> pb.CancelDeliveryResponse:
    async with gateway_channel(to) as channel:
        return await DeliveryServiceStub(channel).CancelDelivery(request)


def _numbers(states: list[State] | None) -> list[pb.DeliveryState.ValueType]:
    return [pb.DeliveryState.Value(f"DELIVERY_STATE_{each.name}") for each in states or ()]


def _ago(since: str | None) -> Timestamp | None:
    """Read how far back: ``2d`` is two days ago."""
    if since is None:
        return None
    try:
        seconds = parse_duration(since)
    except ValueError as error:
        fail(f"--since: {error}")
    moment = Timestamp()
    moment.FromMilliseconds(int((time.time() - seconds) * 1000))
    return moment


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
