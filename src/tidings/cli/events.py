"""``tidings events``: what came in."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Table

from tidings.cli.explain import as_json
from tidings.cli.explain import show as show_explanation
from tidings.cli.terminal import DEFAULT_TO, Format, FormatOption, To, gateway_channel, out, print_json, when
from tidings.events import to_vendor_json
from tidings.gateway.v1 import event_service_pb2 as pb
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

events = typer.Typer(no_args_is_help=True, help="What came in.")

_LARGEST_PAGE = 1_000


@events.command("list")
def list_(
    to: To = DEFAULT_TO,
    org: Annotated[int | None, typer.Option(help="Only this organisation's.")] = None,
    name: Annotated[str, typer.Option(help="Only events of this name.")] = "",
    rejected: Annotated[bool, typer.Option("--rejected", help="Vendors' bodies that could not be used.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    form: FormatOption = Format.TEXT,
) -> None:
    """List accepted events, newest first; with --rejected what vendors sent that could not be used.

    Example: tidings events list --rejected
    """
    if rejected:
        _print_rejected(asyncio.run(_collect_rejected(to, limit=limit)), form)
    else:
        request = pb.ListEventsRequest(org_id=org, event_name=name)
        _print_events(asyncio.run(_collect(to, request, limit=limit)), form)


@events.command("show")
def show(
    org: Annotated[int, typer.Argument(help="The organisation.")],
    event_id: Annotated[str, typer.Argument(help="The event's id within it.")],
    to: To = DEFAULT_TO,
    form: FormatOption = Format.TEXT,
) -> None:
    """Show one accepted event: what was made of it, and its content as its publisher writes it.

    Example: tidings events show 50750 bd69ac73-0c7c-471a-b2cd-1f8251b34b60
    """
    found = asyncio.run(_get(to, pb.GetEventRequest(org_id=org, event_id=event_id)))
    (facts,) = _rows([found.summary])
    content = to_vendor_json(found.event)
    if form is Format.JSON:
        print_json({**facts, "event": content})
        return
    for name, value in facts.items():
        told = (", ".join(value) or "none") if isinstance(value, list) else value
        out.print(f"{name}: {told}", markup=False, highlight=False, soft_wrap=True)
    print_json(content)


@events.command("explain")
def explain(
    org: Annotated[int, typer.Argument(help="The organisation.")],
    event_id: Annotated[str, typer.Argument(help="The event's id within it.")],
    rule: Annotated[str, typer.Option(help="Only this rule, whatever event it is for.")] = "",
    to: To = DEFAULT_TO,
    form: FormatOption = Format.TEXT,
) -> None:
    """Tell why an accepted event was decided as it was, by the rules of that time.

    Example: tidings events explain 50750 bd69ac73-0c7c-471a-b2cd-1f8251b34b60
    """
    request = pb.ExplainEventRequest(org_id=org, event_id=event_id, rule_id=rule)
    answer = asyncio.run(_explain(to, request))
    if form is Format.JSON:
        print_json({"event": _rows([answer.summary])[0], **as_json(answer.explanation)})
    else:
        what = f"{answer.summary.event_name} {answer.summary.event_id} of organisation {answer.summary.org_id}"
        show_explanation(answer.explanation, what=what)


async def _get(to: str, request: pb.GetEventRequest) -> pb.GetEventResponse:
    async with gateway_channel(to) as channel:
        return await EventServiceStub(channel).GetEvent(request)


async def _explain(to: str, request: pb.ExplainEventRequest) -> pb.ExplainEventResponse:
    async with gateway_channel(to) as channel:
        return await EventServiceStub(channel).ExplainEvent(request)


def _rows(found: Iterable[pb.EventSummary]) -> list[dict[str, Any]]:
    return [
        {
            "org_id": each.org_id,
            "event_id": each.event_id,
            "event_name": each.event_name,
            "received_at": when(each.received_at),
            "customer_id": each.customer_id,
            "revision": each.revision,
            "matched_rules": list(each.matched_rules),
        }
        for each in found
    ]


def _print_events(found: list[pb.EventSummary], form: Format) -> None:
    rows = _rows(found)
    if form is Format.JSON:
        print_json({"events": rows})
        return
    table = Table("org", "event", "name", "received", "customer", "revision", "matched")
    for row in rows:
        table.add_row(*(", ".join(value) if isinstance(value, list) else str(value) for value in row.values()))
    out.print(table if rows else "no events")


def _print_rejected(found: list[pb.RejectedBody], form: Format) -> None:
    rows = [
        {
            "id": each.id,
            "received_at": when(each.received_at),
            "intake": each.intake,
            "reason": each.reason,
            "body": each.body.decode("utf-8", "backslashreplace"),
        }
        for each in found
    ]
    if form is Format.JSON:
        print_json({"rejected": rows})
        return
    table = Table("id", "received", "intake", "reason", "body")
    for row in rows:
        table.add_row(*row.values())
    out.print(table if rows else "nothing was rejected")


async def _collect(to: str, request: pb.ListEventsRequest, *, limit: int) -> list[pb.EventSummary]:
    found: list[pb.EventSummary] = []
    async with gateway_channel(to) as channel:
        stub = EventServiceStub(channel)
        while len(found) < limit:
            request.page_size = min(limit - len(found), _LARGEST_PAGE)
            page = await stub.ListEvents(request)
            found.extend(page.events)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    return found


async def _collect_rejected(to: str, *, limit: int) -> list[pb.RejectedBody]:
    found: list[pb.RejectedBody] = []
    request = pb.ListRejectedBodiesRequest()
    async with gateway_channel(to) as channel:
        stub = EventServiceStub(channel)
        while len(found) < limit:
            request.page_size = min(limit - len(found), _LARGEST_PAGE)
            page = await stub.ListRejectedBodies(request)
            found.extend(page.bodies)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    return found
