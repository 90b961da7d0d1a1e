"""The gRPC server: services, health and reflection on one listener."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tidings.access import Keyring
from tidings.errors import InvalidConfiguration
from tidings.gateway.v1 import (
    contact_service_pb2,
    contact_service_pb2_grpc,
    delivery_service_pb2,
    delivery_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    rule_service_pb2,
    rule_service_pb2_grpc,
)
from tidings.rpc.contact_service import ContactService
from tidings.rpc.delivery_service import DeliveryService
from tidings.rpc.guard import GuardedServer
from tidings.rpc.rule_service import RuleService
from tidings.rpc.services import EventService
from tidings.rpc.settings import GrpcSettings
from tidings.rpc.tls import server_credentials
from tidings.store import Store

SERVICES = tuple(
    service.full_name
    for module in (event_service_pb2, rule_service_pb2, contact_service_pb2, delivery_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)

_WITH_LINES: Final = "1.85."
"""The versions of gRPC with whose inner parts `tidings.rpc.lines` was written and is tested."""

_MOST_PENDING: Final = 20_000
"""How many calls of a method may wait to be taken up. From 1,000 on gRPC would cancel some of them at random, without a
word; the store refuses what is too much for it, and says so."""

_WINDOW: Final = 1 << 18
"""How much a caller may send ahead on a stream that is not read, bytes. Left to itself gRPC lets that grow with what a
connection carries, and a hostile caller has many streams."""

_KEEPALIVE_TIMEOUT_MS: Final = 20_000
_SHORTEST_PING_MS: Final = 10_000
_AGE_GRACE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """A listening server; it answers health checks with NOT_SERVING until told otherwise."""

    server: grpc.aio.Server
    health: health.aio.HealthServicer
    port: int

    async def set_serving(self, serving: bool) -> None:  # noqa: FBT001 (a state, not an option)
        """Tell health checks whether calls are welcome."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *SERVICES):
            await self.health.set(name, status)

    async def stop(self, *, grace: float) -> None:
        """Refuse new calls, give those under way ``grace`` seconds, and close."""
        await self.set_serving(False)
        await self.server.stop(grace)


def _options(settings: GrpcSettings) -> list[tuple[str, int]]:
    """Return gRPC's channel arguments; those that end in ms are milliseconds."""
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.so_reuseport", int(settings.reuse_port)),
        ("grpc.server.max_pending_requests", _MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _MOST_PENDING),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _WINDOW),
        ("grpc.max_concurrent_streams", settings.max_streams),
        ("grpc.max_connection_idle_ms", int(settings.idle * 1000)),
        ("grpc.keepalive_time_ms", int(settings.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _SHORTEST_PING_MS),
    ]
    if settings.max_connection_age:
        options.append(("grpc.max_connection_age_ms", int(settings.max_connection_age * 1000)))
        options.append(("grpc.max_connection_age_grace_ms", _AGE_GRACE_MS))
    return options


def make_server(options: Sequence[tuple[str, int]]) -> grpc.aio.Server:
    """Make a server that takes up calls the fast way if this gRPC is one that it was made for, else gRPC's own way."""
    if not grpc.__version__.startswith(_WITH_LINES):
        return grpc.aio.server(options=options)
    from tidings.rpc.lines import LinedServer  # noqa: PLC0415 (another version may not have what it takes)

    return cast("grpc.aio.Server", LinedServer(options))


def _bind(server: grpc.aio.Server, settings: GrpcSettings) -> int:
    if settings.tls is None:
        return server.add_insecure_port(settings.listen)
    return server.add_secure_port(settings.listen, server_credentials(settings.tls))


@asynccontextmanager
async def open_grpc_server(  # noqa: PLR0913 (the services, and what stands before them)
    settings: GrpcSettings,
    *,
    events: EventService,
    rules: RuleService,
    deliveries: DeliveryService,
    contacts: ContactService,
    store: Store,
    keyring: Keyring | None = None,
    traced: bool = False,
) -> AsyncIterator[GrpcServer]:
    """Bind and start the server; raise InvalidConfiguration when the address cannot be bound."""
    server = make_server(_options(settings))
    guarded = cast("grpc.aio.Server", GuardedServer(server, store=store, keyring=keyring, traced=traced))
    event_service_pb2_grpc.add_EventServiceServicer_to_server(events, guarded)
    rule_service_pb2_grpc.add_RuleServiceServicer_to_server(rules, guarded)
    contact_service_pb2_grpc.add_ContactServiceServicer_to_server(contacts, guarded)
    delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server(deliveries, guarded)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection((*SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME), server)
    try:
        port = _bind(server, settings)
    except RuntimeError as error:
        message = f"grpc.listen: cannot bind {settings.listen}; is another gateway running there?"
        raise InvalidConfiguration(message) from error
    listening = GrpcServer(server, health_servicer, port)
    await listening.set_serving(False)
    await server.start()
    try:
        yield listening
    finally:
        await listening.stop(grace=0)
