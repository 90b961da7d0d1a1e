"""Requeueing and cancelling deliveries, by id or by filter.

A requeued delivery starts a new round: its count of attempts begins at zero, the numbers of its attempts go on.
It needs its event: one whose event is past its retention stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidings.model import ENDED, MOVES, Cause, Recipient, State
from tidings.store.causes import BY_HAND, FAILED
from tidings.store.moved import MovesSeen
from tidings.store.postgres.digests import close_digests, drop_members, members_of
from tidings.store.postgres.driver import Connection
from tidings.store.postgres.filters import filter_values
from tidings.store.postgres.ordering import keep_order, lock_lanes_of
from tidings.store.postgres.reservations import count_no_more
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
    event_seq: int
    org_id: int
    state: State
    in_lane: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hastening:
    """Some deliveries to a recipient, after one by its number in the table, are to be due at ``now``."""

    org_id: int
    recipient: Recipient
    now: int
    after: int


class Interventions:
    """Moves deliveries by hand; part of a lane that writes."""

    def __init__(self, moves: MovesSeen) -> None:
        self._moves = moves

    async def by_id(
        self, connection: Connection, requests: Sequence[tuple[Sequence[str], Intervention]]
    ) -> list[list[State | None]]:
        """Move deliveries by id; the state each is in then, None for one that does not exist."""
        return [await self._by_id(connection, names, intervention) for names, intervention in requests]

    async def by_filter(
        self, connection: Connection, requests: Sequence[tuple[DeliveryFilter, Intervention, int]]
    ) -> list[int]:
        """Move up to a number of the deliveries that a filter means; how many moved."""
        return [await self._by_filter(connection, *request) for request in requests]

    async def hasten(self, connection: Connection, requests: Sequence[Hastening]) -> list[list[int]]:
        """Make deliveries due that wait for later; their numbers in the table."""
        return [await self._hasten(connection, request) for request in requests]

    async def _hasten(self, connection: Connection, request: Hastening) -> list[int]:
        values = {
            "org_id": request.org_id,
            "recipient": str(request.recipient),
            "now": request.now,
            "after": request.after,
            "limit": _MOST_HASTENED,
        }
        hastened = [row["seq"] for row in await connection.rows("hasten_deliveries", values)]
        if hastened:
            self._moves.work_came()
        return hastened

    async def call_off(self, connection: Connection, call_off: CallOff, *, org_id: int, before: int, now: int) -> None:
        """Cancel what an event calls off, of what was decided for events before its own seq."""
        values = {"org_id": org_id, "customer_id": call_off.customer_id, "rule_id": call_off.rule_id, "before": before}
        names = [row["id"] for row in await connection.rows("deliveries_to_call_off", values)]
        off = Intervention(cause=Cause.CANCELLED, reason=call_off.reason, now=now)
        await self._cancel(connection, await _keep(connection, names), off)
        await self.leave_digests(connection, await members_of(connection, "members_to_call_off", values), off)

    async def leave_digests(self, connection: Connection, members: Sequence[tuple[int, int]], off: Intervention) -> int:
        """Let events, as digest and event by number, leave; how many digests were cancelled, having nothing left."""
        touched = await drop_members(connection, members)
        if not touched:
            return 0
        names = [row["id"] for row in await connection.rows("empty_digests", {"seqs": touched})]
        return await self._cancel(connection, await _keep(connection, names), off)

    async def _cancel(self, connection: Connection, found: Sequence[_Found], off: Intervention) -> int:
        """Cancel what waits, and note it of what is in hand; how many were cancelled."""
        if in_hand := [each.seq for each in found if each.state is State.SENDING]:
            await connection.change("note_call_off", {"seqs": in_hand, "reason": off.reason})
        waiting = [each for each in found if each.state not in ENDED]  # what has ended meanwhile is not called off
        return await self._move(connection, waiting, off)

    async def cancel(self, connection: Connection, name: str, reason: str, *, now: int) -> None:
        """Cancel one delivery, where its state allows."""
        await self._by_id(connection, [name], Intervention(cause=Cause.CANCELLED, reason=reason, now=now))

    async def _by_id(
        self, connection: Connection, names: Sequence[str], intervention: Intervention
    ) -> list[State | None]:
        found = await _keep(connection, sorted(set(names)))
        await self._move(connection, found, intervention)
        states = {each.id: each.state for each in found}
        return [states.get(name) for name in names]

    async def _by_filter(
        self, connection: Connection, wanted: DeliveryFilter, intervention: Intervention, limit: int
    ) -> int:
        states = BY_HAND[intervention.cause]
        if wanted.states:
            states &= wanted.states
        if not states:
            return 0
        values = filter_values(wanted) | {
            "states": sorted(states),
            "limit": limit,
            "eventless": intervention.cause is not Cause.REQUEUED,
        }
        names = [row["id"] for row in await connection.rows(_picking(wanted, states), values)]
        found = [each for each in await _keep(connection, names) if each.state in states]
        return await self._move(connection, found, intervention)

    async def _move(self, connection: Connection, found: Sequence[_Found], intervention: Intervention) -> int:
        """Move those that can, note it in ``found``, and say how many."""
        moved = [each for each in found if each.state in BY_HAND[intervention.cause]]
        if intervention.cause is Cause.REQUEUED:
            moved = await _with_events(connection, moved)
        if not moved:
            return 0
        for each in moved:
            each.state = MOVES[each.state, intervention.cause]
        state = moved[0].state  # each of the two causes leads to one state, wherever from
        await connection.change("move_deliveries", _move_values(moved, state, intervention))
        await close_digests(connection, [each.seq for each in moved])
        if state in ENDED:
            await count_no_more(connection, [each.id for each in moved])
        if await keep_order(connection, [each.id for each in moved if each.in_lane]) or state not in ENDED:
            self._moves.work_came()
        if self._moves.followed:
            self._moves.saw([_change(each, intervention) for each in moved])
        return len(moved)


async def _keep(connection: Connection, names: Sequence[str]) -> list[_Found]:
    """Keep deliveries, after their lanes, from all others until the transaction ends."""
    if not names:
        return []
    await lock_lanes_of(connection, names)
    return [
        _Found(
            id=row["id"],
            seq=row["seq"],
            event_seq=row["event_seq"],
            org_id=row["org_id"],
            state=State(row["state"]),
            in_lane=row["in_lane"],
        )
        for row in await connection.rows("deliveries_by_id", {"ids": names})
    ]


async def _with_events(connection: Connection, found: Sequence[_Found]) -> list[_Found]:
    rows = await connection.rows("events_to_keep", {"seqs": sorted({each.event_seq for each in found})})
    there = {row["seq"] for row in rows}
    return [each for each in found if each.event_seq in there]


def _picking(wanted: DeliveryFilter, states: frozenset[State]) -> str:
    """Name the statement whose index leaves the fewest deliveries to look through."""
    if wanted.event_id is not None:
        return "pick_by_event"
    return "pick_failed" if states <= FAILED else "pick_unfinished"


def _move_values(moved: Sequence[_Found], state: State, intervention: Intervention) -> dict[str, Any]:
    return {
        "seqs": [each.seq for each in moved],
        "state": state.value,
        "reason": intervention.reason,
        "due_at": None if state in ENDED else intervention.now,
        "settled_at": intervention.now if state in ENDED else None,
    }


def _change(moved: _Found, intervention: Intervention) -> DeliveryChange:
    return DeliveryChange(
        delivery_id=moved.id,
        org_id=moved.org_id,
        state=moved.state,
        reason=intervention.reason,
        at=intervention.now,
    )
