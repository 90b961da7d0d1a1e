"""When a rule's messages go, as compiled; what each key asks for is said in rules/README.md."""

import hashlib
from dataclasses import dataclass
from datetime import time
from typing import Final, Literal

from tidings.expressions import Expression

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """At most ``limit`` events in ``per`` milliseconds."""

    limit: int
    per: int
    by: Literal["customer", "brand"] | Expression
    text: str
    """As written, for reasons: ``1 in 7d by customer``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A share of the customers; those of a small share are among those of every larger one."""

    percent: float
    group: str
    """Rules of one group take the same customers."""

    def includes(self, org_id: int, who: str) -> bool:
        """Say whether somebody is among them: always the same, on every machine."""
        parts = (self.group, str(org_id), who)
        digest = hashlib.sha256("".join(f"{len(part)}:{part}," for part in parts).encode()).digest()
        return int.from_bytes(digest[:8], "big") * 100 < self.percent * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Events that are gathered into one message."""

    length: int
    """How long it gathers, milliseconds; with a time of day at the most, and whole days."""
    at: time | None
    """The time of day at which it goes; None: when it has gathered for so long."""
    by: Literal["customer", "brand"] | Expression
    text: str
    """As written, for reasons: ``every 1d at 09:00 by customer``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOn:
    """An event that makes what waits pointless."""

    event: str
    when: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a rule says of the time of its messages. As it stands here they go at once, save in quiet hours."""

    urgent: bool = False
    """Whether e-mails to customers pass their quiet hours."""
    delay: int = 0
    """How long after the decision the first attempt is made, milliseconds."""
    send_at: time | Expression | None = None
    """The time of day at which the first attempt is made, or an expression of the moment."""
    rollout: Rollout | None = None
    """None: every customer."""
    throttle: Throttle | None = None
    cancel_on: tuple[CancelOn, ...] = ()
    digest: Digest | None = None
    """None: every event is told by itself."""

    @property
    def is_later(self) -> bool:
        """Whether messages may go later than they were decided, so that no order can be kept with others."""
        return bool(self.delay) or self.send_at is not None or self.digest is not None
