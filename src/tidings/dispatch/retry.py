"""When to try again: schedules, jitter and the far side's wishes, as pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tidings.model import Channel, Endpoint

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The pauses between attempts, milliseconds, and how far jitter may stretch each."""

    pauses: tuple[int, ...]
    spread: float = 0.1
    """Jitter adds up to this share of a pause; it never shortens one."""
    longest_wait: int = 24 * _HOUR
    """What a far side may ask for at the most, milliseconds."""


SCHEDULES: Final[Mapping[Channel, RetryPolicy]] = {
    Channel.WEBHOOK: RetryPolicy(
        pauses=(
            5 * _SECOND,
            5 * _MINUTE,
            30 * _MINUTE,
            2 * _HOUR,
            5 * _HOUR,
            10 * _HOUR,
            14 * _HOUR,
            20 * _HOUR,
            24 * _HOUR,
        )
    ),
    Channel.EMAIL: RetryPolicy(
        pauses=(
            1 * _MINUTE,
            5 * _MINUTE,
            15 * _MINUTE,
            30 * _MINUTE,
            1 * _HOUR,
            2 * _HOUR,
            4 * _HOUR,
            8 * _HOUR,
            16 * _HOUR,
            24 * _HOUR,
            24 * _HOUR,
        )
    ),
}
"""Webhooks: the example schedule of Standard Webhooks. E-mail: denser at first, then RFC 5321's days."""


def policy_for(
    schedule: RetryPolicy, endpoint: Endpoint | None, rule_pauses: tuple[int, ...] | None = None
) -> RetryPolicy:
    """Return the schedule that counts: the rule's pauses, else the endpoint's own, else the channel's."""
    pauses = rule_pauses
    if pauses is None and endpoint is not None:
        pauses = endpoint.retry
    return schedule if pauses is None else replace(schedule, pauses=pauses)


def next_attempt(
    policy: RetryPolicy, attempts: int, *, now: int, jitter: float, retry_after_ms: int | None = None
) -> int | None:
    """Say when to try again, or None once the pauses are used up.

    Args:
        policy: the schedule.
        attempts: how many were made, at least 1.
        now: when the last attempt ended, epoch milliseconds.
        jitter: a number from 0 to 1, the dice already thrown.
        retry_after_ms: what the far side asked to wait; the answer is never earlier than that, up to
            the policy's longest wait.
    """
    if attempts > len(policy.pauses):
        return None
    pause = policy.pauses[attempts - 1]
    asked = min(retry_after_ms or 0, policy.longest_wait)
    return now + int(max(pause, asked) * (1 + policy.spread * jitter))
