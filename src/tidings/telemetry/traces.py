"""Traces by OpenTelemetry, which comes with the extra ``tidings[traces]`` and which no other module names.

A sampled event carries its context as a ``traceparent`` through the store, so that whoever delivers it, after a restart
too, continues its trace. The ids of spans that others must be able to name before or after are derived: see ``Ids``.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidings.telemetry.caller import TRACEPARENT

__all__ = [
    "Attributes",
    "Ids",
    "Span",
    "SpanContext",
    "SpanKind",
    "Status",
    "StatusCode",
    "Traces",
    "derived_span_id",
    "open_traces",
    "sibling",
    "traceparent_of",
]

Attributes = Mapping[str, str | int | bool]
"""What a span says of itself: identifiers and numbers, never addresses, names of people or message texts."""

_W3C: Final = TraceContextTextMapPropagator()
_FLUSH_SECONDS: Final = 2.0
"""How long a stop waits for the last spans; a collector that is away must not keep the gateway from stopping."""
_EXPORT_SECONDS: Final = 5


class Ids(RandomIdGenerator):
    """Random ids, save for a span whose id was derived from what it is about."""

    def __init__(self) -> None:
        self.next_span_id: int | None = None

    def generate_span_id(self) -> int:
        """Return the id that was asked for, once, or a random one."""
        chosen, self.next_span_id = self.next_span_id, None
        return super().generate_span_id() if chosen is None else chosen


def derived_span_id(*parts: str | int) -> int:
    """Return an id that anybody who knows the parts can name."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) or 1


class Traces:
    """Makes spans. Belongs to the loop it is used in; what is ended is exported by a thread of OpenTelemetry's."""

    def __init__(self, provider: TracerProvider, ids: Ids, *, sample: float) -> None:
        self._tracer = provider.get_tracer("tidings")
        self._ids = ids
        self.sample = sample
        """The share of events that are traced although nobody upstream decided it."""

    def read(self, traceparent: str) -> SpanContext | None:
        """Return the context that a ``traceparent`` holds, or None when it is not valid."""
        found = get_current_span(_W3C.extract({TRACEPARENT: traceparent})).get_span_context()
        return found if found.is_valid else None

    def start(
        self,
        name: str,
        parent: SpanContext | None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        start_ns: int | None = None,
    ) -> Span:
        """Start a span; without a parent it is the first of a new trace. The caller ends it."""
        # An empty context rather than none: what another library made current here is no parent of ours.
        context = set_span_in_context(NonRecordingSpan(parent)) if parent else set_span_in_context(_NOBODY)
        return self._tracer.start_span(
            name, context=context, kind=kind, attributes=dict(attributes or {}), start_time=start_ns
        )

    def emit(  # noqa: PLR0913 (the parts of a span)
        self,
        name: str,
        parent: SpanContext,
        *,
        span_id: int | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        links: Sequence[SpanContext] = (),
        between: tuple[int, int],
        error: str | None = None,
    ) -> SpanContext:
        """Make a span of what has been: ``between`` is its beginning and end, epoch nanoseconds."""
        self._ids.next_span_id = span_id
        span = self._tracer.start_span(
            name,
            context=set_span_in_context(NonRecordingSpan(parent)),
            kind=kind,
            attributes=dict(attributes or {}),
            links=[Link(each) for each in links],
            start_time=between[0],
        )
        self._ids.next_span_id = None
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(between[1])
        return span.get_span_context()


_NOBODY: Final = NonRecordingSpan(SpanContext(0, 0, is_remote=False))


def sibling(context: SpanContext, span_id: int) -> SpanContext:
    """Return the context of another span of the same trace."""
    return SpanContext(context.trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def traceparent_of(context: SpanContext) -> str:
    """Write a context the way W3C has it."""
    return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{int(context.trace_flags):02x}"


@asynccontextmanager
async def open_traces(*, endpoint: str, sample: float) -> AsyncIterator[Traces]:
    """Export spans to an OTLP/gRPC collector, ``http://host:4317`` or ``https://…``, until the block ends."""
    ids = Ids()
    resource = Resource.create({"service.name": "tidings", "service.version": version("tidings")})
    provider = TracerProvider(
        sampler=ParentBased(ALWAYS_ON), id_generator=ids, resource=resource, shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Traces(provider, ids, sample=sample)
    finally:
        await _close(provider, exporter)


async def _close(provider: TracerProvider, exporter: OTLPSpanExporter) -> None:
    """Export what is left; what a collector does not take in time is let go of."""
    closing = asyncio.create_task(asyncio.to_thread(provider.shutdown))
    _, late = await asyncio.wait({closing}, timeout=_FLUSH_SECONDS)
    if late:
        exporter.shutdown()
    await closing
