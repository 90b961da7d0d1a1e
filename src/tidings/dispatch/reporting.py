"""What dispatch tells operators: a metric for everything, a log line for what is out of the ordinary."""

from collections import Counter as Counts
from typing import Final

from prometheus_client import Counter

from tidings.model import MOVES, Cause, Channel, State
from tidings.store import Leased, Settlement
from tidings.telemetry import events, get_logger
from tidings.telemetry.metrics import Metrics

log = get_logger()


class Reporter:
    """Counts attempts and endings, and logs those that went badly."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counters: dict[tuple[Counter, str, str], Counter] = {}
        """Labelled counters at hand: finding one by its labels costs more than counting."""
        self._delivered: Counts[Channel] = Counts()
        self._seconds = {each: metrics.delivery_seconds.labels(each.value) for each in Channel}

    def settled(self, leased: Leased, settlement: Settlement) -> None:
        """Tell of a settlement that was kept; what was delivered is counted and not worth a line."""
        if settlement.cause is Cause.ACCEPTED:
            delivery = leased.delivery
            self._delivered[delivery.channel] += 1
            self._seconds[delivery.channel].observe(max(0.0, (settlement.settled_at - delivery.created_at) / 1000))
        else:
            self._not_delivered(leased, settlement)

    def count_delivered(self) -> None:
        """Count what was delivered since the last call: to be called once for what is settled together."""
        for channel, count in self._delivered.items():
            self._count(self._metrics.attempts, channel, Cause.ACCEPTED, count)
            self._count(self._metrics.ended, channel, State.DELIVERED, count)
        self._delivered.clear()

    def _not_delivered(self, leased: Leased, settlement: Settlement) -> None:
        channel = leased.delivery.channel.value
        attempt = settlement.attempt
        if attempt is not None:
            self._count(self._metrics.attempts, channel, attempt.outcome.value)
        state = _NEXT[settlement.cause]
        if state in (State.WAITING, State.HELD):
            if attempt is not None:
                log.warning(
                    events.DELIVERY_DEFERRED,
                    **_fields(leased),
                    attempt=attempt.number,
                    status=attempt.status_code,
                    retry_at=settlement.due_at,
                )
        else:
            self._count(self._metrics.ended, channel, state.value)
            log.info(events.DELIVERY_ENDED, **_fields(leased), state=state.value)

    def lost(self, leased: Leased) -> None:
        """Tell of a delivery that another worker has taken."""
        log.warning(events.DELIVERY_LEASE_LOST, delivery=leased.delivery.id, fence=leased.fence)

    def _count(self, counter: Counter, channel: str, what: str, times: int = 1) -> None:
        found = self._counters.get((counter, channel, what))
        if found is None:
            found = self._counters[counter, channel, what] = counter.labels(channel, what)
        found.inc(times)


def _fields(leased: Leased) -> dict[str, str]:
    delivery = leased.delivery
    return {"delivery": delivery.id, "channel": delivery.channel.value, "rule": delivery.rule_id}


_NEXT: Final = {cause: to for (state, cause), to in MOVES.items() if state is State.SENDING}
