"""Traces of deliveries: a span for each time a delivery was in our hands, made when it is settled.

A span's id is derived from the delivery and its fence, so that the next one, made perhaps by another process, can link
to it, and so that an endpoint can be told the span before it has ended. One that a crash cut short is never exported.
"""

import time
from collections.abc import Callable
from typing import Final

from tidings.model import Cause, Channel, RecipientKind
from tidings.store import Leased, Settlement
from tidings.telemetry.traces import Attributes, SpanContext, SpanKind, Traces, derived_span_id, sibling, traceparent_of

_FAILED: Final = frozenset({Cause.REFUSED, Cause.EXHAUSTED, Cause.DEFERRED})


class DeliveryTrace:
    """The moments of one delivery in our hands, epoch nanoseconds."""

    def __init__(self, event_span: SpanContext, leased: Leased, clock: Callable[[], int]) -> None:
        self.event_span = event_span
        self.leased = leased
        self._clock = clock
        self.taken = clock()
        self.started: int | None = None
        self.composed: int | None = None
        self.answered: int | None = None

    @property
    def traceparent(self) -> str:
        """What is passed on to the far side: the span of sending."""
        return traceparent_of(sibling(self.event_span, _send_id(self.leased)))

    def note_start(self) -> None:
        """Composing begins."""
        self.started = self._clock()

    def note_message(self) -> None:
        """The message is written, sending begins."""
        self.composed = self._clock()

    def note_answer(self) -> None:
        """The far side has answered."""
        self.answered = self._clock()


class DeliveryTraces:
    """Makes the spans of deliveries whose events are traced."""

    def __init__(self, traces: Traces, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._traces = traces
        self._clock = clock

    def begin(self, leased: Leased) -> DeliveryTrace | None:
        """Begin to note when things happen; None for what is not traced."""
        event_span = self._traces.read(leased.trace) if leased.trace else None
        return None if event_span is None else DeliveryTrace(event_span, leased, self._clock)

    def settled(self, trace: DeliveryTrace, settlement: Settlement) -> None:
        """Make the spans of a delivery that has just been settled."""
        leased, now = trace.leased, self._clock()
        # Rounded up to the next millisecond, lest it begin before its event; never after it was taken.
        due = min((leased.delivery.due_at + 1) * 1_000_000, trace.taken)
        deliver = self._traces.emit(
            "deliver",
            trace.event_span,
            span_id=_deliver_id(leased, leased.fence),
            kind=SpanKind.CONSUMER,
            attributes=_attributes(leased, settlement),
            links=_links(trace),
            between=(due, now),
            error=settlement.cause.value if settlement.cause in _FAILED else None,
        )
        self._traces.emit("lease", deliver, between=(due, trace.started or trace.taken))
        self._steps(trace, deliver, settlement)
        settling = trace.answered or trace.composed or trace.started or trace.taken
        self._traces.emit("settle", deliver, between=(settling, now))

    def _steps(self, trace: DeliveryTrace, deliver: SpanContext, settlement: Settlement) -> None:
        if trace.started is None:
            return
        answered = trace.answered or self._clock()
        self._traces.emit("compose", deliver, between=(trace.started, trace.composed or answered))
        if trace.composed is None:
            return
        attempt = settlement.attempt
        self._traces.emit(
            "send",
            deliver,
            span_id=_send_id(trace.leased),
            kind=SpanKind.CLIENT,
            attributes={} if attempt is None or not attempt.status_code else {"status_code": attempt.status_code},
            between=(trace.composed, answered),
            error=settlement.cause.value if settlement.cause in _FAILED else None,
        )


def _links(trace: DeliveryTrace) -> tuple[SpanContext, ...]:
    """Link to the time before this one."""
    leased = trace.leased
    return (sibling(trace.event_span, _deliver_id(leased, leased.fence - 1)),) if leased.fence > 1 else ()


def _attributes(leased: Leased, settlement: Settlement) -> Attributes:
    delivery = leased.delivery
    known: dict[str, str | int | bool] = {
        "tidings.org_id": delivery.org_id,
        "tidings.event_id": delivery.event_id,
        "tidings.delivery_id": delivery.id,
        "tidings.rule": delivery.rule_id,
        "tidings.channel": delivery.channel.value,
        "tidings.outcome": settlement.cause.value,
    }
    if delivery.channel is Channel.WEBHOOK and delivery.recipient.kind is RecipientKind.ENDPOINT:
        known["tidings.endpoint"] = delivery.recipient.name
    if settlement.attempt is not None:
        known["tidings.attempt"] = settlement.attempt.number
    return known


def _deliver_id(leased: Leased, fence: int) -> int:
    return derived_span_id("deliver", leased.delivery.id, fence)


def _send_id(leased: Leased) -> int:
    return derived_span_id("send", leased.delivery.id, leased.fence)
