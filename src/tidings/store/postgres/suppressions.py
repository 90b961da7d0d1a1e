"""The list of addresses that must not be used, by organisation. Rows are found by the key of their address."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidings.model import Suppression, SuppressionReason, address_key
from tidings.store.paging import encode_place
from tidings.store.postgres.driver import Connection, Row
from tidings.store.values import (
    SuppressionFilter,
    SuppressionPage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """Which suppressions of an address to take off the list; no reason: all."""

    org_id: int
    address: str
    reason: SuppressionReason | None


async def add_suppressions(connection: Connection, requests: Sequence[Sequence[Suppression]]) -> list[None]:
    """Put addresses on the list, and let go of what has expired by the latest of them."""
    last: dict[tuple[int, bytes, str], Suppression] = {}
    for each in (each for request in requests for each in request):
        last[each.org_id, address_key(each.org_id, each.address or ""), each.reason.value] = each
    values = {
        "org_ids": [org_id for org_id, _, _ in last],
        "address_keys": [key for _, key, _ in last],
        "reasons": [reason for _, _, reason in last],
        "addresses": [each.address for each in last.values()],
        "details": [each.detail for each in last.values()],
        "created": [each.created_at for each in last.values()],
        "expiring": [each.expires_at for each in last.values()],
    }
    await connection.change("insert_suppressions", values)
    latest = max((each.created_at for each in last.values()), default=0)
    await connection.change("drop_expired_suppressions", {"now": latest})
    return [None] * len(requests)


async def lift(connection: Connection, requests: Sequence[Lifting]) -> list[int]:
    """Take addresses off the list; how many suppressions went, for each request."""
    return [await _lift(connection, each) for each in requests]


async def suppressions_of(
    connection: Connection, requests: Sequence[tuple[int, str, int]]
) -> list[tuple[Suppression, ...]]:
    """Return why addresses must not be used, by organisation, address and time."""
    if not requests:
        return []
    values = {
        "org_ids": [org_id for org_id, _, _ in requests],
        "address_keys": [address_key(org_id, address) for org_id, address, _ in requests],
        "nows": [now for _, _, now in requests],
    }
    found: list[list[Suppression]] = [[] for _ in requests]
    for row in await connection.rows("suppressions_of", values):
        found[row["number"] - 1].append(_suppression(row))
    return [tuple(each) for each in found]


async def suppression_pages(
    connection: Connection, requests: Sequence[tuple[SuppressionFilter, int, int]]
) -> list[SuppressionPage]:
    """Return pages of the list by filter, page size and where the page before ended."""
    return [await _page(connection, *request) for request in requests]


async def _lift(connection: Connection, lifting: Lifting) -> int:
    values = {
        "org_id": lifting.org_id,
        "address_key": address_key(lifting.org_id, lifting.address),
        "reason": None if lifting.reason is None else lifting.reason.value,
    }
    return await connection.change("drop_suppressions", values)


async def _page(connection: Connection, wanted: SuppressionFilter, size: int, before: int) -> SuppressionPage:
    values = {
        "before": before,
        "limit": size + 1,
        "org_id": wanted.org_id,
        "reason": None if wanted.reason is None else wanted.reason.value,
    }
    rows = await connection.rows("list_suppressions", values)
    token = encode_place(rows[size - 1]["seq"], wanted) if len(rows) > size else ""
    return SuppressionPage(suppressions=tuple(_suppression(row) for row in rows[:size]), next_token=token)


def _suppression(row: Row) -> Suppression:
    return Suppression(
        org_id=row["org_id"],
        address=row["address"],
        reason=SuppressionReason(row["reason"]),
        detail=row["detail"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
