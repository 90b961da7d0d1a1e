"""What publishers and operators see of a gateway whose store is in trouble."""

import json
from typing import Any

import aiohttp
import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from gateway_kit import RunningGateway, details_of
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import PublishResponse

_LARGE = 200_000
"""Bytes."""


def issued(event_id: str) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = event_id
    return event


async def refusal(gateway: RunningGateway, event: Event) -> str:
    """Publish what cannot be taken; return what the answer says, its details checked."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.publish(event)
    info, retry = ErrorInfo(), RetryInfo()
    unpacked = [detail.Unpack(each) for detail, each in zip(details_of(caught.value), (info, retry), strict=True)]
    assert (caught.value.code(), info.reason, retry.retry_delay.seconds, unpacked) == (
        grpc.StatusCode.UNAVAILABLE,
        "STORE_UNAVAILABLE",
        1,
        [True, True],
    )
    return str(caught.value.details())


async def served(gateway: RunningGateway, event: Event) -> PublishResponse | None:
    """Publish; None when it is not taken."""
    try:
        return await gateway.publish(event)
    except grpc.aio.AioRpcError:
        return None


async def readiness(gateway: RunningGateway) -> tuple[int, dict[str, Any]]:
    """Return the status of the readiness page, and what it says of the store."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        http.get("/readyz") as response,
    ):
        return response.status, dict(json.loads(await response.text())["checks"]["store"])


def is_logged(gateway: RunningGateway, words: str) -> bool:
    """Say whether the log told of an unavailable store in these words."""
    told = (str(entry.get("error", "")) for entry in gateway.log if entry["event"] == "store.unavailable")
    return any(words in each for each in told)


def large(event_id: str) -> Event:
    """Return an event that no page of a database has room for."""
    event = issued(event_id)
    event.points_issued.triggering_activity.name = "x" * _LARGE
    return event


async def until_refused(gateway: RunningGateway) -> tuple[list[str], str]:
    """Publish large events; return the deliveries of those that were acknowledged, and what the first refusal says."""
    names: list[str] = []
    for number in range(1_000):
        answer = await served(gateway, large(f"large-{number}"))
        if answer is None:
            return names, await refusal(gateway, large(f"large-{number}"))
        names += answer.delivery_ids
    raise AssertionError("there is always room")
