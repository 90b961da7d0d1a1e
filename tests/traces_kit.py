"""A real OTLP/gRPC collector for tests: the collector's own service, in the test's own loop."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """One span as it was exported; ids in hex, the parent's empty for the first of a trace."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, str | int | bool]
    links: tuple[tuple[str, str], ...]
    failed: bool
    began: int
    ended: int


@dataclass(slots=True)
class Collector:
    """What a test sees of its collector."""

    port: int = 0
    spans: list[ReceivedSpan] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[ReceivedSpan]:
        return [each for each in self.spans if each.name == name]

    def children(self, parent: ReceivedSpan) -> list[str]:
        """Return the names of a span's children, as they began."""
        own = [each for each in self.spans if (each.trace_id, each.parent_id) == (parent.trace_id, parent.span_id)]
        return [each.name for each in sorted(own, key=lambda each: (each.began, each.ended))]


class _Service(TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        for group in request.resource_spans:
            named = {each.key: each.value.string_value for each in group.resource.attributes}
            self._collector.services.add(named["service.name"])
            for scope in group.scope_spans:
                self._collector.spans.extend(map(_received, scope.spans))
        return ExportTraceServiceResponse()


def _received(span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes={each.key: _value(each.value) for each in span.attributes},
        links=tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
    )


def _value(value: AnyValue) -> str | int | bool:
    found: str | int | bool = getattr(value, str(value.WhichOneof("value")))
    return found


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Collect until the block ends."""
    kept = Collector()
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(_Service(kept), server)  # type: ignore[no-untyped-call]
    kept.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield kept
    finally:
        await server.stop(None)
