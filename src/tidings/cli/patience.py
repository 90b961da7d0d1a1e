"""Calling a gateway that is busy until it is not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc
from google.rpc.error_details_pb2 import RetryInfo

from tidings.cli.terminal import error_details

_TRIES: Final = 8
_PAUSE_SECONDS: Final = 0.5
_PATIENT: Final = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)

_T = TypeVar("_T")


async def patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    """Call, and call again for as long as the gateway says that it is only busy."""
    for attempt in range(1, _TRIES + 1):
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            wait = _asked_to_wait(error)
            if wait is None or attempt == _TRIES:
                raise
        await asyncio.sleep(wait)
    raise AssertionError  # the loop returns or raises


def _asked_to_wait(error: grpc.aio.AioRpcError) -> float | None:
    """Return how many seconds the gateway asks to wait; None when it does not ask."""
    details = error_details(error)
    if error.code() not in _PATIENT or not details:
        return None
    retry = RetryInfo()
    asked = [retry.retry_delay.ToMilliseconds() / 1000 for detail in details if detail.Unpack(retry)]
    return max(asked, default=_PAUSE_SECONDS)
