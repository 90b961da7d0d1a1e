"""The gateways that run on the database, and what they share."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, NamedTuple

from tidings.store.fleet import Ask, Booked, EndpointPause, Part, Presence
from tidings.store.shares import Holding, book, divide
from tidings.store.sqlite.calls import Calls, Work
from tidings.store.sqlite.driver import SQL, Connection


class Asking(NamedTuple):
    """What a gateway asks of endpoints, and when, epoch milliseconds."""

    gateway_id: str
    asks: tuple[Ask, ...]
    now: int


class SqliteFleet:
    """Implements the port ``FleetStore``."""

    def __init__(self, write: Calls, look_up: Calls) -> None:
        self._write = write
        self._look_up = look_up

    async def beat(self, presence: Presence) -> tuple[Presence, ...]:
        """See the port."""
        return await self._write.run(_beat, presence)

    async def drop(self, gateway_id: str, *, beats: int | None = None) -> None:
        """See the port."""
        await self._write.run(_drop, (gateway_id, beats))

    async def gateways(self) -> tuple[Presence, ...]:
        """See the port."""
        return await self._look_up.run(_gateways, None)

    async def share_out(self, gateway_id: str, asks: Sequence[Ask], *, now: int) -> list[Part] | None:
        """See the port."""
        return await self._write.run(_share_out, Asking(gateway_id, tuple(asks), now))

    async def booked(self) -> list[Booked]:
        """See the port."""
        return await self._look_up.run(_booked, None)

    async def pauses(self) -> list[EndpointPause]:
        """See the port."""
        return await self._look_up.run(_pauses, None)

    async def save_pause(self, pause: EndpointPause) -> None:
        """See the port."""
        await self._write.run(_save_pauses, pause)


def _beat(connection: Connection, presences: Sequence[Presence]) -> list[tuple[Presence, ...]]:
    for each in presences:
        connection.execute(SQL["put_gateway"], asdict(each))
        connection.execute(SQL["drop_rates"], {"before": each.seen_at * 1_000})
    return [_all_gateways(connection)] * len(presences)


def _gateways(connection: Connection, requests: Sequence[None]) -> list[tuple[Presence, ...]]:
    return [_all_gateways(connection)] * len(requests)


def _all_gateways(connection: Connection) -> tuple[Presence, ...]:
    names = ("id", "host", "place", "version", "role", "revision", "started_at", "seen_at", "beats")
    return tuple(
        Presence(**dict(zip(names, row, strict=False)), dispatches=bool(row[-2]), sharing=bool(row[-1]))
        for row in connection.execute(SQL["gateways"])
    )


def _drop(connection: Connection, gone: Sequence[tuple[str, int | None]]) -> list[None]:
    for gateway_id, beats in gone:
        connection.execute(SQL["drop_gateway"], {"id": gateway_id, "beats": 2**62 if beats is None else beats})
    return [None] * len(gone)


def _share_out(connection: Connection, requests: Sequence[Asking]) -> list[list[Part] | None]:
    return [_share_one_out(connection, each) for each in requests]


def _share_one_out(connection: Connection, asking: Asking) -> list[Part] | None:
    gateways, there = connection.execute(SQL["count_dispatching"], {"id": asking.gateway_id}).fetchone()
    if not there:
        return None
    return [_part(connection, asking, ask, gateways) for ask in asking.asks]


def _part(connection: Connection, asking: Asking, ask: Ask, gateways: int) -> Part:
    endpoint: dict[str, int | str] = {"org_id": ask.org_id, "name": ask.name}
    held = [Holding(*row) for row in connection.execute(SQL["shares_of_endpoint"], endpoint)]
    own = next((each for each in held if each.gateway_id == asking.gateway_id), Holding(asking.gateway_id, 0, 0, 0))
    others = [each for each in held if each.gateway_id != asking.gateway_id]
    holding, part = divide(ask, own, others, gateways=gateways, now=asking.now)
    values = endpoint | {"gateway_id": asking.gateway_id}
    if holding.slots or holding.wanted:
        connection.execute(SQL["put_share"], values | holding._asdict())
    else:
        connection.execute(SQL["drop_share"], values)
    return part if not ask.interval else _with_times(connection, asking, ask, part)


def _with_times(connection: Connection, asking: Asking, ask: Ask, part: Part) -> Part:
    endpoint: dict[str, int | str] = {"org_id": ask.org_id, "name": ask.name}
    row = connection.execute(SQL["rate_of_endpoint"], endpoint).fetchone()
    known = 0 if row is None else row[0]
    first, times, free_at = book(ask, part, known, now=asking.now)
    if free_at != known:
        connection.execute(SQL["put_rate"], endpoint | {"free_at": free_at})
    return part._replace(first_at=first, times=times)


def _booked(connection: Connection, requests: Sequence[None]) -> list[list[Booked]]:
    found = [Booked(*row) for row in connection.execute(SQL["endpoint_rates"])]
    return [list(found) for _ in requests]


def _pauses(connection: Connection, requests: Sequence[None]) -> list[list[EndpointPause]]:
    names = ("org_id", "name", "breaker", "probe_at", "pause_ms", "asked_until")
    found = [EndpointPause(**dict(zip(names, row, strict=True))) for row in connection.execute(SQL["endpoint_pauses"])]
    return [list(found) for _ in requests]


def _save_pauses(connection: Connection, pauses: Sequence[EndpointPause]) -> list[None]:
    for each in pauses:
        statement = "drop_pause" if each.is_over else "put_pause"
        values = {"org_id": each.org_id, "name": each.name} if each.is_over else asdict(each)
        connection.execute(SQL[statement], values)
    return [None] * len(pauses)


FLEET_WRITES: Final[tuple[Work, ...]] = (_beat, _drop, _share_out, _save_pauses)
"""What is asked of the writing lane."""
