"""Traces of publishing: a span for each event that is traced, with its decision and its commit.

The span joins what the caller sent along, else what the vendor's ``traceAttributes`` hold. Its context goes into the
store with the event.
"""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tidings.errors import TidingsError
from tidings.events import event_name
from tidings.events.v1.event_pb2 import Event
from tidings.rules import Decision
from tidings.store import Publication, RecordResult, Store
from tidings.telemetry.caller import TRACEPARENT, caller_trace
from tidings.telemetry.traces import Attributes, Span, SpanContext, SpanKind, Status, StatusCode, Traces, traceparent_of

_TECHNICAL: Final = {
    "x-cap-lineage-id": "vendor.lineage_id",
    "x-cap-lineage-start": "vendor.lineage_start",
    "x-cap-api-auth-org-id": "vendor.api_org_id",
    "requestid": "vendor.request_id",
}
"""What a vendor's trace attributes are called on a span; others stay out, for nobody promises that they name no one."""
_HARMLESS: Final = re.compile(r"[0-9A-Za-z.:+-]{1,64}")


class PublishTrace:
    """The span of one event that is being published."""

    def __init__(self, traces: Traces, span: Span) -> None:
        self._traces = traces
        self._span = span
        self._context = span.get_span_context()
        self._began = time.time_ns()
        self.traceparent = traceparent_of(self._context)
        """What is stored with the event."""

    def decided(self, decision: Decision, revision: str) -> None:
        """Tell of the decision, which has just been made."""
        attributes: Attributes = {
            "tidings.revision": revision,
            "tidings.rules.matched": len(decision.matches),
            "tidings.rules.failed": len(decision.failures),
            "tidings.deliveries": len(decision.deliveries),
        }
        self._traces.emit("decide", self._context, attributes=attributes, between=(self._began, time.time_ns()))

    def committed(self, result: RecordResult, *, began: int, together: int) -> None:
        """Tell of the commit, which has just been made for ``together`` events at once, and end."""
        attributes = {"tidings.commit.events": together}
        self._traces.emit("commit", self._context, attributes=attributes, between=(began, time.time_ns()))
        self._span.set_attribute("tidings.outcome", result.recorded.value)
        self._span.end()

    def failed(self, error: Exception, *, began: int) -> None:
        """Tell of a commit that failed, and end."""
        reason = error.reason if isinstance(error, TidingsError) else type(error).__name__
        self._traces.emit("commit", self._context, between=(began, time.time_ns()), error=reason)
        self._span.set_status(Status(StatusCode.ERROR, reason))
        self._span.end()


class PublishTraces:
    """Decides which events are traced."""

    def __init__(self, traces: Traces, *, dice: Callable[[], float] = random.random) -> None:
        self._traces = traces
        self._dice = dice

    def begin(self, event: Event, *, now: int) -> PublishTrace | None:
        """Start an event's span, or return None when it is not traced: that is the caller's choice, else the dice's.

        ``now``, epoch milliseconds, is when it came; its deliveries are due then, so no part of it begins earlier.
        """
        parent = self._parent(event.trace_attributes)
        if not (self._dice() < self._traces.sample if parent is None else parent.trace_flags.sampled):
            return None
        attributes: Attributes = {
            "tidings.org_id": event.org_id,
            "tidings.event_id": event.event_id,
            "tidings.event": event_name(event),
            **technical_attributes(event.trace_attributes),
        }
        began = now * 1_000_000
        span = self._traces.start("publish", parent, kind=SpanKind.SERVER, attributes=attributes, start_ns=began)
        return PublishTrace(self._traces, span)

    async def record(
        self, store: Store, publications: Sequence[Publication], traced: Sequence[PublishTrace]
    ) -> list[RecordResult]:
        """Record publications, and end the spans of those that are traced."""
        began = time.time_ns()
        try:
            results = await store.record(publications)
        except Exception as error:
            for each in traced:
                each.failed(error, began=began)
            raise
        of = {publication.event.trace: result for publication, result in zip(publications, results, strict=True)}
        for each in traced:
            each.committed(of[each.traceparent], began=began, together=len(publications))
        return results

    def _parent(self, vendor: Mapping[str, str]) -> SpanContext | None:
        if (sent := caller_trace.get()) and (found := self._traces.read(sent)) is not None:
            return found
        for name, value in vendor.items():
            if name.lower() == TRACEPARENT:
                return self._traces.read(value)
        return None


def technical_attributes(vendor: Mapping[str, str]) -> dict[str, str]:
    """Return those of a vendor's trace attributes that say something of systems and nothing of people."""
    return {
        _TECHNICAL[name.lower()]: value
        for name, value in vendor.items()
        if name.lower() in _TECHNICAL and _HARMLESS.fullmatch(value)
    }
