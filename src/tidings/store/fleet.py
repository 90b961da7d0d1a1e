"""What the gateways on one store know of each other, and what they share.

A gateway is there for as long as its row is: it tells of itself every few seconds, and whoever sees that it does not
any more drops it, with all that it held. No clock of one machine is compared with that of another one for this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A gateway as it last told of itself. Times are epoch milliseconds by its own clock."""

    id: str
    host: str
    place: str = ""
    """Which process of which machine it is; empty where that cannot be told."""
    version: str
    role: str
    revision: str
    """The rulebook that is live there."""
    started_at: int
    seen_at: int
    dispatches: bool
    beats: int = 0
    """How often it has told of itself since it came; the store counts."""
    sharing: bool = False
    """Whether what it holds of the limits stands in the store; otherwise it takes them for its own."""


class Ask(NamedTuple):
    """What a gateway could use of an endpoint. Times within rates are epoch microseconds."""

    org_id: int
    name: str
    limit: int
    """How many may be under way at once, all gateways together."""
    keep: int
    """How many slots it cannot give back now: no more than it holds."""
    wanted: int
    """How many it could use; 0 with nothing to keep gives all of them back."""
    interval: int = 0
    """How far apart its rate has sends, microseconds; 0: it has none."""
    times: int = 0
    """How many times of the rate to book."""
    booked_until: int = 0
    """What it booked while it was alone: nobody may be given earlier times."""
    not_before: int = 0
    """From when on it can use a time: the answer takes a while."""
    unused_at: int = 0
    """The last time that it booked, when that passed unused: free again, if nobody has booked a later one. 0: none."""


class Part(NamedTuple):
    """What a gateway gets of an endpoint."""

    slots: int
    """How many it holds."""
    room: int
    """How many of them it should use: others wait for the rest."""
    wanted_by_others: bool
    """Whether another gateway has less than its part."""
    first_at: int = 0
    """The first of the times booked; with none booked, when the next is free."""
    times: int = 0
    """How many were booked, an interval apart."""


class Booked(NamedTuple):
    """From when on an endpoint's rate has times that nobody has booked, epoch microseconds."""

    org_id: int
    name: str
    free_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPause:
    """What keeps all gateways from an endpoint for a while. Times are epoch milliseconds."""

    org_id: int
    name: str
    breaker: int = 0
    """0 closed, 1 probing, 2 open."""
    probe_at: int = 0
    """When it is probed next."""
    pause_ms: int = 0
    """How long it was left alone last."""
    asked_until: int = 0
    """Until when it asked to be left alone."""

    @property
    def is_over(self) -> bool:
        """Whether nothing keeps anybody from it."""
        return not self.breaker and not self.asked_until


class FleetStore(Protocol):
    """The part of a store that gateways know each other by; raises StoreUnavailable as all of it does."""

    async def beat(self, presence: Presence) -> tuple[Presence, ...]:
        """Note that a gateway runs; all that do, this one included, oldest first, as they stand then.

        One that is new shares if another one dispatches. One that was there shares if it says so and another one
        dispatches; so ``sharing`` comes back False for one that has become alone.
        """

    async def drop(self, gateway_id: str, *, beats: int | None = None) -> None:
        """Forget a gateway and what it holds, unless it has told of itself more than ``beats`` times."""

    async def gateways(self) -> tuple[Presence, ...]:
        """Return all gateways, oldest first."""

    async def share_out(self, gateway_id: str, asks: Sequence[Ask], *, now: int) -> list[Part] | None:
        """Give a gateway its part of endpoints, in the order asked; None for a gateway that was dropped.

        All parts of an endpoint together are never more than its limit, and no time is booked twice.
        """

    async def booked(self) -> list[Booked]:
        """Return the rates that gateways share, or shared until lately."""

    async def pauses(self) -> list[EndpointPause]:
        """Return what keeps all gateways from endpoints."""

    async def save_pause(self, pause: EndpointPause) -> None:
        """Note what keeps all gateways from an endpoint; one that is over is forgotten."""
