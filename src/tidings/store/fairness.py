"""How room is shared among organisations that all have something due.

Start-time fair queueing: every organisation has its own clock, which a delivery moves on by one over its
weight, and whoever is furthest behind goes next. Room may come one by one or by the hundred, the shares over
time are the same. An organisation that had nothing to send gathers no claim by it. In memory alone: after a
restart everybody starts level.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import Final

_FORGOTTEN_PAST: Final = 1_000
"""How many clocks are kept before those that say nothing any more are dropped."""


class Shares:
    """Remembers what organisations have had, for as long as it makes a difference."""

    def __init__(self) -> None:
        self._clocks: dict[int, float] = {}
        self._now = 0.0

    def divide(self, room: int, org_ids: Sequence[int], weights: Mapping[int, int]) -> dict[int, int]:
        """Say how much of ``room`` each organisation should get if it has that much to send.

        Takes time that grows with the organisations. Those who get nothing are left out; among those who are level the
        first named go first.
        """
        if len(org_ids) == 1:
            return {org_ids[0]: room}
        turns = sorted(
            (max(self._clocks.get(org_id, 0.0), self._now), place, org_id) for place, org_id in enumerate(org_ids)
        )
        quotas: dict[int, int] = {}
        level = _level(turns, weights, room - len(turns))
        for index, (clock, place, org_id) in enumerate(turns):
            weight = weights.get(org_id, 1)
            if sure := max(0, int((level - clock) * weight)):
                quotas[org_id] = sure
                turns[index] = (clock + sure / weight, place, org_id)
        heapq.heapify(turns)
        for _ in range(room - sum(quotas.values())):
            clock, place, org_id = turns[0]
            quotas[org_id] = quotas.get(org_id, 0) + 1
            heapq.heapreplace(turns, (clock + 1 / weights.get(org_id, 1), place, org_id))
        return quotas

    def charge(self, taken: Mapping[int, int], weights: Mapping[int, int]) -> None:
        """Note what organisations got, by organisation."""
        for org_id, count in taken.items():
            pace = 1 / weights.get(org_id, 1)
            self._clocks[org_id] = max(self._clocks.get(org_id, 0.0), self._now) + count * pace
        last_turns = (self._clocks[org_id] - 1 / weights.get(org_id, 1) for org_id in taken)
        self._now = max(self._now, *last_turns, 0.0)
        if len(self._clocks) > len(taken) + _FORGOTTEN_PAST:
            self._clocks = {org_id: clock for org_id, clock in self._clocks.items() if clock > self._now}


_Turn = tuple[float, int, int]
"""An organisation's clock, its place among those named, and itself."""


def _level(turns: Sequence[_Turn], weights: Mapping[int, int], room: int) -> float:
    """Return the time up to which all clocks can be moved with this room, given those that are furthest behind first.

    Whoever gets a turn before it gets one too when all turns are given out one by one, as long as there is room for one
    more turn of each.
    """
    level, total, moved = float("-inf"), 0, 0.0
    for clock, _, org_id in turns:
        if total and clock >= level:
            break
        weight = weights.get(org_id, 1)
        total += weight
        moved += clock * weight
        level = (room + moved) / total
    return level
