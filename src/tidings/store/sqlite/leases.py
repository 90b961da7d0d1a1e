"""Leasing deliveries, holding them, and settling them, many at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from tidings.model import Attempt, Cause, Delivery, State
from tidings.store.causes import ENDING, SETTLING, check_weights, settled_change
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.digests import reopen_digests, take_digests
from tidings.store.sqlite.driver import SQL, Connection, Value, insert_rows, rows_of
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.ordering import keep_order
from tidings.store.sqlite.queues import Queues
from tidings.store.sqlite.reservations import count_no_more, count_sent
from tidings.store.sqlite.rows import delivery_of
from tidings.store.values import (
    DeliveryChange,
    Leased,
    Settlement,
)

_MOST_PLACES: Final = 65_536
_MAY_GATHER: Final = frozenset({State.HELD.value, State.SENDING.value})
"""What a digest is in before a lease that closes it."""


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


@dataclass(frozen=True, slots=True)
class _Held:
    """A delivery in somebody's hands."""

    seq: int
    org_id: int
    fence: int
    attempts: int
    in_lane: bool
    called_off: str | None


class _Places:
    """Remembers where the deliveries are that were handed out.

    The way to one by its id leads through an index that is in no order: with a long backlog nearly every step would
    read a page from the file. What is remembered is only a hint, for an id and its seq are looked up together.
    """

    def __init__(self) -> None:
        self._seqs: dict[str, int] = {}

    def learn(self, places: Iterable[tuple[str, int]]) -> None:
        """Remember ids with their seqs."""
        if len(self._seqs) > _MOST_PLACES:  # what others settled, or nobody, is never asked for
            self._seqs.clear()
        self._seqs.update(places)

    def of(self, connection: Connection, names: Sequence[str]) -> list[tuple[str, int]]:
        """Return the ids that there are with their seqs."""
        known = {name: self._seqs[name] for name in names if name in self._seqs}
        unknown = [name for name in names if name not in known]
        found = rows_of(connection, "seqs_of_deliveries", {"ids": _json(unknown)}) if unknown else []
        return [*known.items(), *((name, seq) for name, seq in found)]

    def forget(self, names: Iterable[str]) -> None:
        """Forget what has left our hands."""
        for name in names:
            self._seqs.pop(name, None)


class Leases:
    """Leases, renews and settles; part of the writing lane."""

    def __init__(self, interventions: Interventions, moves: MovesSeen) -> None:
        self._interventions = interventions
        self._moves = moves
        self._queues = Queues()
        self._places = _Places()

    def lease(self, connection: Connection, requests: Sequence[LeaseRequest]) -> list[list[Leased]]:
        """Lease for several callers, one after the other."""
        return [self._lease(connection, request) for request in requests]

    def renew(self, connection: Connection, requests: Sequence[RenewRequest]) -> list[list[bool]]:
        """Renew for several callers."""
        held = self._held(connection, [name for request in requests for name, _ in request.leases])
        answers = []
        for request in requests:
            answers.append([_holds(held, name, fence) for name, fence in request.leases])
            seqs = [held[name].seq for name, fence in request.leases if _holds(held, name, fence)]
            connection.execute(SQL["renew_deliveries"], {"seqs": _json(seqs), "wake_at": _lapse(request.until)})
        return answers

    def settle(self, connection: Connection, requests: Sequence[Sequence[Settlement]]) -> list[list[bool]]:
        """Settle for several callers; of two settlements of one lease the first counts."""
        held = self._held(connection, [each.delivery_id for request in requests for each in request])
        settled: list[tuple[Settlement, _Held]] = []
        answers = []
        for request in requests:
            answer = []
            for settlement in request:
                answer.append(_holds(held, settlement.delivery_id, settlement.fence))
                if answer[-1]:
                    settled.append((settlement, held.pop(settlement.delivery_id)))
            answers.append(answer)
        self._write(connection, settled)
        return answers

    def _lease(self, connection: Connection, request: LeaseRequest) -> list[Leased]:
        seqs = self._queues.take(connection, now=request.now, room=request.limit, weights=request.weights)
        if not seqs:
            return []
        wanted = {"seqs": _json(seqs)}
        rows = rows_of(connection, "deliveries_to_hand_out", wanted)
        connection.execute(SQL["take_deliveries"], {**wanted, "wake_at": _lapse(request.until)})
        leased = [
            Leased(
                delivery=delivery_of(document, state=State.SENDING),
                fence=fence + 1,
                event=bytes.fromhex(content),
                trace=trace,
            )
            for fence, content, trace, document in rows
        ]
        if any(row[-1][10] in _MAY_GATHER for row in rows):  # the state, as it was
            take_digests(connection, seqs)
        self._places.learn((each.delivery.id, seq) for each, seq in zip(leased, seqs, strict=True))
        if self._moves.followed:
            self._moves.saw([_taken(each.delivery, request.now) for each in leased])
        return leased

    def _held(self, connection: Connection, names: Sequence[str]) -> dict[str, _Held]:
        """Return those of the deliveries that are in somebody's hands."""
        places = self._places.of(connection, names)
        rows = rows_of(connection, "held_deliveries", {"places": _json(places)})
        return {
            name: _Held(seq, org_id, fence, attempts, bool(in_lane), called_off)
            for name, seq, org_id, fence, attempts, in_lane, called_off in rows
        }

    def _write(self, connection: Connection, settled: Sequence[tuple[Settlement, _Held]]) -> None:
        if not settled:
            return
        moves = [_move_row(settlement, held) for settlement, held in settled]
        attempts = [
            _attempt_row(held.seq, held.attempts + 1, settlement.attempt)
            for settlement, held in settled
            if settlement.attempt is not None
        ]
        connection.execute(SQL["settle_deliveries"], {"moves": _json(moves)})
        self._places.forget(settlement.delivery_id for settlement, _ in settled)
        insert_rows(connection, "insert_attempts", attempts)
        untried = [held.seq for each, held in settled if each.cause is Cause.HELD and each.attempt is None]
        reopen_digests(connection, untried)
        _keep_count(connection, [settlement for settlement, _ in settled])
        released = keep_order(connection, [settlement.delivery_id for settlement, held in settled if held.in_lane])
        if released or any(settlement.cause not in ENDING for settlement, _ in settled):
            self._moves.work_came()
        if self._moves.followed:
            self._moves.saw([settled_change(settlement, held.org_id) for settlement, held in settled])
        self._catch_up(connection, settled)

    def _catch_up(self, connection: Connection, settled: Sequence[tuple[Settlement, _Held]]) -> None:
        """Cancel what an event called off while it was in hand, unless it has ended."""
        for settlement, held in settled:
            if held.called_off is not None and settlement.cause not in ENDING:
                name, now = settlement.delivery_id, settlement.settled_at
                self._interventions.cancel(connection, name, held.called_off, now=now)


def _keep_count(connection: Connection, settled: Sequence[Settlement]) -> None:
    """Let limits count what was sent, and no longer what ended otherwise."""
    sent = [(each.delivery_id, each.settled_at) for each in settled if each.cause is Cause.ACCEPTED]
    unsent = [each.delivery_id for each in settled if each.cause in ENDING and each.cause is not Cause.ACCEPTED]
    count_sent(connection, sent)
    count_no_more(connection, unsent)


def _lapse(until: int) -> int:
    """Return the first moment at which a lease until ``until`` has lapsed."""
    return until + 1


def _holds(held: dict[str, _Held], name: str, fence: int) -> bool:
    found = held.get(name)
    return found is not None and found.fence == fence


def _move_row(settlement: Settlement, held: _Held) -> tuple[Value, ...]:
    """Return what a settlement changes, in the order of the statement's values."""
    ended = settlement.cause in ENDING
    return (
        held.seq,
        SETTLING[settlement.cause].value,
        settlement.reason.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # a NUL would end SQLite's JSON text
        None if ended else settlement.due_at,
        held.attempts + (settlement.attempt is not None),
        settlement.settled_at if ended else None,
    )


def _taken(delivery: Delivery, now: int) -> DeliveryChange:
    return DeliveryChange(
        delivery_id=delivery.id, org_id=delivery.org_id, state=delivery.state, reason=delivery.reason, at=now
    )


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
