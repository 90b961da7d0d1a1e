"""Publishing: validate, decide, and commit the event with its deliveries before answering."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidings.errors import EventIdReused, InvalidEvent, TidingsError
from tidings.events import content_digest, customer_id, derive_event_id, event_name, validate
from tidings.events.v1.event_pb2 import Event
from tidings.model import PlannedDelivery
from tidings.rulebook import Rulebook, Rulebooks
from tidings.rules import Decision, RuleFailure, decide, revocation
from tidings.store import CallOff, Publication, Recorded, RecordResult, Store, StoredEvent
from tidings.telemetry import Metrics, blotted, events, get_logger

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.intake.tracing import PublishTrace, PublishTraces

log = get_logger()

Clock = Callable[[], int]
"""Returns the time, epoch milliseconds."""


def system_clock() -> int:
    """Return the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of one event."""

    event_id: str
    duplicate: bool
    matched_rules: tuple[str, ...]
    delivery_ids: tuple[str, ...]


class Publish:
    """Takes events into the gateway. When a call returns, its events are on disk."""

    def __init__(
        self,
        *,
        store: Store,
        rulebooks: Rulebooks,
        metrics: Metrics,
        clock: Clock = system_clock,
        traces: "PublishTraces | None" = None,
    ) -> None:
        self._store = store
        self._traces = traces
        self._rulebooks = rulebooks
        self._metrics = metrics
        self._record_seconds = metrics.commit_seconds.labels("record")
        self._clock = clock

    async def one(self, event: Event) -> Published:
        """Publish one event.

        Raises:
            InvalidEvent: with the path of every fault.
            EventIdReused: the id is taken by an event with other content.
            StoreUnavailable: nothing was kept.
            Overloaded: too much is waiting.
        """
        (outcome,) = await self.many([event])
        if isinstance(outcome, TidingsError):
            raise outcome
        return outcome

    async def many(self, batch: Sequence[Event]) -> list[Published | InvalidEvent | EventIdReused]:
        """Publish events in one commit; an answer each, in order. A bad one does not harm the others.

        Raises:
            StoreUnavailable: nothing was kept.
            Overloaded: too much is waiting.
        """
        with self._metrics.publish_seconds.time():
            traced: list[PublishTrace] = []
            prepared = [self._prepare(event, traced) for event in batch]
            publications = [each for each in prepared if isinstance(each, Publication)]
            results = iter(await self._record(publications, traced) if publications else ())
            return [
                each if isinstance(each, InvalidEvent) else self._answer(each.event, next(results)) for each in prepared
            ]

    async def announce(self, event: Event, deliveries: Sequence[PlannedDelivery]) -> None:
        """Record an event of the gateway's own with its deliveries; no rule is asked.

        Raises:
            StoreUnavailable, Overloaded: nothing was kept.
        """
        stored = self._store_event(event, content_digest(event), now=self._clock(), matched=())
        await self._store.record([Publication(event=stored, deliveries=tuple(deliveries))])

    async def _record(self, publications: list[Publication], traced: "list[PublishTrace]") -> list[RecordResult]:
        with self._record_seconds.time():
            if self._traces is None or not traced:
                return await self._store.record(publications)
            return await self._traces.record(self._store, publications, traced)

    def _prepare(self, event: Event, traced: "list[PublishTrace]") -> Publication | InvalidEvent:
        if violations := validate(event):
            self._metrics.events.labels("invalid").inc()
            log.info(events.EVENT_REFUSED, org=event.org_id, fields=[each.field for each in violations])
            return InvalidEvent(violations)
        digest = content_digest(event)
        if not event.event_id:
            event.event_id = derive_event_id(event)
        trace = None if self._traces is None else self._traces.begin(event)
        now = self._clock()
        rulebook = self._rulebooks.current
        decision = decide(rulebook.rules, event, event_id=event.event_id, now=now)
        self._count(decision, event)
        matched = tuple(match.rule_id for match in decision.matches if match.mode == "live")
        stored = self._store_event(event, digest, now=now, matched=matched)
        if trace is not None:
            trace.decided(decision, rulebook.revision)
            traced.append(trace)
            stored = replace(stored, trace=trace.traceparent)
        called_off = self._call_offs(rulebook, event, now) if stored.name in rulebook.rules.cancelled_by else ()
        return Publication(event=stored, deliveries=decision.deliveries, call_offs=called_off)

    def _call_offs(self, rulebook: Rulebook, event: Event, now: int) -> tuple[CallOff, ...]:
        """Say which waiting deliveries the event makes pointless."""
        found = revocation(rulebook.rules, event, now=now)
        self._tell_failures(found.failures, event)
        reason = f"called off by {event_name(event)} {event.event_id}"
        return tuple(CallOff(rule_id=each, customer_id=found.customer_id, reason=reason) for each in found.rule_ids)

    def _store_event(self, event: Event, digest: bytes, *, now: int, matched: tuple[str, ...]) -> StoredEvent:
        return StoredEvent(
            org_id=event.org_id,
            event_id=event.event_id,
            name=event_name(event),
            received_at=now,
            revision=self._rulebooks.current.revision,
            content=event.SerializeToString(),
            digest=digest,
            customer_id=customer_id(event),
            matched_rules=matched,
        )

    def _count(self, decision: Decision, event: Event) -> None:
        for match in decision.matches:
            self._metrics.matches.labels(match.rule_id, match.mode).inc()
        self._tell_failures(decision.failures, event)

    def _tell_failures(self, failures: Sequence[RuleFailure], event: Event) -> None:
        for failure in failures:
            self._metrics.rule_failures.labels(failure.rule_id).inc()
            log.warning(
                events.RULE_FAILED,
                rule=failure.rule_id,
                org=event.org_id,
                event_id=event.event_id,
                error=blotted(failure.error),
            )

    def _answer(self, event: StoredEvent, result: RecordResult) -> Published | EventIdReused:
        self._metrics.events.labels(result.recorded.value).inc()
        if result.recorded is Recorded.REUSED:
            return EventIdReused(org_id=event.org_id, event_id=event.event_id)
        return Published(
            event_id=event.event_id,
            duplicate=result.recorded is Recorded.DUPLICATE,
            matched_rules=result.matched_rules,
            delivery_ids=result.delivery_ids,
        )
