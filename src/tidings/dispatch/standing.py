"""How an endpoint does, as those who look after it are told."""

from dataclasses import dataclass
from typing import Literal

from tidings.model import Endpoint

Kind = Literal["rate", "busy", "breaker", "asked", "send_at", "digest", "quiet_hours", "cap"]
"""What holds a delivery: the endpoint's rate, its pace, its breaker, its own Retry-After, or a gate of timing."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing goes to an endpoint for a while."""

    kind: Kind
    reason: str
    until: int
    """When the next delivery may go, epoch milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an endpoint of the live rulebook does. Times are epoch milliseconds."""

    endpoint: Endpoint
    failing_since: int | None = None
    """When the first of an unbroken run of failures came; None while it works."""
    disabled_at: int | None = None
    """When it was disabled; None while it is in use."""
    reason: str = ""
    """Why it was disabled."""
    pause: Pause | None = None
    """What keeps deliveries from it at this moment."""
