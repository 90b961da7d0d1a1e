"""Leasing deliveries, holding them, and settling them, many at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from tidings.model import Attempt, Cause, Delivery, State
from tidings.store.causes import ENDING, SETTLING, check_weights, settled_change
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.digests import reopen_digests, take_digests
from tidings.store.sqlite.driver import MOST_ROWS, SQL, Connection, Value, change_together, insert_rows, rows_of
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
_VALUES: Final = {each: each.value for each in Cause}
_STATES: Final = {cause: to.value for cause, to in SETTLING.items()}
"""By cause, the state as it is stored: an enumeration's ``value`` is slow to ask for."""
_new: Final = tuple.__new__


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


class _Held(NamedTuple):
    """A delivery in somebody's hands."""

    seq: int
    org_id: int
    fence: int
    attempts: int
    in_lane: bool
    called_off: str | None = None


class _Places:
    """Remembers the deliveries that were handed out as they were then.

    The way to one by its id leads through an index that is in no order: with a long backlog nearly every step would
    read a page from the file. What is remembered is only a hint: an id and its seq are looked up together, and while
    the fence is the same and it is still in hands, only being called off or erased can have changed what is known.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def learn(self, places: Iterable[tuple[str, _Held]]) -> None:
        """Remember ids with what they stand for."""
        if len(self._held) > _MOST_PLACES:  # what others settled, or nobody, is never asked for
            self._held.clear()
        self._held.update(places)

    def plain(self, name: str, fence: int) -> _Held | None:
        """Return what was handed out with this fence and stands in no lane; whether it still is must be asked."""
        held = self._held.get(name)
        return None if held is None or held.fence != fence or held.in_lane else held

    def of(self, connection: Connection, names: Sequence[str]) -> list[tuple[str, int]]:
        """Return the ids that there are with their seqs."""
        known = {name: self._held[name].seq for name in names if name in self._held}
        unknown = [name for name in names if name not in known]
        found = rows_of(connection, "seqs_of_deliveries", {"ids": _json(unknown)}) if unknown else []
        return [*known.items(), *((name, seq) for name, seq in found)]

    def forget(self, names: Iterable[str]) -> None:
        """Forget what has left our hands."""
        for name in names:
            self._held.pop(name, None)


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
        settlements = requests[0] if len(requests) == 1 else [each for request in requests for each in request]
        settled = self._settle_accepted(connection, settlements)
        done = {each.delivery_id for each, _ in settled}
        others = [each.delivery_id for each in settlements if each.delivery_id not in done]
        held = self._held(connection, others) if others else {}
        moves = []
        answers = []
        for request in requests:
            answer = []
            for each in request:
                name, kept = each.delivery_id, each.delivery_id in done
                if not kept and _holds(held, name, each.fence):
                    kept = True
                    settled.append((each, held.pop(name)))
                    moves.append(_move_row(*settled[-1]))
                answer.append(kept)
            answers.append(answer)
        if moves:
            connection.execute(SQL["settle_deliveries"], {"moves": _json(moves)})
        if settled:
            self._follow_up(connection, settled)
        return answers

    def _settle_accepted(
        self, connection: Connection, settlements: Sequence[Settlement]
    ) -> list[tuple[Settlement, _Held]]:
        """Settle what was accepted, and is ours by what memory knows; return what one statement found so."""
        if len({each.delivery_id for each in settlements}) != len(settlements):
            return []  # which of two counts is for whoever looks at them one after the other
        known = [
            (each, held)
            for each in settlements
            if each.cause is Cause.ACCEPTED
            and not each.reason
            and (held := self._places.plain(each.delivery_id, each.fence)) is not None
        ]
        settled: list[tuple[Settlement, _Held]] = []
        for start in range(0, len(known), MOST_ROWS):
            together = known[start : start + MOST_ROWS]
            rows = [
                (held.seq, held.attempts + (each.attempt is not None), each.settled_at, each.delivery_id, each.fence)
                for each, held in together
            ]
            if change_together(connection, "settle_accepted", rows, len(rows)):  # all of them or none
                settled += together
        return settled

    def _lease(self, connection: Connection, request: LeaseRequest) -> list[Leased]:
        seqs = self._queues.take(connection, now=request.now, room=request.limit, weights=request.weights)
        if not seqs:
            return []
        wanted = {"seqs": _json(seqs)}
        rows = rows_of(connection, "deliveries_to_hand_out", wanted)
        connection.execute(SQL["take_deliveries"], {**wanted, "wake_at": _lapse(request.until)})
        leased: list[Leased] = []
        places: list[tuple[str, _Held]] = []
        may_gather = False
        for seq, (before, attempts, in_lane, content, trace, document) in zip(seqs, rows, strict=True):
            fence = before + 1
            may_gather = may_gather or document[10] in _MAY_GATHER  # the state, as it was
            delivery = delivery_of(document, state=State.SENDING)
            leased.append(_new(Leased, (delivery, fence, bytes.fromhex(content), trace)))
            places.append((delivery.id, _new(_Held, (seq, delivery.org_id, fence, attempts, bool(in_lane), None))))
        if may_gather:
            take_digests(connection, seqs)
        self._places.learn(places)
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

    def _follow_up(self, connection: Connection, settled: Sequence[tuple[Settlement, _Held]]) -> None:
        """Do what settling deliveries brings with it."""
        attempts = [
            _attempt_row(held.seq, held.attempts + 1, each.attempt)
            for each, held in settled
            if each.attempt is not None
        ]
        self._places.forget([settlement.delivery_id for settlement, _ in settled])
        insert_rows(connection, "insert_attempts", attempts)
        sent = [(each.delivery_id, each.settled_at) for each, _ in settled if each.cause is Cause.ACCEPTED]
        count_sent(connection, sent)
        if len(sent) < len(settled):
            self._follow_up_unsent(connection, settled)
        if keep_order(connection, [settlement.delivery_id for settlement, held in settled if held.in_lane]):
            self._moves.work_came()
        if self._moves.followed:
            self._moves.saw([settled_change(settlement, held.org_id) for settlement, held in settled])
        if len(sent) < len(settled):
            self._catch_up(connection, settled)

    def _follow_up_unsent(self, connection: Connection, settled: Sequence[tuple[Settlement, _Held]]) -> None:
        """Let digests that came back untried take more, and limits count no more what ended without being sent."""
        reopen_digests(
            connection, [held.seq for each, held in settled if each.cause is Cause.HELD and each.attempt is None]
        )
        ended = [each for each, _ in settled if each.cause in ENDING]
        count_no_more(connection, [each.delivery_id for each in ended if each.cause is not Cause.ACCEPTED])
        if len(ended) < len(settled):
            self._moves.work_came()

    def _catch_up(self, connection: Connection, settled: Sequence[tuple[Settlement, _Held]]) -> None:
        """Cancel what an event called off while it was in hand, unless it has ended."""
        for settlement, held in settled:
            if held.called_off is not None and settlement.cause not in ENDING:
                name, now = settlement.delivery_id, settlement.settled_at
                self._interventions.cancel(connection, name, held.called_off, now=now)


def _lapse(until: int) -> int:
    """Return the first moment at which a lease until ``until`` has lapsed."""
    return until + 1


def _holds(held: dict[str, _Held], name: str, fence: int) -> bool:
    found = held.get(name)
    return found is not None and found.fence == fence


def _move_row(settlement: Settlement, held: _Held) -> tuple[Value, ...]:
    """Return what a settlement changes, in the order of the statement's values."""
    _, _, cause, settled_at, reason, due_at, attempt = settlement
    ended = cause in ENDING
    return (
        held.seq,
        _STATES[cause],
        reason.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # a NUL would end SQLite's JSON text
        None if ended else due_at,
        held.attempts + (attempt is not None),
        settled_at if ended else None,
    )


def _taken(delivery: Delivery, now: int) -> DeliveryChange:
    return DeliveryChange(
        delivery_id=delivery.id, org_id=delivery.org_id, state=delivery.state, reason=delivery.reason, at=now
    )


def _attempt_row(seq: int, number: int, attempt: Attempt) -> tuple[Value, ...]:
    _, started_at, duration_ms, outcome, status_code, detail = attempt
    return (seq, number, started_at, duration_ms, _VALUES[outcome], status_code, detail)


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()
