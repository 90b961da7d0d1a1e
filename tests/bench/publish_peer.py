"""The peer of the publishing rows: a bare grpc.aio server on uvloop, which reads the same and answers ids."""

import sys
from typing import Any

import grpc
import uvloop

from tidings.gateway.v1.event_service_pb2 import (
    PublishBatchRequest,
    PublishBatchResponse,
    PublishRequest,
    PublishResponse,
    PublishResult,
)
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceServicer, add_EventServiceServicer_to_server

COUNT = "/bench.Peer/Count"
"""Asks how many events were answered so far."""

Context = grpc.aio.ServicerContext[Any, Any]


class BareService(EventServiceServicer):
    """Keeps nothing and decides nothing."""

    def __init__(self) -> None:
        self.events = 0

    async def Publish(self, request: PublishRequest, context: Context) -> PublishResponse:  # noqa: N802 (gRPC's name)
        """Answer the id of an event."""
        self.events += 1
        return PublishResponse(event_id=request.event.event_id)

    async def PublishBatch(self, request: PublishBatchRequest, context: Context) -> PublishBatchResponse:  # noqa: N802 (gRPC's name)
        """Answer the id of each event."""
        self.events += len(request.events)
        results = [PublishResult(published=PublishResponse(event_id=each.event_id)) for each in request.events]
        return PublishBatchResponse(results=results)


async def main() -> None:
    """Serve until ended; say the port."""
    service = BareService()  # type: ignore[abstract]  # the other methods are not called

    async def count(_: bytes, __: Context) -> bytes:
        return str(service.events).encode()

    server = grpc.aio.server()
    add_EventServiceServicer_to_server(service, server)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(count)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Peer", {"Count": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"port {port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
