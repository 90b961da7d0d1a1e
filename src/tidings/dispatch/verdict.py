"""From what came of a delivery to its settlement: pure, the hour and the dice are arguments."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tidings.dispatch.retry import RetryPolicy, next_attempt
from tidings.model import Accepted, Attempt, Attempted, Cause, Deferred, Gone, Refused
from tidings.store import Leased, Settlement

_new: Final = tuple.__new__

OUTCOMES: Final[Mapping[type[Attempted], Cause]] = {
    Accepted: Cause.ACCEPTED,
    Deferred: Cause.DEFERRED,
    Refused: Cause.REFUSED,
    Gone: Cause.REFUSED,
}
"""How an attempt is recorded, by what came of it."""


class Timing(NamedTuple):
    """When an attempt was made, and the dice thrown for the next one."""

    started: int
    ended: int
    jitter: float


def settle_untried(leased: Leased, cause: Cause, reason: str, *, now: int, due_at: int | None = None) -> Settlement:
    """Settle a delivery of which no attempt was made."""
    return Settlement(
        delivery_id=leased.delivery.id,
        fence=leased.fence,
        cause=cause,
        reason=reason,
        due_at=due_at,
        settled_at=now,
    )


def settle_held(leased: Leased, reason: str, *, now: int, due_at: int) -> Settlement:
    """Keep a delivery back until ``due_at``, or end it when its time passes before."""
    expires_at = leased.delivery.expires_at
    if expires_at is not None and due_at >= expires_at:
        return settle_untried(leased, Cause.EXPIRED, f"its time passes while it waits: {reason}", now=now)
    return settle_untried(leased, Cause.HELD, reason, now=now, due_at=due_at)


def settle_accepted(leased: Leased, outcome: Accepted, *, started: int, ended: int) -> Settlement:
    """Settle a delivery that the far side took."""
    delivery = leased.delivery
    took = ended - started if ended > started else 0
    # By position and past the classes, as each of millions is made: that takes two thirds of the time.
    attempt = _new(Attempt, (delivery.attempts + 1, started, took, Cause.ACCEPTED, outcome.status_code, outcome.detail))
    return _new(Settlement, (delivery.id, leased.fence, Cause.ACCEPTED, ended, "", None, attempt))


def settle_outcome(leased: Leased, outcome: Attempted, policy: RetryPolicy, timing: Timing) -> Settlement:
    """Turn what came of an attempt into a settlement that records it."""
    if isinstance(outcome, Accepted):
        return settle_accepted(leased, outcome, started=timing.started, ended=timing.ended)
    cause, due_at, reason = _verdict(leased, outcome, policy, timing)
    delivery = leased.delivery
    attempt = Attempt(
        delivery.attempts + 1,
        timing.started,
        max(0, timing.ended - timing.started),
        OUTCOMES[type(outcome)],
        outcome.status_code,
        outcome.detail,
    )
    return Settlement(delivery.id, leased.fence, cause, timing.ended, reason, due_at, attempt)


def _verdict(
    leased: Leased, outcome: Deferred | Refused, policy: RetryPolicy, timing: Timing
) -> tuple[Cause, int | None, str]:
    if isinstance(outcome, Refused):
        return Cause.REFUSED, None, outcome.detail
    delivery = leased.delivery
    due_at = next_attempt(
        policy,
        delivery.attempts + 1,
        now=timing.ended,
        jitter=timing.jitter,
        retry_after_ms=outcome.retry_after_ms,
    )
    if due_at is None:
        return Cause.EXHAUSTED, None, f"every attempt was used up; the last: {outcome.detail}"
    if delivery.expires_at is not None and due_at >= delivery.expires_at:
        return Cause.EXPIRED, None, f"its time passes before the next attempt; the last: {outcome.detail}"
    return Cause.DEFERRED, due_at, outcome.detail
