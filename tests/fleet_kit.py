"""Gateways that know each other, for tests: a membership on a stopwatch that the test moves."""

from dataclasses import dataclass

from store_kit import T0
from tidings.fleet import Membership
from tidings.store import FleetStore, Presence


@dataclass(slots=True)
class Stopwatch:
    """Seconds that pass when a test says so."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def a_presence(name: str, *, started_at: int = T0, dispatches: bool = True, place: str = "") -> Presence:
    return Presence(
        id=name,
        host=f"host of {name}",
        place=place,
        version="1.0",
        role="all" if dispatches else "intake",
        revision="rev-1",
        started_at=started_at,
        seen_at=started_at,
        dispatches=dispatches,
    )


def a_membership(
    fleet: FleetStore, name: str, stopwatch: Stopwatch, *, dispatches: bool = True, place: str = ""
) -> Membership:
    """Return one that misses beats for 10 seconds before it is silent, and is dropped 5 later."""
    return Membership(
        fleet,
        a_presence(name, dispatches=dispatches, place=place),
        clock=lambda: T0 + int(stopwatch.seconds * 1_000),
        revision=lambda: "rev-1",
        longest_send=5.0,
        stopwatch=stopwatch,
    )
