"""What becomes of a delivery, by what happened when it was to be sent."""

from collections.abc import Callable, Mapping
from typing import Final

from tidings.dispatch.destination import Hold, Stop
from tidings.dispatch.retry import RetryPolicy, policy_for
from tidings.dispatch.sending import Obstacle, Sent
from tidings.dispatch.verdict import Timing, settle_accepted, settle_held, settle_outcome, settle_untried
from tidings.model import Accepted, Cause, Channel, Deferred, Postponed
from tidings.rulebook import Unreachable
from tidings.store import Leased, Settlement
from tidings.telemetry.metrics import Metrics

STOPPED: Final = "given back at a stop"


class Judge:
    """Turns what happened into settlements."""

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        schedules: Mapping[Channel, RetryPolicy],
        dice: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        """Take what spreads attempts: a number from 0 to 1 for each."""
        self._clock = clock
        self._schedules = schedules
        self._dice = dice
        self._metrics = metrics

    def sent(self, leased: Leased, sent: Sent | Obstacle, started: int) -> Settlement:
        """Settle what was sent, or what stood in the way; ``started`` is when it was begun, epoch milliseconds."""
        now = self._clock()
        if isinstance(sent, Sent) and isinstance(sent.outcome, Accepted):  # nearly all are
            return settle_accepted(leased, sent.outcome, started=started, ended=now)
        if isinstance(sent, Unreachable | Stop):
            return settle_untried(leased, Cause.SUPPRESSED, sent.reason, now=now)
        if isinstance(sent, Hold):
            return self.held(leased, sent, now)
        if isinstance(sent.outcome, Postponed):
            self._metrics.held.labels("shaped").inc()
            return settle_held(leased, sent.outcome.detail, now=now, due_at=now + sent.outcome.wait_ms)
        policy = policy_for(self._schedules[leased.delivery.channel], sent.endpoint, sent.retry)
        timing = Timing(started=started, ended=now, jitter=self._dice())
        return settle_outcome(leased, sent.outcome, policy, timing)

    def failed(self, leased: Leased, error: Exception, started: int) -> Settlement:
        """Turn a mistake of ours into another attempt: it must not lose the delivery."""
        return self.sent(leased, Sent(Deferred(detail=f"internal error: {type(error).__name__}")), started)

    def held(self, leased: Leased, hold: Hold, now: int) -> Settlement:
        """Keep back what must wait in the store."""
        self._metrics.held.labels(hold.kind).inc()
        return settle_held(leased, hold.reason, now=now, due_at=hold.due_at)

    def given_back(self, leased: Leased, reason: str = STOPPED, *, after: float = 0.0) -> Settlement:
        """Leave a delivery that was not tried to whoever takes it next, ``after`` seconds at the earliest."""
        now = self._clock()
        return settle_untried(leased, Cause.RELEASED, reason, now=now, due_at=now + int(after * 1000))
