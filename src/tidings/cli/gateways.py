"""``tidings gateways``: which gateways run on a store, and which rulebook is live in each."""

import asyncio
from typing import Any

from rich.table import Table

from tidings.cli.terminal import DEFAULT_TO, Format, FormatOption, To, err, gateway_channel, out, print_json, when
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub


def gateways(to: To = DEFAULT_TO, form: FormatOption = Format.TEXT) -> None:
    """List the gateways that run on the same store as the one that answers, and which rulebook is live in each.

    Example: tidings gateways --to 127.0.0.1:50051
    """
    found = [_as_json(each) for each in asyncio.run(_list(to))]
    if form is Format.JSON:
        print_json({"gateways": found})
        return
    table = Table("gateway", "host", "role", "version", "rulebook", "started", "last seen")
    for each in found:
        name = f"{each['id'][:12]} (answers)" if each["answering"] else each["id"][:12]
        told = (each["host"], each["role"], each["version"], each["revision"][:12])
        table.add_row(name, *told, each["started_at"], each["seen_at"])
    out.print(table)
    if len({each["revision"] for each in found}) > 1:
        err.print("different rulebooks are live: each gateway decides by its own", highlight=False)


async def _list(to: str) -> list[pb.Gateway]:
    async with gateway_channel(to) as channel:
        answer = await RuleServiceStub(channel).ListGateways(pb.ListGatewaysRequest())
        return list(answer.gateways)


def _as_json(gateway: pb.Gateway) -> dict[str, Any]:
    return {
        "id": gateway.id,
        "host": gateway.host,
        "role": gateway.role,
        "version": gateway.version,
        "revision": gateway.revision,
        "started_at": when(gateway.started_at),
        "seen_at": when(gateway.seen_at),
        "answering": gateway.answering,
    }
