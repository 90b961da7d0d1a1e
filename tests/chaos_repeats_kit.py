"""Why a message was sent again: each that a far side took is laid to the lease under which it was sent.

A lease may have had its message taken and yet not have ended the delivery for one of two reasons, both on record: it
lapsed, and something had been done to its holder meanwhile; or its attempt is recorded as one without an answer in
time, and somebody stood still meanwhile. Whatever no such lease accounts for is told with all that is known of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from chaos_kit import Arrival
from tidings.model import State

TIMEOUT_SECONDS: Final = 4.0
"""How long a gateway waits for an answer."""
FAR_SIDES: Final = "the far sides"
"""A holder of blows, though of nothing else."""
STANDING_STILL: Final = ("pause", "stall")
"""Blows after which an answer comes too late; one that a database suffers keeps no answer from anybody."""
_GRAIN: Final = 0.002
"""Seconds by which an attempt's begin, kept in whole milliseconds, may stand too early or too late."""


class Move(NamedTuple):
    """What the database's books say of one delivery at one moment."""

    delivery: str
    holder: str
    """The gateway that moved it: its role and how often that was started before."""
    was: str
    became: str
    taken: bool = False
    """Whether it was taken in hand."""
    at: float = 0.0
    """When, epoch seconds."""
    attempt: int = 0
    """The number of the attempt that was recorded with it; 0: none."""


class Blow(NamedTuple):
    """What was done to a gateway, or to its database; or that nobody was at the far sides to answer."""

    holder: str
    kind: str
    since: float = 0.0
    until: float = inf


class Unanswered(NamedTuple):
    """An attempt that ended without an answer in time: its message may have been taken all the same."""

    since: float
    seconds: float
    """How long it took; never less than a gateway's patience."""


class _Sender(NamedTuple):
    """A lease under which a message may have been taken."""

    since: float
    until: float
    """A message that it sent was taken no later; a holder that stood still may send long after its lease."""
    why: str
    """Why that did not end the delivery; "" where it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What was put on record while the gateways ran."""

    moves: Sequence[Move] = ()
    """In the order in which they were made."""
    unanswered: Mapping[tuple[str, int], Unanswered] = field(default_factory=dict)
    """By delivery and number of the attempt."""
    blows: Sequence[Blow] = ()

    def pairs(self) -> Iterator[tuple[Move, Move]]:
        """Yield each move of a delivery with the one before it."""
        for moves in self._by_delivery().values():
            yield from pairwise(moves)

    def repeats(self, arrivals: Iterable[Arrival]) -> tuple[Counter[str], list[str]]:
        """Return how many messages were taken for nothing, by cause, and a line for each that has no cause."""
        causes: Counter[str] = Counter()
        strange: list[str] = []
        moves = self._by_delivery()
        taken: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in sorted(arrivals, key=lambda each: each.at):
            if arrival.taken:
                taken[arrival.name].append(arrival)
        for name in sorted({*moves, *taken}):
            used, unused, unexplained = _matched(taken[name], self._senders(moves.get(name, [])))
            causes.update(each.why for each in used if each.why)
            if unexplained or any(not each.why for each in unused):
                strange.append(self._story(name, moves.get(name, []), taken[name]))
        return causes, strange

    def lapsed(self) -> Iterator[tuple[Move, Move]]:
        """Yield the beginning of each lease that lapsed, and how the delivery was taken again."""
        return ((first, then) for first, then in self.pairs() if first.taken and then.taken)

    def hale(self) -> list[str]:
        """Return a line for each lease that lapsed though nothing had been done to its holder meanwhile."""
        return [
            f"{first.delivery}, held by {first.holder} for {then.at - first.at:.1f} s"
            for first, then in self.lapsed()
            if not self.blow_during(first.holder, first.at, then.at)
        ]

    def blow_during(self, holder: str, since: float, until: float) -> str:
        """Return what was done to a gateway in a time; "" when nothing was."""
        kinds = {
            each.kind for each in self.blows if each.holder == holder and each.since <= until and each.until >= since
        }
        return " and ".join(sorted(kinds))

    def _by_delivery(self) -> dict[str, list[Move]]:
        found: dict[str, list[Move]] = defaultdict(list)
        for move in self.moves:
            found[move.delivery].append(move)
        return found

    def _senders(self, moves: Sequence[Move]) -> Iterator[_Sender]:
        for took, ended in zip(moves, [*moves, None][1:], strict=False):
            if not took.taken:
                continue
            until = inf if ended is None else ended.at
            if ended is None or ended.became == State.DELIVERED:
                yield _Sender(took.at, until, "")
            elif ended.taken:
                if blow := self.blow_during(took.holder, took.at, until):
                    yield _Sender(took.at, inf, f"by leases that lapsed ({blow})")
            elif late := self.unanswered.get((took.delivery, ended.attempt)):
                since = late.since - _GRAIN
                blows = [self.blow_during(each, since, until) for each in (took.holder, FAR_SIDES)]
                if any(each in blow for each in STANDING_STILL for blow in blows) and late.seconds >= TIMEOUT_SECONDS:
                    yield _Sender(since, until, f"by answers that came too late ({', '.join(filter(None, blows))})")

    def _story(self, name: str, moves: Sequence[Move], taken: Sequence[Arrival]) -> str:
        lines = [
            (
                each.at,
                f"{each.holder} {each.was}→{each.became}" + " (taken)" * each.taken + " (tried)" * (each.attempt > 0),
            )
            for each in moves
        ]
        lines += [(each.at, "ARRIVED") for each in taken]
        lines += [
            (late.since, f"attempt {number}, unanswered for {late.seconds:.1f} s")
            for (delivery, number), late in self.unanswered.items()
            if delivery == name
        ]
        lines.sort()
        began = lines[0][0]
        return f"{name}: " + ", ".join(f"{at - began:.3f} {what}" for at, what in lines)


def _matched(taken: Sequence[Arrival], senders: Iterable[_Sender]) -> tuple[list[_Sender], list[_Sender], int]:
    """Lay each arrival, in the order of their times, to the lease that must have sent before the others.

    Returns:
        The leases that had something taken, those that had not, and how many arrivals no lease accounts for.
    """
    used: list[_Sender] = []
    unused = sorted(senders, key=lambda each: (each.until, each.why))
    for arrival in taken:
        sender = next((each for each in unused if each.since <= arrival.at <= each.until), None)
        if sender is not None:
            unused.remove(sender)
            used.append(sender)
    return used, unused, len(taken) - len(used)
