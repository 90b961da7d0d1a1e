"""Requeueing and cancelling deliveries, by id or by filter.

A requeued delivery starts a new round: its count of attempts begins at zero, the numbers of its attempts go on.
It needs its event: one whose event is past its retention stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tidings.model import ENDED, MOVES, Cause, Recipient, State
from tidings.store.causes import BY_HAND, FAILED
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.digests import close_digests, drop_members, members_of
from tidings.store.sqlite.driver import SQL, Connection, Value, rows_of
from tidings.store.sqlite.filters import filter_values
from tidings.store.sqlite.ordering import keep_order
from tidings.store.sqlite.reservations import count_no_more
from tidings.store.values import (
    CallOff,
    DeliveryChange,
    DeliveryFilter,
    Intervention,
)

_MOST_HASTENED: Final = 1_000
"""How many one transaction makes due: few enough that others hardly wait for it."""


@dataclass(slots=True, kw_only=True)
class _Found:
    """What must be known of a delivery."""

    id: str
    seq: int
    org_id: int
    state: State
    in_lane: bool
    has_event: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hastening:
    """Some deliveries to a recipient, after one by its number in the table, are to be due at ``now``."""

    org_id: int
    recipient: Recipient
    now: int
    after: int


class Interventions:
    """Moves deliveries by hand; part of the writing lane."""

    def __init__(self, moves: MovesSeen) -> None:
        self._moves = moves

    def by_id(
        self, connection: Connection, requests: Sequence[tuple[Sequence[str], Intervention]]
    ) -> list[list[State | None]]:
        """Move deliveries by id; the state each is in then, None for one that does not exist."""
        return [self._by_id(connection, names, intervention) for names, intervention in requests]

    def by_filter(
        self, connection: Connection, requests: Sequence[tuple[DeliveryFilter, Intervention, int]]
    ) -> list[int]:
        """Move up to a number of the deliveries that a filter means; how many moved."""
        return [self._by_filter(connection, *request) for request in requests]

    def hasten(self, connection: Connection, requests: Sequence[Hastening]) -> list[list[int]]:
        """Make deliveries due that wait for later; their numbers in the table."""
        return [self._hasten(connection, request) for request in requests]

    def _hasten(self, connection: Connection, request: Hastening) -> list[int]:
        values: dict[str, Value] = {
            "org_id": request.org_id,
            "recipient": str(request.recipient),
            "now": request.now,
            "after": request.after,
            "limit": _MOST_HASTENED,
        }
        hastened = [row[0] for row in connection.execute(SQL["hasten_deliveries"], values)]
        if hastened:
            self._moves.work_came()
        return hastened

    def call_off(self, connection: Connection, call_off: CallOff, *, org_id: int, before: int, now: int) -> None:
        """Cancel what an event calls off, of what was decided for events before its own seq."""
        values: dict[str, Value] = {
            "org_id": org_id,
            "customer_id": call_off.customer_id,
            "rule_id": call_off.rule_id,
            "before": before,
        }
        off = Intervention(cause=Cause.CANCELLED, reason=call_off.reason, now=now)
        self._cancel(connection, _read(connection, "deliveries_to_call_off", values), off)
        self.leave_digests(connection, members_of(connection, "members_to_call_off", values), off)

    def leave_digests(self, connection: Connection, members: Sequence[tuple[int, int]], off: Intervention) -> int:
        """Let events, as digest and event by number, leave; how many digests were cancelled, having nothing left."""
        touched = drop_members(connection, members)
        if not touched:
            return 0
        return self._cancel(
            connection, _read(connection, "empty_digests", {"seqs": orjson.dumps(touched).decode()}), off
        )

    def _cancel(self, connection: Connection, found: Sequence[_Found], off: Intervention) -> int:
        """Cancel what waits, and note it of what is in hand; how many were cancelled."""
        if in_hand := [each.seq for each in found if each.state is State.SENDING]:
            noted = {"seqs": orjson.dumps(in_hand).decode(), "reason": off.reason}
            connection.execute(SQL["note_call_off"], noted)
        return self._move(connection, found, off)

    def cancel(self, connection: Connection, name: str, reason: str, *, now: int) -> None:
        """Cancel one delivery, where its state allows."""
        self._by_id(connection, [name], Intervention(cause=Cause.CANCELLED, reason=reason, now=now))

    def _by_id(self, connection: Connection, names: Sequence[str], intervention: Intervention) -> list[State | None]:
        found = _read(connection, "deliveries_by_id", {"ids": orjson.dumps(list(set(names))).decode()})
        self._move(connection, found, intervention)
        states = {each.id: each.state for each in found}
        return [states.get(name) for name in names]

    def _by_filter(self, connection: Connection, wanted: DeliveryFilter, intervention: Intervention, limit: int) -> int:
        states = BY_HAND[intervention.cause]
        if wanted.states:
            states &= wanted.states
        if not states:
            return 0
        values = filter_values(wanted) | {
            "states": orjson.dumps(sorted(states)).decode(),
            "limit": limit,
            "eventless": intervention.cause is not Cause.REQUEUED,
        }
        return self._move(connection, _read(connection, _picking(wanted, states), values), intervention)

    def _move(self, connection: Connection, found: Sequence[_Found], intervention: Intervention) -> int:
        """Move those that can, note it in ``found``, and say how many."""
        requeued = intervention.cause is Cause.REQUEUED
        moved = [
            each for each in found if each.state in BY_HAND[intervention.cause] and (each.has_event or not requeued)
        ]
        if not moved:
            return 0
        for each in moved:
            each.state = MOVES[each.state, intervention.cause]
        state = moved[0].state  # each of the two causes leads to one state, wherever from
        values = {
            "seqs": orjson.dumps([each.seq for each in moved]).decode(),
            "state": state.value,
            "reason": intervention.reason,
            "due_at": None if state in ENDED else intervention.now,
            "settled_at": intervention.now if state in ENDED else None,
        }
        connection.execute(SQL["move_deliveries"], values)
        close_digests(connection, [each.seq for each in moved])
        if state in ENDED:
            count_no_more(connection, [each.id for each in moved])
        if keep_order(connection, [each.id for each in moved if each.in_lane]) or state not in ENDED:
            self._moves.work_came()
        if self._moves.followed:
            self._moves.saw([_change(each, intervention) for each in moved])
        return len(moved)


def _picking(wanted: DeliveryFilter, states: frozenset[State]) -> str:
    """Name the statement whose index leaves the fewest deliveries to look through."""
    if wanted.event_id is not None:
        return "pick_by_event"
    return "pick_failed" if states <= FAILED else "pick_unfinished"


def _read(connection: Connection, statement: str, values: Mapping[str, Any]) -> list[_Found]:
    return [
        _Found(id=name, seq=seq, org_id=org_id, state=State(state), in_lane=bool(in_lane), has_event=bool(has_event))
        for name, seq, org_id, state, in_lane, has_event in rows_of(connection, statement, values)
    ]


def _change(moved: _Found, intervention: Intervention) -> DeliveryChange:
    return DeliveryChange(
        delivery_id=moved.id,
        org_id=moved.org_id,
        state=moved.state,
        reason=intervention.reason,
        at=intervention.now,
    )
