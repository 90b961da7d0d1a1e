"""Leasing deliveries, holding them, and settling them, many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidings.model import Cause, Delivery
from tidings.store.causes import ENDING, SETTLING, check_weights, settled_change
from tidings.store.moved import MovesSeen
from tidings.store.postgres.digests import being_filled, reopen_digests, take_digests
from tidings.store.postgres.driver import Connection, Row
from tidings.store.postgres.interventions import Interventions
from tidings.store.postgres.ordering import keep_order, lock_lanes_of
from tidings.store.postgres.queues import Queues
from tidings.store.postgres.reservations import count_no_more, count_sent
from tidings.store.postgres.rows import delivery_of
from tidings.store.values import (
    DeliveryChange,
    Leased,
    Settlement,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """Up to ``limit`` deliveries that are due at ``now``, to be held until ``until``, shared by ``weights``."""

    now: int
    until: int
    limit: int
    weights: Mapping[int, int]

    def __post_init__(self) -> None:
        """Refuse a weight that would starve an organisation."""
        check_weights(self.weights)


@dataclass(frozen=True, slots=True)
class RenewRequest:
    """Leases as (delivery id, fence), to be held until ``until``."""

    leases: tuple[tuple[str, int], ...]
    until: int


_Settled = tuple[Settlement, Row]
"""A settlement that counts, and the delivery as it was held."""


class HandingOut:
    """Leases; has a lane of its own, so that no transaction that leases waits for rows of others."""

    def __init__(self, moves: MovesSeen) -> None:
        self._moves = moves
        self._queues = Queues()

    async def lease(self, connection: Connection, requests: Sequence[LeaseRequest]) -> list[list[Leased]]:
        """Lease for several callers, one after the other."""
        return [await self._lease(connection, request) for request in requests]

    async def _lease(self, connection: Connection, request: LeaseRequest) -> list[Leased]:
        seqs = await self._queues.take(connection, now=request.now, room=request.limit, weights=request.weights)
        passed_over = await being_filled(connection, seqs) if seqs else set()
        seqs = [seq for seq in seqs if seq not in passed_over]
        if not seqs:
            return []
        await take_digests(connection, seqs)
        rows = await connection.rows("take_deliveries", {"seqs": seqs, "wake_at": _lapse(request.until)})
        by_seq = {row["seq"]: row for row in rows}
        leased = [_leased(by_seq[seq]) for seq in seqs]
        if self._moves.followed:
            self._moves.saw([_taken(each.delivery, request.now) for each in leased])
        return leased


class Settling:
    """Renews and settles; part of a lane that writes."""

    def __init__(self, interventions: Interventions, moves: MovesSeen) -> None:
        self._interventions = interventions
        self._moves = moves

    async def renew(self, connection: Connection, requests: Sequence[RenewRequest]) -> list[list[bool]]:
        """Renew for several callers."""
        held = await _held(connection, [name for request in requests for name, _ in request.leases])
        answers = []
        for request in requests:
            answers.append([_holds(held, name, fence) for name, fence in request.leases])
            if seqs := [held[name]["seq"] for name, fence in request.leases if _holds(held, name, fence)]:
                await connection.change("renew_deliveries", {"seqs": seqs, "wake_at": _lapse(request.until)})
        return answers

    async def settle(self, connection: Connection, requests: Sequence[Sequence[Settlement]]) -> list[list[bool]]:
        """Settle for several callers; of two settlements of one lease the first counts."""
        names = [each.delivery_id for request in requests for each in request]
        await lock_lanes_of(connection, names)
        held = await _held(connection, names)
        settled: list[_Settled] = []
        answers = []
        for request in requests:
            answer = []
            for settlement in request:
                answer.append(_holds(held, settlement.delivery_id, settlement.fence))
                if answer[-1]:
                    settled.append((settlement, held.pop(settlement.delivery_id)))
            answers.append(answer)
        if settled:
            await self._write(connection, settled)
        return answers

    async def _write(self, connection: Connection, settled: Sequence[_Settled]) -> None:
        await connection.change("settle_deliveries", _move_columns(settled))
        if tried := [each for each in settled if each[0].attempt is not None]:
            await connection.change("insert_attempts", _attempt_columns(tried))
        untried = [held["seq"] for each, held in settled if each.cause is Cause.HELD and each.attempt is None]
        await reopen_digests(connection, untried)
        await _keep_count(connection, [settlement for settlement, _ in settled])
        in_lanes = [settlement.delivery_id for settlement, held in settled if held["in_lane"]]
        released = await keep_order(connection, in_lanes)
        if released or any(settlement.cause not in ENDING for settlement, _ in settled):
            self._moves.work_came()
        if self._moves.followed:
            self._moves.saw([settled_change(settlement, held["org_id"]) for settlement, held in settled])
        await self._catch_up(connection, settled)

    async def _catch_up(self, connection: Connection, settled: Sequence[_Settled]) -> None:
        """Cancel what an event called off while it was in hand, unless it has ended."""
        for settlement, held in settled:
            if held["called_off"] is not None and settlement.cause not in ENDING:
                name, now = settlement.delivery_id, settlement.settled_at
                await self._interventions.cancel(connection, name, held["called_off"], now=now)


async def _held(connection: Connection, names: Sequence[str]) -> dict[str, Row]:
    """Return those of the deliveries that are in somebody's hands."""
    rows = await connection.rows("held_deliveries", {"ids": names}) if names else []
    return {row["id"]: row for row in rows}


async def _keep_count(connection: Connection, settled: Sequence[Settlement]) -> None:
    """Let limits count what was sent, and no longer what ended otherwise."""
    sent = [(each.delivery_id, each.settled_at) for each in settled if each.cause is Cause.ACCEPTED]
    unsent = [each.delivery_id for each in settled if each.cause in ENDING and each.cause is not Cause.ACCEPTED]
    await count_sent(connection, sent)
    await count_no_more(connection, unsent)


def _lapse(until: int) -> int:
    """Return the first moment at which a lease until ``until`` has lapsed."""
    return until + 1


def _holds(held: Mapping[str, Row], name: str, fence: int) -> bool:
    found = held.get(name)
    return found is not None and bool(found["fence"] == fence)


def _move_columns(settled: Sequence[_Settled]) -> dict[str, list[Any]]:
    """Return what settlements change, by column."""
    return {
        "seqs": [held["seq"] for _, held in settled],
        "states": [SETTLING[each.cause].value for each, _ in settled],
        "reasons": [each.reason for each, _ in settled],
        "due": [None if each.cause in ENDING else each.due_at for each, _ in settled],
        "attempts": [held["attempts"] + (each.attempt is not None) for each, held in settled],
        "settled": [each.settled_at if each.cause in ENDING else None for each, _ in settled],
    }


def _attempt_columns(tried: Sequence[_Settled]) -> dict[str, list[Any]]:
    attempts = [settlement.attempt for settlement, _ in tried if settlement.attempt is not None]
    return {
        "seqs": [held["seq"] for _, held in tried],
        "numbers": [held["attempts"] + 1 for _, held in tried],
        "started": [each.started_at for each in attempts],
        "durations": [each.duration_ms for each in attempts],
        "outcomes": [each.outcome.value for each in attempts],
        "status_codes": [each.status_code for each in attempts],
        "details": [each.detail for each in attempts],
    }


def _leased(row: Row) -> Leased:
    return Leased(delivery=delivery_of(row), fence=row["fence"], event=row["content"] or b"", trace=row["trace"] or "")


def _taken(delivery: Delivery, now: int) -> DeliveryChange:
    return DeliveryChange(
        delivery_id=delivery.id, org_id=delivery.org_id, state=delivery.state, reason=delivery.reason, at=now
    )
