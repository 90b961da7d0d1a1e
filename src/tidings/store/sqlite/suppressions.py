"""The list of addresses that must not be used, by organisation. Rows are found by the key of their address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidings.model import Suppression, SuppressionReason, address_key
from tidings.store.paging import encode_place
from tidings.store.sqlite.driver import SQL, Connection, insert_rows, read_together
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


def add_suppressions(connection: Connection, requests: Sequence[Sequence[Suppression]]) -> list[None]:
    """Put addresses on the list, and let go of what has expired by the latest of them."""
    rows = [
        (
            each.org_id,
            address_key(each.org_id, each.address or ""),
            each.reason.value,
            each.address,
            each.detail,
            each.created_at,
            each.expires_at,
        )
        for request in requests
        for each in request
    ]
    insert_rows(connection, "insert_suppressions", rows)
    latest = max((each.created_at for request in requests for each in request), default=0)
    connection.execute(SQL["drop_expired_suppressions"], {"now": latest})
    return [None] * len(requests)


def lift(connection: Connection, requests: Sequence[Lifting]) -> list[int]:
    """Take addresses off the list; how many suppressions went, for each request."""
    return [_lift(connection, each) for each in requests]


def suppressions_of(connection: Connection, requests: Sequence[tuple[int, str, int]]) -> list[tuple[Suppression, ...]]:
    """Return why addresses must not be used, by organisation, address and time."""
    wanted = [
        (number, org_id, address_key(org_id, address), now) for number, (org_id, address, now) in enumerate(requests)
    ]
    found: list[list[Suppression]] = [[] for _ in requests]
    for number, *row in sorted(read_together(connection, "suppressions_of", wanted), key=_by_seq):
        found[number].append(_suppression(row))
    return [tuple(each) for each in found]


def suppression_pages(
    connection: Connection, requests: Sequence[tuple[SuppressionFilter, int, int]]
) -> list[SuppressionPage]:
    """Return pages of the list by filter, page size and where the page before ended."""
    return [_page(connection, *request) for request in requests]


def _lift(connection: Connection, lifting: Lifting) -> int:
    values = {
        "org_id": lifting.org_id,
        "address_key": address_key(lifting.org_id, lifting.address),
        "reason": None if lifting.reason is None else lifting.reason.value,
    }
    return connection.execute(SQL["drop_suppressions"], values).rowcount


def _by_seq(row: Sequence[Any]) -> int:
    seq: int = row[1]
    return seq


def _page(connection: Connection, wanted: SuppressionFilter, size: int, before: int) -> SuppressionPage:
    values = {
        "before": before,
        "limit": size + 1,
        "org_id": wanted.org_id,
        "reason": None if wanted.reason is None else wanted.reason.value,
    }
    rows = connection.execute(SQL["list_suppressions"], values).fetchall()
    token = encode_place(rows[size - 1][0], wanted) if len(rows) > size else ""
    return SuppressionPage(suppressions=tuple(_suppression(row) for row in rows[:size]), next_token=token)


def _suppression(row: Sequence[Any]) -> Suppression:
    return Suppression(
        org_id=row[1],
        address=row[2],
        reason=SuppressionReason(row[3]),
        detail=row[4],
        created_at=row[5],
        expires_at=row[6],
    )
