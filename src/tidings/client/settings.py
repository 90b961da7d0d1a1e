"""How a client behaves."""

from dataclasses import dataclass
from typing import Final

MOST_TOGETHER: Final = 1_000
"""How many events the gateway takes in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Times are seconds."""

    linger: float = 0.002
    """How long a batch waits for company. Events that come while calls are under way gather without it."""

    batch: int = 200
    """How many events travel together at most; the gateway takes 1,000."""

    batch_bytes: int = 1024 * 1024
    """How large they may be together."""

    calls: int = 4
    """How many batches may be under way at once."""

    buffer: int = 10_000
    """How many events may wait and be under way; then ``publish`` waits and ``publish_soon`` refuses."""

    buffer_bytes: int = 64 * 1024 * 1024
    """How large those may be together."""

    timeout: float = 10.0
    """How long one call may take."""

    patience: float = 60.0
    """How long an event is tried, over however many calls, before ``GatewayUnreachable``."""

    first_pause: float = 0.1
    """The pause after the first try that failed; each that follows is twice as long."""

    longest_pause: float = 5.0
    """The longest pause, unless the gateway asks for a longer one."""

    def __post_init__(self) -> None:
        for name in ("batch", "batch_bytes", "calls", "buffer", "buffer_bytes", "timeout", "patience", "first_pause"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.linger < 0:
            raise ValueError(f"linger must not be negative, got {self.linger}")
        if self.batch > MOST_TOGETHER:
            raise ValueError(
                f"batch must be at most {MOST_TOGETHER}, which is what the gateway takes, got {self.batch}"
            )
