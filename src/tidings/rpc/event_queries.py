"""The questions one may ask of accepted events, for EventService."""

import asyncio
from typing import Any

import grpc

from tidings.authoring.evaluate import ExplainEvent
from tidings.errors import NotFound
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import event_service_pb2 as pb
from tidings.gateway.v1 import event_service_pb2_grpc as service
from tidings.rpc.convert import event_summary_to_proto
from tidings.rpc.explanations import evaluation_to_proto
from tidings.store import EventSummary, Store, StoredEvent


class EventQueries(service.EventServiceServicer):
    """GetEvent and ExplainEvent; EventService inherits them."""

    def __init__(self, store: Store, explain_event: ExplainEvent) -> None:
        self._store = store
        self._explain_event = explain_event

    async def GetEvent(  # noqa: N802 (gRPC's name)
        self,
        request: pb.GetEventRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 (gRPC's signature)
    ) -> pb.GetEventResponse:
        """Return one accepted event."""
        stored = await self._store.get_event(request.org_id, request.event_id)
        if stored is None:
            raise NotFound("event", f"{request.org_id}/{request.event_id}")
        return pb.GetEventResponse(
            summary=event_summary_to_proto(summary(stored)), event=Event.FromString(stored.content)
        )

    async def ExplainEvent(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ExplainEventRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ExplainEventResponse:
        """Say why an accepted event was decided as it was."""
        stored, evaluation = await self._explain_event(
            request.org_id, request.event_id, rule_id=request.rule_id or None
        )
        return pb.ExplainEventResponse(
            summary=event_summary_to_proto(summary(stored)),
            explanation=await asyncio.to_thread(evaluation_to_proto, evaluation),
        )


def summary(stored: StoredEvent) -> EventSummary:
    """Return what lists tell of an event."""
    return EventSummary(
        org_id=stored.org_id,
        event_id=stored.event_id,
        name=stored.name,
        received_at=stored.received_at,
        revision=stored.revision,
        customer_id=stored.customer_id,
        matched_rules=stored.matched_rules,
    )
