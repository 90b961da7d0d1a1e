"""The client: one channel, events in batches, the other services by their stubs."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from tidings.client.buffer import Buffer, Parcel
from tidings.client.channel import open_channel
from tidings.client.errors import ClientClosed, error_of
from tidings.client.sending import Sender
from tidings.client.settings import ClientSettings
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact, UpsertContactsRequest
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.gateway.v1.delivery_service_pb2 import GetDeliveryRequest, GetDeliveryResponse
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest, PublishBatchResponse, PublishResponse
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

if TYPE_CHECKING:  # the stubs' types for an asynchronous channel exist in the generated stubs only
    from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceAsyncStub
    from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceAsyncStub
    from tidings.gateway.v1.event_service_pb2_grpc import EventServiceAsyncStub

_CLOSE_SECONDS: Final = 30.0


class TidingsClient:
    """Publishes events and asks after them. Belongs to the event loop it was made in.

    Args:
        target: the gateway, ``host:port``.
        key: the API key, where the gateway wants one.
        settings: how batches are made and failures borne.
        credentials: for TLS; None speaks plain text, which a gateway offers on loopback only.
    """

    def __init__(
        self,
        target: str,
        *,
        key: str | None = None,
        settings: ClientSettings | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._settings = settings or ClientSettings()
        self.channel = open_channel(target, key=key, credentials=credentials)
        self._events: EventServiceAsyncStub = EventServiceStub(self.channel)
        self._contacts: ContactServiceAsyncStub = ContactServiceStub(self.channel)
        self._deliveries: DeliveryServiceAsyncStub = DeliveryServiceStub(self.channel)
        self._buffer = Buffer(self._settings)
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Events

    async def publish(self, event: Event) -> PublishResponse:
        """Publish an event and wait until it is committed; waits for room when the buffer is full.

        Whoever stops waiting, as by a timeout, takes the event back if it was not sent yet. If it was, it may be
        committed all the same.

        Raises:
            InvalidEvent: with the path of every fault.
            EventIdReused: the id is taken by an event with other content.
            GatewayUnreachable: the client's patience is at its end; whether it was committed is not known.
            ClientClosed: the client is, or was meanwhile, closed.
            CallFailed: the gateway refused for another reason.
        """
        await self._buffer.room(event.ByteSize())
        return await self.publish_soon(event)

    async def publish_all(self, events: Iterable[Event]) -> list[PublishResponse | BaseException]:
        """Publish events, however many; an answer or an error for each, in order."""
        under_way = []
        for event in events:
            await self._buffer.room(event.ByteSize())
            under_way.append(self.publish_soon(event))
        return await asyncio.gather(*under_way, return_exceptions=True)

    def publish_soon(self, event: Event) -> "asyncio.Future[PublishResponse]":
        """Hand over an event without waiting; the future ends as ``publish`` does.

        The event must not be changed until then.

        Raises:
            BufferFull: too many are waiting; nothing was taken.
            ClientClosed: the client is closed.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[PublishResponse] = loop.create_future()
        deadline = loop.time() + self._settings.patience
        self._buffer.put(Parcel(event, event.ByteSize(), answer, deadline))
        self._start()
        return answer

    async def flush(self) -> None:
        """Wait until every event handed over has its answer."""
        await self._buffer.drained()

    async def close(self, *, timeout: float = _CLOSE_SECONDS) -> None:  # noqa: ASYNC109 (how long to go on trying)
        """Send what waits for up to ``timeout`` seconds, then fail the rest with ClientClosed, and hang up."""
        self._buffer.close()
        if self._senders:
            await asyncio.wait(self._senders, timeout=timeout)
            for sender in self._senders:
                sender.cancel()
            await asyncio.gather(*self._senders, return_exceptions=True)
        for parcel in self._buffer.abandon():
            if not parcel.answer.done():
                parcel.answer.set_exception(ClientClosed("the client was closed before the event could be committed"))
        await self.channel.close()

    def _start(self) -> None:
        if not self._senders:
            sender = Sender(self._buffer, self._settings, self._send)
            self._senders = [
                asyncio.create_task(sender.run(), name=f"tidings client {number}")
                for number in range(self._settings.calls)
            ]

    async def _send(self, request: PublishBatchRequest, timeout: float) -> PublishBatchResponse:  # noqa: ASYNC109 (gRPC's)
        return await self._events.PublishBatch(request, timeout=timeout)

    # The rest

    async def upsert_contacts(self, contacts: Iterable[Contact]) -> int:
        """Add or replace contacts, up to 1,000, all or none; return how many. Raises as the gateway does."""
        request = UpsertContactsRequest(contacts=contacts)
        answer = await self._call(self._contacts.UpsertContacts(request, timeout=self._settings.timeout))
        return int(answer.upserted)

    async def delivery(self, delivery_id: str) -> GetDeliveryResponse:
        """Return a delivery with its attempts; raise NotFound."""
        request = GetDeliveryRequest(delivery_id=delivery_id)
        answer: GetDeliveryResponse = await self._call(
            self._deliveries.GetDelivery(request, timeout=self._settings.timeout)
        )
        return answer

    async def _call(self, call: Any) -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure
