"""Leasing deliveries, holding them, and settling them, many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from tidings.model import ENDED, MOVES, Attempt, Cause, State
from tidings.store.port import Leased, Settlement
from tidings.store.sqlite.driver import SQL, Connection, Value, insert_rows, rows_of
from tidings.store.sqlite.rows import delivery_of

_SETTLING: Final[Mapping[Cause, State]] = {
    cause: to for (state, cause), to in MOVES.items() if state is State.SENDING and cause is not Cause.LEASED
}


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Up to ``limit`` deliveries that are due at ``now``, to be held until ``until``."""

    now: int
    until: int
    limit: int


@dataclass(frozen=True, slots=True)
class RenewRequest:
    """Leases as (delivery id, fence), to be held until ``until``."""

    leases: tuple[tuple[str, int], ...]
    until: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A delivery in somebody's hands."""

    seq: int
    fence: int
    attempts: int


class Leases:
    """Leases, renews and settles; part of the writing lane."""

    def __init__(self) -> None:
        self.returned = False
        """Whether deliveries were put back to wait since this was last set to False."""

    def lease(self, connection: Connection, requests: Sequence[LeaseRequest]) -> list[list[Leased]]:
        """Lease for several callers, one after the other."""
        return [_lease(connection, request) for request in requests]

    def renew(self, connection: Connection, requests: Sequence[RenewRequest]) -> list[list[bool]]:
        """Renew for several callers."""
        held = _held(connection, [name for request in requests for name, _ in request.leases])
        answers = []
        for request in requests:
            answers.append([_holds(held, name, fence) for name, fence in request.leases])
            seqs = [held[name].seq for name, fence in request.leases if _holds(held, name, fence)]
            connection.execute(SQL["renew_deliveries"], {"seqs": _json(seqs), "wake_at": _lapse(request.until)})
        return answers

    def settle(self, connection: Connection, requests: Sequence[Sequence[Settlement]]) -> list[list[bool]]:
        """Settle for several callers; of two settlements of one lease the first counts."""
        held = _held(connection, [each.delivery_id for request in requests for each in request])
        moves: list[tuple[Value, ...]] = []
        attempts: list[tuple[Value, ...]] = []
        answers = []
        for request in requests:
            answer = []
            for settlement in request:
                answer.append(_holds(held, settlement.delivery_id, settlement.fence))
                if answer[-1]:
                    _move(settlement, held.pop(settlement.delivery_id), moves, attempts)
            answers.append(answer)
        self.returned = self.returned or any(due_at is not None for _, _, _, due_at, _, _ in moves)
        connection.execute(SQL["settle_deliveries"], {"moves": _json(moves)})
        insert_rows(connection, "insert_attempts", attempts)
        return answers


def check_settlement(settlement: Settlement) -> None:
    """Raise ValueError for a settlement that no state of the delivery would allow."""
    to = _SETTLING.get(settlement.cause)
    if to is None:
        raise ValueError(f"{settlement.delivery_id}: {settlement.cause} is no move from {State.SENDING}; see MOVES")
    if to not in ENDED and settlement.due_at is None:
        raise ValueError(f"{settlement.delivery_id}: {settlement.cause} leads to {to} and needs a due_at")


def _lease(connection: Connection, request: LeaseRequest) -> list[Leased]:
    rows = rows_of(connection, "due_deliveries", {"now": request.now, "limit": request.limit})
    if rows:
        seqs = _json([row[0] for row in rows])
        connection.execute(SQL["take_deliveries"], {"seqs": seqs, "wake_at": _lapse(request.until)})
    return [
        Leased(delivery=delivery_of(document, state=State.SENDING), fence=fence + 1, event=bytes.fromhex(content))
        for _, fence, content, document in rows
    ]


def _lapse(until: int) -> int:
    """Return the first moment at which a lease until ``until`` has lapsed."""
    return until + 1


def _held(connection: Connection, names: Sequence[str]) -> dict[str, _Held]:
    rows = rows_of(connection, "held_deliveries", {"ids": _json(names)})
    return {name: _Held(seq, fence, attempts) for name, seq, fence, attempts in rows}


def _holds(held: dict[str, _Held], name: str, fence: int) -> bool:
    found = held.get(name)
    return found is not None and found.fence == fence


def _move(
    settlement: Settlement, held: _Held, moves: list[tuple[Value, ...]], attempts: list[tuple[Value, ...]]
) -> None:
    """Add what a settlement changes, in the order of the statements' values."""
    to = _SETTLING[settlement.cause]
    ended = to in ENDED
    number = held.attempts + (settlement.attempt is not None)
    moves.append(
        (
            held.seq,
            to.value,
            settlement.reason.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # a NUL would end SQLite's JSON text
            None if ended else settlement.due_at,
            number,
            settlement.settled_at if ended else None,
        )
    )
    if settlement.attempt is not None:
        attempts.append(_attempt_row(held.seq, number, settlement.attempt))


def _attempt_row(seq: int, number: int, attempt: Attempt) -> tuple[Value, ...]:
    return (
        seq,
        number,
        attempt.started_at,
        attempt.duration_ms,
        attempt.outcome.value,
        attempt.status_code,
        attempt.detail,
    )


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()
