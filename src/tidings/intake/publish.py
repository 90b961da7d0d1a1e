"""Publishing: validate, decide, and commit the event with its deliveries before answering."""

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tidings.errors import EventIdReused, InvalidEvent, StoreUnavailable, TidingsError
from tidings.events import (
    contact_told,
    customer_of,
    digest_of,
    facts_of,
    id_of_content,
    swallowed_customer,
    validate,
    wire_form,
)
from tidings.events.v1.event_pb2 import Event
from tidings.intake.gathering import by_their_clocks
from tidings.intake.group_commit import GroupCommit
from tidings.intake.refusals import Refusals
from tidings.model import PlannedDelivery
from tidings.rulebook import Rulebook, Rulebooks
from tidings.rules import NOTHING, Decision, RuleFailure, decide, revocation
from tidings.store import CallOff, Publication, Recorded, RecordResult, Store, StoredEvent
from tidings.telemetry import Metrics, blotted, events, get_logger

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.intake.tracing import PublishTrace, PublishTraces

log = get_logger()

Clock = Callable[[], int]
"""Returns the time, epoch milliseconds."""


_new: Final = tuple.__new__
_DUPLICATE: Final = Recorded.DUPLICATE
_REUSED: Final = Recorded.REUSED


def system_clock() -> int:
    """Return the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Published(NamedTuple):
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
        self.refusals = Refusals()
        """What the store could not take of late."""
        self._store = store
        self._traces = traces
        self._rulebooks = rulebooks
        self._metrics = metrics
        self._record_seconds = metrics.commit_seconds.labels("record")
        self._clock = clock
        self._outcomes = {each: metrics.events.labels(each.value) for each in Recorded}
        self._invalid = metrics.events.labels("invalid")
        self._group: GroupCommit[Event, Published] = GroupCommit(self.many)

    def one(self, event: Event) -> Coroutine[Any, Any, Published]:
        """Publish one event, in one commit with others that wait.

        Raises, when awaited:
            InvalidEvent: with the path of every fault.
            EventIdReused: the id is taken by an event with other content.
            StoreUnavailable: nothing was kept.
            Overloaded: too much is waiting.
        """
        return self._group.run(event) if self._traces is None else self._alone(event)

    async def _alone(self, event: Event) -> Published:
        """Publish one event by itself: a trace is the caller's own, and so is its task."""
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
        began = time.perf_counter()
        try:
            now, rulebook = self._clock(), self._rulebooks.current
            traced: list[PublishTrace] = []
            prepared = [self._prepare(event, rulebook, traced, now=now) for event in batch]
            publications = [each for each in prepared if isinstance(each, Publication)]
            with_deliveries = [each for each in publications if each.deliveries]
            if any(planned.digest is not None for each in with_deliveries for planned in each.deliveries):
                publications = [await by_their_clocks(each, rulebook, self._store) for each in publications]
            results = await self._record(publications, traced) if publications else []
            self._count_outcomes(results, invalid=len(prepared) - len(results))
            if len(results) == len(prepared):
                return list(map(_answer, publications, results))
            recorded = iter(results)
            return [each if isinstance(each, InvalidEvent) else _answer(each, next(recorded)) for each in prepared]
        finally:
            self._metrics.publish_seconds.observe(time.perf_counter() - began)

    async def announce(self, event: Event, deliveries: Sequence[PlannedDelivery]) -> None:
        """Record an event of the gateway's own with its deliveries; no rule is asked.

        Raises:
            StoreUnavailable, Overloaded: nothing was kept.
        """
        content = wire_form(event)
        facts = facts_of(event)
        stored = StoredEvent(
            org_id=facts.org_id,
            event_id=facts.event_id,
            name=facts.name,
            received_at=self._clock(),
            revision=self._rulebooks.current.revision,
            content=content,
            digest=digest_of(content),
            customer_id=customer_of(event, facts),
            matched_rules=(),
        )
        await self._store.record([Publication(stored, tuple(deliveries))])

    async def _record(self, publications: list[Publication], traced: "list[PublishTrace]") -> list[RecordResult]:
        try:
            with self._record_seconds.time():
                if self._traces is None or not traced:
                    return await self._store.record(publications)
                return await self._traces.record(self._store, publications, traced)
        except StoreUnavailable as error:
            self.refusals.note(error, len(publications))
            raise

    def _prepare(
        self, event: Event, rulebook: Rulebook, traced: "list[PublishTrace]", *, now: int
    ) -> Publication | InvalidEvent:
        content = wire_form(event)
        facts = facts_of(event)
        if violations := validate(event, size=len(content), facts=facts):
            log.info(events.EVENT_REFUSED, org=facts.org_id, fields=[each.field for each in violations])
            return InvalidEvent(violations)
        digest = digest_of(content)
        org_id, event_id, name, _, customer = facts
        if not event_id:
            event_id = event.event_id = id_of_content(digest)
            content = wire_form(event)
        rules, revision = rulebook.rules, rulebook.revision
        trace = None if self._traces is None else self._traces.begin(event, now=now)
        decision = decide(rules, event, event_id=event_id, now=now, facts=facts)
        matched: tuple[str, ...] = ()
        deliveries: tuple[PlannedDelivery, ...] = ()
        if decision is not NOTHING:
            self._note(decision, event)
            matched, deliveries = _matched(decision), decision.deliveries
        traceparent = ""
        if trace is not None:
            trace.decided(decision, revision)
            traced.append(trace)
            traceparent = trace.traceparent
        called_off = self._call_offs(rulebook, event, name, now) if name in rules.cancelled_by else ()
        # By position and past the classes, here and in what is planned: they would take as long as validating does.
        who = customer or customer_of(event, facts)
        stored = _new(StoredEvent, (org_id, event_id, name, now, revision, content, digest, who, matched, traceparent))
        publication = _new(Publication, (stored, deliveries, called_off, None, None))
        brand = rules.brands.get(org_id)
        return publication if brand is None or not brand.keep_contacts else _telling(publication, event)

    def _call_offs(self, rulebook: Rulebook, event: Event, name: str, now: int) -> tuple[CallOff, ...]:
        """Say which waiting deliveries the event makes pointless."""
        found = revocation(rulebook.rules, event, now=now)
        self._tell_failures(found.failures, event)
        reason = f"called off by {name} {event.event_id}"
        return tuple(CallOff(rule_id=each, customer_id=found.customer_id, reason=reason) for each in found.rule_ids)

    def _note(self, decision: Decision, event: Event) -> None:
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

    def _count_outcomes(self, results: Sequence[RecordResult], *, invalid: int) -> None:
        recorded = [result.recorded for result in results]
        for outcome, counter in self._outcomes.items():
            if count := recorded.count(outcome):
                counter.inc(count)
        if invalid:
            self._invalid.inc(invalid)


def _telling(publication: Publication, event: Event) -> Publication:
    """Add what the event tells of its customer, for a brand that keeps its directory by events."""
    customer, swallowed = publication.event.customer_id, swallowed_customer(event)
    swallows = None if customer is None or swallowed is None else (customer, swallowed)
    return publication._replace(contact=contact_told(event), swallows=swallows)


def _matched(decision: Decision) -> tuple[str, ...]:
    return tuple(match.rule_id for match in decision.matches if match.mode == "live")


def _answer(publication: Publication, result: RecordResult) -> Published | EventIdReused:
    event, recorded = publication.event, result.recorded
    if recorded is _REUSED:
        return EventIdReused(org_id=event.org_id, event_id=event.event_id)
    return _new(Published, (event.event_id, recorded is _DUPLICATE, result.matched_rules, result.delivery_ids))
