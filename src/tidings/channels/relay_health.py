"""When a relay is set aside and for how long: a pure policy, the hour is an argument.

Hours are seconds of whichever clock the caller keeps to. A relay fails when it cannot be reached, does not let us
in, or hangs up; what it answers to a message is no failure, whichever the answer.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """How much failure is borne, and what follows."""

    tolerated: int = 3
    """Failures in a row after which a relay is set aside."""
    first_pause: float = 5.0
    """Seconds for which it is set aside then; each failed try afterwards doubles them."""
    longest_pause: float = 300.0
    longest_try: float = 15.0
    """Seconds for which all wait for the one message that tries a relay again."""


DEFAULT_POLICY: Final = HealthPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a relay fares; the default is one that nothing bad is known of."""

    failures: int = 0
    """Failures in a row, of which those that came while it was set aside count for none."""
    aside_until: float = 0.0
    """The hour from which it may be tried again."""
    is_tried: bool = False
    """Whether a message is trying it again, so that the others stay away until it has an answer."""

    def is_given_up(self, policy: HealthPolicy) -> bool:
        """Whether it has failed more than is borne, and has not taken a message since."""
        return self.failures >= policy.tolerated

    def is_aside(self, *, now: float) -> bool:
        """Whether no message may go there now."""
        return now < self.aside_until


HEALTHY: Final = Health()


def after_failure(health: Health, policy: HealthPolicy, *, now: float) -> Health:
    """Return the health after one more failure.

    Messages that were under way together fail together: only the failure that set the relay aside counts.
    """
    if health.is_aside(now=now) and not health.is_tried:
        return health
    failures = health.failures + 1
    beyond = failures - policy.tolerated
    if beyond < 0:
        return Health(failures=failures)
    # 2 ** 30 pauses are longer than any that is allowed, and a float holds them
    pause = min(policy.first_pause * 2.0 ** min(beyond, 30), policy.longest_pause)
    return Health(failures=failures, aside_until=now + pause)


def while_tried(health: Health, policy: HealthPolicy, *, now: float) -> Health:
    """Return the health while a message tries the relay, which is not set aside: one that was, is to the others."""
    if not health.is_given_up(policy):
        return health
    return replace(health, aside_until=now + policy.longest_try, is_tried=True)
