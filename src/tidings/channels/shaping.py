"""How fast each recipient domain is sent to: so many messages at once, and so many a second.

Nothing waits here: a message either may go, or is told when to come back, so no domain's queue stands in the way
of another's. Those told to come back are spread over the slots that the limits leave, instead of all returning at
once. Hours are seconds of a clock that never goes back; they are arguments.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tidings.channels.settings import DomainLimits

_BURST_SECONDS: Final = 1.0
"""What may go at once after a quiet time: this much of the rate, or one message where that is less than one."""
_LONGEST_HOLD: Final = 3600.0
"""No message is told to come back later than this; what then finds no slot is held again."""
_USUAL_SECONDS: Final = 0.1
"""How long a message takes, as long as none has."""
_FEW_DOMAINS: Final = 1024
"""Up to so many domains are remembered without looking for idle ones."""


Seat = Callable[[], tuple[int, int]]
"""Says which gateway this is among those that send, from 0, and how many they are."""


def the_only_one() -> tuple[int, int]:
    """Say that no other gateway sends."""
    return 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The domain has its fill; ``wait`` seconds from now it should have room."""

    wait: float
    why: str


@dataclass(slots=True)
class _Lane:
    """What is known of a domain that is being sent to."""

    limits: DomainLimits
    gateways: int = 1
    """How many share the rate."""
    under_way: int = 0
    theoretical: float = 0.0
    """When the next message would be due, were they sent evenly at the full rate."""
    promised: float = 0.0
    """The last slot that a held message was given."""
    seconds: float = _USUAL_SECONDS
    """How long a message takes, smoothed."""

    @property
    def interval(self) -> float:
        return self.gateways / self.limits.rate if self.limits.rate else 0.0

    @property
    def tolerance(self) -> float:
        return max(_BURST_SECONDS - self.interval, 0.0)

    def is_idle(self, now: float) -> bool:
        return self.under_way == 0 and self.theoretical <= now and self.promised <= now


class Shaper:
    """Counts what goes to each domain; a domain that nothing goes to is forgotten."""

    def __init__(self, domains: Mapping[str, DomainLimits], *, seat: Seat = the_only_one) -> None:
        """Keep to this gateway's part of the limits, all of them where there is no other."""
        self._seat = seat
        self._default = domains.get("default", DomainLimits())
        self._limits = {
            name: self._default.model_copy(update=limits.model_dump(exclude_unset=True))
            for name, limits in domains.items()
        }
        self._lanes: dict[str, _Lane] = {}
        self._sweep_above = _FEW_DOMAINS

    def __len__(self) -> int:
        """How many domains are remembered."""
        return len(self._lanes)

    def limits(self, domain: str) -> DomainLimits:
        """Return what is configured for the domain."""
        return self._limits.get(domain, self._default)

    def enter(self, domain: str, *, now: float) -> Held | None:
        """Let a message to ``domain`` go, which ``leave`` must follow, or say why and how long it is held."""
        lane = self._lanes.get(domain) or self._open(domain, now)
        number, lane.gateways = self._seat()
        most = lane.limits.connections
        if most is not None and lane.under_way >= _part(most, number, lane.gateways, domain):
            return _hold(lane, f"{domain} has {most} under way, its limit in email.domains", now=now)
        due = max(lane.theoretical, now)
        # a nanosecond of grace: the sums of intervals are not exact
        if due - now > lane.tolerance + 1e-9:
            return _hold(lane, f"{domain} is sent {lane.limits.rate:g} a second, its limit in email.domains", now=now)
        lane.theoretical = due + lane.interval
        lane.under_way += 1
        return None

    def leave(self, domain: str, *, took: float) -> None:
        """Note that a message which entered is done with, ``took`` seconds later."""
        lane = self._lanes[domain]
        lane.under_way -= 1
        lane.seconds += (took - lane.seconds) / 8

    def _open(self, domain: str, now: float) -> _Lane:
        if len(self._lanes) >= self._sweep_above:
            self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.is_idle(now)}
            self._sweep_above = max(_FEW_DOMAINS, 2 * len(self._lanes))
        lane = self._lanes[domain] = _Lane(self.limits(domain))
        return lane


def _part(most: int, number: int, gateways: int, domain: str) -> int:
    """Say how many of a domain's connections are a gateway's: as many as any other's, and who has more differs."""
    each, more = divmod(most, gateways)
    return each + ((number + zlib.crc32(domain.encode())) % gateways < more if more else 0)


def _hold(lane: _Lane, why: str, *, now: float) -> Held:
    """Give a held message the next slot that no other held message was given."""
    spacing = max(lane.interval, lane.seconds / (lane.limits.connections or math.inf))
    soonest = max(now + spacing, lane.theoretical - lane.tolerance)
    slot = max(soonest, lane.promised + spacing)
    lane.promised = slot if slot - now <= _LONGEST_HOLD else soonest
    return Held(wait=min(lane.promised - now, _LONGEST_HOLD), why=why)
