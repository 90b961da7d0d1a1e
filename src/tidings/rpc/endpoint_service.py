"""The endpoints' part of DeliveryService: how each does, and putting one back into use."""

from typing import Any, Final
from urllib.parse import urlsplit

import grpc
from google.protobuf.duration_pb2 import Duration

from tidings.dispatch import EndpointsByHand, Standing
from tidings.errors import FieldViolation, InvalidRequest
from tidings.gateway.v1 import delivery_service_pb2 as pb
from tidings.gateway.v1 import delivery_service_pb2_grpc as pb_grpc
from tidings.model import Rate
from tidings.rpc.convert import timestamp
from tidings.rpc.paging import page_size_of

Context = grpc.aio.ServicerContext[Any, Any]

_MICROSECONDS: Final = 1_000_000


class EndpointService(pb_grpc.DeliveryServiceServicer):
    """ListEndpoints and EnableEndpoint; DeliveryService inherits them."""

    def __init__(self, endpoints: EndpointsByHand) -> None:
        self._endpoints = endpoints

    async def ListEndpoints(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ListEndpointsRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ListEndpointsResponse:
        """Say how endpoints do."""
        size = page_size_of(request.page_size)
        found = await self._endpoints.list(
            request.org_id or None, after=_read_token(request.page_token), limit=size + 1
        )
        last = found[size - 1].endpoint if len(found) > size else None
        return pb.ListEndpointsResponse(
            endpoints=[endpoint_to_proto(each) for each in found[:size]],
            next_page_token="" if last is None else f"{last.org_id}/{last.name}",
        )

    async def EnableEndpoint(  # noqa: N802 (gRPC's name)
        self,
        request: pb.EnableEndpointRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.EnableEndpointResponse:
        """Put an endpoint back into use."""
        enabled = await self._endpoints.enable(request.org_id, request.name)
        return pb.EnableEndpointResponse(endpoint=endpoint_to_proto(enabled.standing), hastened=enabled.hastened)


def endpoint_to_proto(standing: Standing) -> pb.Endpoint:
    """Convert how an endpoint does; of its url no more than the host, for the rest of it may be a secret."""
    endpoint, pause = standing.endpoint, None if standing.disabled_at is not None else standing.pause
    return pb.Endpoint(
        org_id=endpoint.org_id,
        name=endpoint.name,
        host=urlsplit(endpoint.url).netloc,
        rate=None if endpoint.rate is None else _rate_to_proto(endpoint.rate),
        concurrency=endpoint.concurrency,
        state=_state(standing),
        reason=standing.reason if pause is None else pause.reason,
        failing_since=None if standing.failing_since is None else timestamp(standing.failing_since),
        paused_until=None if pause is None else timestamp(pause.until),
        disabled_at=None if standing.disabled_at is None else timestamp(standing.disabled_at),
    )


def _read_token(token: str) -> tuple[int, str] | None:
    """Return the last endpoint of the page before."""
    org, slash, name = token.partition("/")
    if token and not (slash and org.isdecimal()):
        raise InvalidRequest([FieldViolation(field="page_token", description="is not one that a list gave")])
    return (int(org), name) if token else None


def _state(standing: Standing) -> pb.EndpointState.ValueType:
    if standing.disabled_at is not None:
        return pb.ENDPOINT_STATE_DISABLED
    if standing.pause is not None:
        return pb.ENDPOINT_STATE_PAUSED
    return pb.ENDPOINT_STATE_IN_USE if standing.failing_since is None else pb.ENDPOINT_STATE_FAILING


def _rate_to_proto(rate: Rate) -> pb.EndpointRate:
    period = Duration()
    period.FromMicroseconds(round(rate.seconds * _MICROSECONDS))
    return pb.EndpointRate(count=rate.count, period=period)
