"""Gateways that drain what waits, looked at while they do."""

import re
import time
from dataclasses import dataclass
from typing import Final

import aiohttp
from processes import cpu_of

from family_kit import memory_of
from gateway_kit import RunningGateway

_DELIVERED: Final = re.compile(
    r'^tidings_deliveries_ended_total\{channel="email",state="delivered"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a gateway says of itself at a moment."""

    at: float
    took: float
    """Seconds that the answer took."""
    delivered: int
    cpu: float
    """Processor time that it has used, seconds."""
    memory: float
    """Resident, MiB."""


async def look_at(gateway: RunningGateway, session: aiohttp.ClientSession) -> Look:
    """Ask a gateway how far it is."""
    asked = time.perf_counter()
    async with session.get(f"http://127.0.0.1:{gateway.http_port}/metrics") as response:
        found = _DELIVERED.search(await response.text())
    at = time.perf_counter()
    return Look(
        at=at,
        took=at - asked,
        delivered=int(float(found[1])) if found else 0,
        cpu=cpu_of(gateway.process.pid),
        memory=memory_of(gateway.process.pid),
    )


def rate(first: Look, last: Look) -> float:
    """Return deliveries a second between two looks."""
    return (last.delivered - first.delivered) / (last.at - first.at)


def cpu_each(first: Look, last: Look) -> float:
    """Return the processor time, seconds, that a delivery took between two looks."""
    return (last.cpu - first.cpu) / (last.delivered - first.delivered)
