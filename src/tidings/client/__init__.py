"""The Python client for services that publish events.

    async with TidingsClient("127.0.0.1:50051") as client:
        published = await client.publish(event_of(PointsIssued(...), org_id=50750, event_id="order-4711"))

Events that are published at the same time travel together. What could not be committed is sent again under the same
event id for as long as ``ClientSettings.patience`` allows, so the gateway may restart meanwhile; the gateway knows a
repeat by its id. Errors are those of ``tidings.errors``, as the gateway raised them, and those of this package.

Limits: events wait in memory until they are committed. A service that dies loses those; it should publish them again,
under the same ids, from where it has them.
"""

from tidings.client.building import event_of
from tidings.client.channel import open_channel
from tidings.client.client import TidingsClient
from tidings.client.errors import BufferFull, CallFailed, ClientClosed, GatewayUnreachable
from tidings.client.settings import ClientSettings

__all__ = [
    "BufferFull",
    "CallFailed",
    "ClientClosed",
    "ClientSettings",
    "GatewayUnreachable",
    "TidingsClient",
    "event_of",
    "open_channel",
]
