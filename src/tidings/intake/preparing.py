"""What is recorded of events: each validated, identified and decided, by itself or many in one go."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from tidings.errors import InvalidEvent
from tidings.events import (
    Facts,
    contact_told,
    customer_of,
    facts_of,
    id_of_content,
    look_at,
    swallowed_customer,
    validate,
    wire_form,
)
from tidings.events.v1.event_pb2 import Event
from tidings.model import PlannedDelivery, digest_of
from tidings.rulebook import Rulebook
from tidings.rules import NOTHING, Decision, RuleFailure, decide, revocation
from tidings.store import OWN_DIGEST, CallOff, Publication, Publications, StoredEvent
from tidings.telemetry import blotted, events, get_logger
from tidings.telemetry.metrics import Metrics

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.intake.tracing import PublishTrace, PublishTraces

log = get_logger()

_new: Final = tuple.__new__


class Prepared(NamedTuple):
    """What becomes of the events of a batch."""

    publications: Publications
    """Of those that are accepted, in order."""
    refused: dict[int, InvalidEvent]
    """By place in the batch, the first one first."""


class Preparation:
    """Makes of events what is recorded of them, by one rulebook at one time."""

    __slots__ = ("_metrics", "_now", "_rulebook", "_traces", "traced")

    def __init__(
        self, rulebook: Rulebook, *, now: int, metrics: Metrics, traces: "PublishTraces | None" = None
    ) -> None:
        """``now``, epoch milliseconds, is when they came."""
        self._rulebook = rulebook
        self._now = now
        self._metrics = metrics
        self._traces = traces
        self.traced: list[PublishTrace] = []
        """The spans that were begun for them."""

    def of_many(self, batch: Iterable[Event]) -> Prepared:
        """Prepare events; it is as if each were prepared by itself.

        Most are plain, no rule can match them and nothing else is to be found out: they are finished in this loop.
        """
        rules, revision, now = self._rulebook.rules, self._rulebook.revision, self._now
        index_of, brand_of, cancelled_by = rules.index.get, rules.brands.get, rules.cancelled_by
        is_traced = self._traces is not None
        publications, refused = prepared = Prepared(Publications([], {}, {}), {})
        add, add_plain = publications.add, publications.events.append
        for event, content, org_id, event_id, name, data, customer in look_at(batch):
            if data is None:
                outcome = self.of_one(event)
                if isinstance(outcome, InvalidEvent):
                    refused[len(publications) + len(refused)] = outcome
                else:
                    add(outcome)
                continue
            index, brand = index_of(name), brand_of(org_id)
            if (
                not event_id
                or is_traced
                or name in cancelled_by
                or (brand is not None and brand.keep_contacts)
                or (
                    index is not None
                    and brand is not None
                    and (index.glance is None or not index.glance(org_id, event, data))
                )
            ):
                facts = Facts(org_id, event_id, name, data, customer)
                add(self._decided(event, content, facts))
                continue
            who = customer or customer_of(event, Facts(org_id, event_id, name, data, customer))
            add_plain((org_id, event_id, name, now, revision, content, OWN_DIGEST, who, (), ""))
        return prepared

    def of_one(self, event: Event) -> Publication | InvalidEvent:
        """Prepare one event, whatever it is."""
        content = wire_form(event)
        facts = facts_of(event)
        if violations := validate(event, size=len(content), facts=facts):
            log.info(events.EVENT_REFUSED, org=facts.org_id, fields=[each.field for each in violations])
            return InvalidEvent(violations)
        return self._decided(event, content, facts)

    def _decided(self, event: Event, content: bytes, facts: Facts) -> Publication:
        """Give a valid event its id if it has none, and decide it."""
        org_id, event_id, name, _, customer = facts
        digest = digest_of(content)
        if not event_id:
            event_id = event.event_id = id_of_content(digest)
            content = wire_form(event)
        rules, revision, now = self._rulebook.rules, self._rulebook.revision, self._now
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
            self.traced.append(trace)
            traceparent = trace.traceparent
        called_off = self._call_offs(event, name) if name in rules.cancelled_by else ()
        who = customer or customer_of(event, facts)
        # By position and past the classes, here and in what is planned: they would take as long as validating.
        stored = _new(StoredEvent, (org_id, event_id, name, now, revision, content, digest, who, matched, traceparent))
        publication = _new(Publication, (stored, deliveries, called_off, None, None))
        brand = rules.brands.get(org_id)
        return publication if brand is None or not brand.keep_contacts else _telling(publication, event)

    def _call_offs(self, event: Event, name: str) -> tuple[CallOff, ...]:
        """Say which waiting deliveries the event makes pointless."""
        found = revocation(self._rulebook.rules, event, now=self._now)
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


def _telling(publication: Publication, event: Event) -> Publication:
    """Add what the event tells of its customer, for a brand that keeps its directory by events."""
    customer, swallowed = publication.event.customer_id, swallowed_customer(event)
    swallows = None if customer is None or swallowed is None else (customer, swallowed)
    return publication._replace(contact=contact_told(event), swallows=swallows)


def _matched(decision: Decision) -> tuple[str, ...]:
    return tuple(match.rule_id for match in decision.matches if match.mode == "live")
