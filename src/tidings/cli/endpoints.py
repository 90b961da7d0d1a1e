"""``tidings endpoints``: how the brands' webhook endpoints do."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from google.protobuf.duration_pb2 import Duration
from rich.table import Table

from tidings.cli.terminal import DEFAULT_TO, Format, FormatOption, To, err, gateway_channel, out, print_json, when
from tidings.gateway.v1 import delivery_service_pb2 as pb
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub

endpoints = typer.Typer(no_args_is_help=True, help="How the brands' webhook endpoints do.")

_UNITS = {1: "s", 60: "m", 3600: "h", 86400: "d"}


@endpoints.command("list")
def list_(
    to: To = DEFAULT_TO,
    org: Annotated[int, typer.Option(help="Only this organisation's.")] = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """List the endpoints of the live rulebook, and which of them fail, are paused or disabled.

    Example: tidings endpoints list --org 50750
    """
    found = [_as_json(each) for each in asyncio.run(_list(to, org))]
    if form is Format.JSON:
        print_json({"endpoints": found})
        return
    table = Table("org", "endpoint", "host", "rate", "at once", "state", "reason")
    for each in found:
        shown = (each["org_id"], each["name"], each["host"], each["rate"] or "", each["concurrency"])
        table.add_row(*(str(value) for value in shown), _state_in_words(each), each["reason"])
    out.print(table if found else "no endpoints")
    _say_what_next(found)


@endpoints.command()
def enable(
    org: Annotated[int, typer.Argument(help="The organisation.")],
    name: Annotated[str, typer.Argument(help="The endpoint's name within it.")],
    to: To = DEFAULT_TO,
) -> None:
    """Put an endpoint back into use that was disabled or is paused; what waits for it goes out at once.

    Example: tidings endpoints enable 50750 crm
    """
    enabled = asyncio.run(_enable(to, pb.EnableEndpointRequest(org_id=org, name=name)))
    _say(f"{name} of {org} is in use; {enabled.hastened} deliveries that waited for it go out now")
    _say(f"what was suppressed meanwhile: tidings deliveries retry --state suppressed {_meant(org, name)}")


def _state_in_words(endpoint: dict[str, Any]) -> str:
    if endpoint["state"] == "disabled":
        return f"disabled since {endpoint['disabled_at']}"
    if endpoint["state"] == "paused":
        return f"paused until {endpoint['paused_until']}"
    return f"failing since {endpoint['failing_since']}" if endpoint["state"] == "failing" else "in use"


def _say_what_next(found: Iterable[dict[str, Any]]) -> None:
    """Name the command that puts each disabled endpoint back into use."""
    for each in found:
        if each["state"] == "disabled":
            org, name = each["org_id"], each["name"]
            _say(f"once {name} of {org} is mended: tidings endpoints enable {org} {name}")


def _meant(org: int, name: str) -> str:
    return f"--org {org} --recipient endpoint:{name}"


def _say(text: str) -> None:
    err.print(text, highlight=False, markup=False, soft_wrap=True)


async def _list(to: str, org: int) -> list[pb.Endpoint]:
    found: list[pb.Endpoint] = []
    request = pb.ListEndpointsRequest(org_id=org, page_size=1_000)
    async with gateway_channel(to) as channel:
        stub = DeliveryServiceStub(channel)
        while True:
            page = await stub.ListEndpoints(request)
            found.extend(page.endpoints)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    return found


async def _enable(to: str, request: pb.EnableEndpointRequest) -> pb.EnableEndpointResponse:
    async with gateway_channel(to) as channel:
        return await DeliveryServiceStub(channel).EnableEndpoint(request)


def _as_json(endpoint: pb.Endpoint) -> dict[str, Any]:
    return {
        "org_id": endpoint.org_id,
        "name": endpoint.name,
        "host": endpoint.host,
        "rate": f"{endpoint.rate.count}/{_unit(endpoint.rate.period)}" if endpoint.HasField("rate") else None,
        "concurrency": endpoint.concurrency,
        "state": pb.EndpointState.Name(endpoint.state).removeprefix("ENDPOINT_STATE_").lower(),
        "reason": endpoint.reason,
        "failing_since": when(endpoint.failing_since) if endpoint.HasField("failing_since") else None,
        "paused_until": when(endpoint.paused_until) if endpoint.HasField("paused_until") else None,
        "disabled_at": when(endpoint.disabled_at) if endpoint.HasField("disabled_at") else None,
    }


def _unit(period: Duration) -> str:
    return _UNITS.get(period.seconds, f"{period.seconds}s")
