"""Publishing: validate, decide, and commit the event with its deliveries before answering."""

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tidings.errors import EventIdReused, InvalidEvent, StoreUnavailable, TidingsError
from tidings.events import (
    customer_of,
    facts_of,
    wire_form,
)
from tidings.events.v1.event_pb2 import Event
from tidings.intake.gathering import by_their_clocks
from tidings.intake.group_commit import GroupCommit
from tidings.intake.preparing import Preparation
from tidings.intake.refusals import Refusals
from tidings.model import PlannedDelivery, digest_of
from tidings.rulebook import Rulebooks
from tidings.store import NOTHING, Publication, Publications, Recorded, RecordResult, Store, StoredEvent
from tidings.telemetry import get_logger
from tidings.telemetry.metrics import Metrics

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.intake.tracing import PublishTrace, PublishTraces

log = get_logger()

Clock = Callable[[], int]
"""Returns the time, epoch milliseconds."""


_new: Final = tuple.__new__
_ORG_ID: Final = StoredEvent._fields.index("org_id")
_EVENT_ID: Final = StoredEvent._fields.index("event_id")
_DUPLICATE: Final = Recorded.DUPLICATE
_NEW: Final = Recorded.NEW
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
            rulebook = self._rulebooks.current
            preparation = Preparation(rulebook, now=self._clock(), metrics=self._metrics, traces=self._traces)
            publications, refused = preparation.of_many(batch)
            for place, planned in publications.planned.items():
                if any(each.digest is not None for each in planned):
                    publication = await by_their_clocks(publications[place], rulebook, self._store)
                    publications.planned[place] = publication.deliveries
            results = await self._record(publications, preparation.traced) if publications else []
            self._count_outcomes(results, invalid=len(refused))
            answers = _answers(publications, results)
            for place, fault in refused.items():
                answers.insert(place, fault)
            return answers
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

    async def _record(self, publications: Publications, traced: "list[PublishTrace]") -> list[RecordResult]:
        began = time.perf_counter()
        try:
            if self._traces is None or not traced:
                return await self._store.record(publications)
            return await self._traces.record(self._store, publications, traced)
        except StoreUnavailable as error:
            self.refusals.note(error, len(publications))
            raise
        finally:  # a timer of the metric's own would take three times as long
            self._record_seconds.observe(time.perf_counter() - began)

    def _count_outcomes(self, results: Sequence[RecordResult], *, invalid: int) -> None:
        nothing = results.count(NOTHING)
        if nothing:
            self._outcomes[_NEW].inc(nothing)
        if nothing < len(results):
            others = [each.recorded for each in results if each != NOTHING]
            for outcome, counter in self._outcomes.items():
                if count := others.count(outcome):
                    counter.inc(count)
        if invalid:
            self._invalid.inc(invalid)


def _answers(
    publications: Publications, results: Sequence[RecordResult]
) -> list[Published | InvalidEvent | EventIdReused]:
    return [
        _new(Published, (event[_EVENT_ID], False, (), ()))
        if result is NOTHING
        else _answer(event[_ORG_ID], event[_EVENT_ID], result)
        for event, result in zip(publications.events, results, strict=True)
    ]


def _answer(org_id: int, event_id: str, result: RecordResult) -> Published | EventIdReused:
    recorded, matched_rules, delivery_ids = result
    if recorded is _REUSED:
        return EventIdReused(org_id=org_id, event_id=event_id)
    return _new(Published, (event_id, recorded is _DUPLICATE, matched_rules, delivery_ids))
