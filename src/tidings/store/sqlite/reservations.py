"""Counting deliveries against limits: exact, because all of it happens in the one writing lane.

A reservation is made before a delivery is sent. While the delivery is under way it counts whatever the hour; from
when it was sent it counts for as long as a limit looks back; if it ends without being sent, it never counted.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from tidings.store.sqlite.driver import SQL, Connection, Value, insert_rows, value_of
from tidings.store.values import (
    Claim,
    Limit,
)

UNDER_WAY: Final = 2**63 - 1
"""Later than any time: what is under way is within every window."""


def reserve(connection: Connection, claims: Sequence[Claim]) -> list[tuple[int | None, ...]]:
    """Count the deliveries of several callers, one after the other."""
    return [_reserve(connection, claim) for claim in claims]


def _reserve(connection: Connection, claim: Claim) -> tuple[int | None, ...]:
    answers = tuple(_room(connection, claim, limit) for limit in claim.limits)
    if all(each is None for each in answers):
        _count(connection, claim)
    return answers


def _room(connection: Connection, claim: Claim, limit: Limit) -> int | None:
    """Return None where there is room, or when there will be."""
    values: dict[str, Value] = {
        "org_id": claim.org_id,
        "unit": limit.unit or claim.delivery_id,
        "key": limit.key,
        "limit": limit.limit,
        "since": claim.now - limit.per,
    }
    counted, last_at = connection.execute(SQL["room_left"], values).fetchone()
    if counted or last_at is None:
        return None
    last_at = value_of(connection, "room_left_by_unit", values)  # dearer, and asked only where it may matter
    return None if last_at is None else int(min(last_at, claim.now)) + limit.per


def _count(connection: Connection, claim: Claim) -> None:
    counted = dict.fromkeys((each.key, each.unit or claim.delivery_id) for each in claim.limits)
    rows = [(claim.org_id, key, UNDER_WAY, unit, claim.delivery_id) for key, unit in counted]
    insert_rows(connection, "insert_reservations", rows)


def count_sent(connection: Connection, sent: Sequence[tuple[str, int]]) -> None:
    """Let deliveries, given with the time at which they were sent, count from then on."""
    if sent:
        connection.execute(SQL["keep_reservations"], {"sent": orjson.dumps(sent).decode()})


def count_no_more(connection: Connection, delivery_ids: Sequence[str]) -> None:
    """Forget deliveries that ended without being sent."""
    if delivery_ids:
        connection.execute(SQL["drop_reservations"], {"ids": orjson.dumps(delivery_ids).decode()})
