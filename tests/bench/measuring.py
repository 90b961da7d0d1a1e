"""How a row is measured: ours and the peer's in turn, several times, in one run, with the same work asserted."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``ratio`` is ours over the peer's unless the goal says otherwise."""

    row: str
    ours: float | None
    peer: float | None
    unit: str
    ratio: float | None
    goal: str
    met: bool | None
    spread: str
    note: str = ""


def rate(work: Callable[[], int], *, seconds: float) -> float:
    """Repeat ``work`` for about ``seconds``; return how many items a second it did."""
    items = 0
    began = time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        items += work()
    return items / took


def in_turn(
    ours: Callable[[], float], peer: Callable[[], float], *, runs: int = RUNS
) -> tuple[list[float], list[float]]:
    """Measure both sides in turn, so that a machine that slows down slows both."""
    pairs = [(ours(), peer()) for _ in range(runs)]
    return [each for each, _ in pairs], [each for _, each in pairs]


def compared(
    row: str, ours: Sequence[float], peer: Sequence[float], *, unit: str, goal: float | None, note: str = ""
) -> Row:
    """Make a row whose goal, if any, is a least ratio of ours to the peer's; the ratio is the median of the pairs'."""
    ratios = sorted(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
    ratio = statistics.median(ratios)
    return Row(
        row=row,
        ours=statistics.median(ours),
        peer=statistics.median(peer),
        unit=unit,
        ratio=ratio,
        goal="" if goal is None else f"≥ {goal:g}",
        met=None if goal is None else ratio >= goal,
        spread=f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
        note=note,
    )


def costed(row: str, ours: Sequence[float], peer: Sequence[float], *, unit: str, most: float, note: str = "") -> Row:
    """Make a row whose goal is a greatest ratio of ours to the peer's; the ratio is the median of the pairs'."""
    made = compared(row, ours, peer, unit=unit, goal=None, note=note)
    assert made.ratio is not None
    return dataclasses.replace(made, goal=f"≤ {most:g}", met=made.ratio <= most)
