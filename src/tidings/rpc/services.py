"""EventService. A handler converts, calls one use case, and converts back."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from tidings.authoring import ExplainEvent
from tidings.errors import FieldViolation, InvalidRequest
from tidings.gateway.v1 import event_service_pb2 as events_pb
from tidings.intake import MAX_EVENTS, Publish, PublishJson, StreamRoom, publish_stream
from tidings.rpc.convert import (
    acknowledgements_to_proto,
    event_summary_to_proto,
    json_result_to_proto,
    published_to_proto,
    rejected_to_proto,
    results_to_proto,
)
from tidings.rpc.event_queries import EventQueries
from tidings.rpc.guard import caller
from tidings.rpc.paging import page_size_of
from tidings.store import EventFilter, Store

Context = grpc.aio.ServicerContext[Any, Any]


class EventService(EventQueries):
    """Takes events."""

    def __init__(self, publish: Publish, store: Store, explain_event: ExplainEvent) -> None:
        super().__init__(store, explain_event)
        self._publish = publish
        self._publish_json = PublishJson(publish)
        self._room = StreamRoom()

    async def Publish(self, request: events_pb.PublishRequest, context: Context) -> events_pb.PublishResponse:  # noqa: N802 (gRPC's name)
        """Publish one event."""
        if _is_late(context):
            await _refuse(context)
        return published_to_proto(await self._publish.one(request.event))

    async def PublishBatch(  # noqa: N802 (gRPC's name)
        self,
        request: events_pb.PublishBatchRequest,
        context: Context,
    ) -> events_pb.PublishBatchResponse:
        """Publish events in one commit."""
        if _is_late(context):
            await _refuse(context)
        if len(request.events) > MAX_EVENTS:
            description = f"at most {MAX_EVENTS} events fit one call, got {len(request.events)}; send several calls"
            raise InvalidRequest([FieldViolation(field="events", description=description)])
        outcomes = await self._publish.many(request.events)
        return results_to_proto(outcomes)

    async def PublishStream(  # noqa: N802 (gRPC's name)
        self,
        request_iterator: AsyncIterator[events_pb.PublishStreamRequest],
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> AsyncIterator[events_pb.PublishStreamResponse]:
        """Publish events as they come, and acknowledge them as they are committed."""
        incoming = ((request.sequence, request.event) async for request in request_iterator)
        async for acknowledged in publish_stream(self._publish, incoming, room=self._room):
            yield acknowledgements_to_proto(acknowledged)

    async def PublishJson(  # noqa: N802 (gRPC's name)
        self,
        request: events_pb.PublishJsonRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> events_pb.PublishJsonResponse:
        """Publish a vendor's body."""
        org_id = request.org_id if request.HasField("org_id") else None
        answer = await self._publish_json(request.body, org_id=org_id, owns=caller().owns)
        return events_pb.PublishJsonResponse(results=[json_result_to_proto(each) for each in answer.results])

    async def ListEvents(  # noqa: N802 (gRPC's name)
        self,
        request: events_pb.ListEventsRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> events_pb.ListEventsResponse:
        """List accepted events, newest first."""
        org_id = request.org_id if request.HasField("org_id") else None
        page = await self._store.list_events(
            EventFilter(org_id=org_id, name=request.event_name or None),
            page_size=page_size_of(request.page_size),
            page_token=request.page_token,
        )
        return events_pb.ListEventsResponse(
            events=[event_summary_to_proto(each) for each in page.events], next_page_token=page.next_token
        )

    async def ListRejectedBodies(  # noqa: N802 (gRPC's name)
        self,
        request: events_pb.ListRejectedBodiesRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> events_pb.ListRejectedBodiesResponse:
        """List bodies that could not be used, newest first."""
        page = await self._store.list_rejected(page_size=page_size_of(request.page_size), page_token=request.page_token)
        return events_pb.ListRejectedBodiesResponse(
            bodies=[rejected_to_proto(each) for each in page.bodies], next_page_token=page.next_token
        )


def _is_late(context: Context) -> bool:
    """Say whether a call's deadline has passed while it waited to be taken up: nobody will hear the answer."""
    left = context.time_remaining()
    return left is not None and left <= 0


async def _refuse(context: Context) -> None:
    await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed; nothing was kept")
