"""The gateways that run on the database, and what they share. One of them at a time changes any of it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from tidings.store.fleet import Ask, Booked, EndpointPause, Part, Presence
from tidings.store.postgres.driver import Connection
from tidings.store.postgres.lane import Lane
from tidings.store.shares import Holding, book, divide


class Asking(NamedTuple):
    """What a gateway asks of endpoints, and when, epoch milliseconds."""

    gateway_id: str
    asks: tuple[Ask, ...]
    now: int


class PostgresFleet:
    """Implements the port ``FleetStore``; has a lane of its own, so that a gateway is not silent when it is busy."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def beat(self, presence: Presence) -> tuple[Presence, ...]:
        """See the port."""
        return await self._lane.run(_beat, presence)

    async def drop(self, gateway_id: str, *, beats: int | None = None) -> None:
        """See the port."""
        await self._lane.run(_drop, (gateway_id, beats))

    async def gateways(self) -> tuple[Presence, ...]:
        """See the port."""
        return await self._lane.run(_gateways, None)

    async def share_out(self, gateway_id: str, asks: Sequence[Ask], *, now: int) -> list[Part] | None:
        """See the port."""
        return await self._lane.run(_share_out, Asking(gateway_id, tuple(asks), now))

    async def booked(self) -> list[Booked]:
        """See the port."""
        return await self._lane.run(_booked, None)

    async def pauses(self) -> list[EndpointPause]:
        """See the port."""
        return await self._lane.run(_pauses, None)

    async def save_pause(self, pause: EndpointPause) -> None:
        """See the port."""
        await self._lane.run(_save_pauses, pause)


async def _beat(connection: Connection, presences: Sequence[Presence]) -> list[tuple[Presence, ...]]:
    await connection.rows("lock_gateways")
    for each in presences:
        await connection.change("put_gateway", asdict(each))
        await connection.change("drop_rates", {"before": each.seen_at * 1_000})
    return [await _all_gateways(connection)] * len(presences)


async def _gateways(connection: Connection, requests: Sequence[None]) -> list[tuple[Presence, ...]]:
    return [await _all_gateways(connection)] * len(requests)


async def _all_gateways(connection: Connection) -> tuple[Presence, ...]:
    return tuple(Presence(**dict(row)) for row in await connection.rows("gateways"))


async def _drop(connection: Connection, gone: Sequence[tuple[str, int | None]]) -> list[None]:
    await connection.rows("lock_gateways")
    for gateway_id, beats in gone:
        await connection.change("drop_gateway", {"id": gateway_id, "beats": 2**62 if beats is None else beats})
    return [None] * len(gone)


async def _share_out(connection: Connection, requests: Sequence[Asking]) -> list[list[Part] | None]:
    await connection.rows("lock_gateways")
    return [await _share_one_out(connection, each) for each in requests]


async def _share_one_out(connection: Connection, asking: Asking) -> list[Part] | None:
    row = await connection.row("count_dispatching", {"id": asking.gateway_id})
    if row is None or not row["there"]:
        return None
    return [await _part(connection, asking, ask, row["gateways"]) for ask in asking.asks]


async def _part(connection: Connection, asking: Asking, ask: Ask, gateways: int) -> Part:
    endpoint = {"org_id": ask.org_id, "name": ask.name}
    held = [Holding(**dict(row)) for row in await connection.rows("shares_of_endpoint", endpoint)]
    own = next((each for each in held if each.gateway_id == asking.gateway_id), Holding(asking.gateway_id, 0, 0, 0))
    others = [each for each in held if each.gateway_id != asking.gateway_id]
    holding, part = divide(ask, own, others, gateways=gateways, now=asking.now)
    values = endpoint | {"gateway_id": asking.gateway_id}
    if holding.slots or holding.wanted:
        await connection.change("put_share", values | holding._asdict())
    else:
        await connection.change("drop_share", values)
    return part if not ask.interval else await _with_times(connection, asking, ask, part)


async def _with_times(connection: Connection, asking: Asking, ask: Ask, part: Part) -> Part:
    endpoint = {"org_id": ask.org_id, "name": ask.name}
    row = await connection.row("rate_of_endpoint", endpoint)
    known = 0 if row is None else row["free_at"]
    first, times, free_at = book(ask, part, known, now=asking.now)
    if free_at != known:
        await connection.change("put_rate", endpoint | {"free_at": free_at})
    return part._replace(first_at=first, times=times)


async def _booked(connection: Connection, requests: Sequence[None]) -> list[list[Booked]]:
    found = [Booked(**dict(row)) for row in await connection.rows("endpoint_rates")]
    return [list(found) for _ in requests]


async def _pauses(connection: Connection, requests: Sequence[None]) -> list[list[EndpointPause]]:
    found = [EndpointPause(**dict(row)) for row in await connection.rows("endpoint_pauses")]
    return [list(found) for _ in requests]


async def _save_pauses(connection: Connection, pauses: Sequence[EndpointPause]) -> list[None]:
    for each in pauses:
        await connection.change("drop_pause" if each.is_over else "put_pause", asdict(each))
    return [None] * len(pauses)
