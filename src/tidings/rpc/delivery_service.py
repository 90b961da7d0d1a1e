"""DeliveryService: what became of the messages, and hands on them."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from tidings.dispatch import EndpointsByHand
from tidings.errors import FieldViolation, InvalidRequest, NotFound, WrongState
from tidings.gateway.v1 import delivery_service_pb2 as pb
from tidings.model import ENDED, Cause, Channel, Recipient, State
from tidings.rpc.convert import CHANNELS, STATES, attempt_to_proto, delivery_to_proto, timestamp
from tidings.rpc.endpoint_service import EndpointService
from tidings.rpc.paging import page_size_of
from tidings.store import DeliveryFilter, Intervention, Store

Context = grpc.aio.ServicerContext[Any, Any]

MAX_NAMED: Final = 1_000
MAX_SELECTED: Final = 1_000
_RETRYABLE: Final = ENDED - {State.DELIVERED}
_LONGEST_REASON: Final = 500


class DeliveryService(EndpointService):
    """Shows deliveries, sends them once more, calls them off; looks after endpoints."""

    def __init__(
        self, store: Store, *, endpoints: EndpointsByHand, clock: Callable[[], int], dispatches: bool = True
    ) -> None:
        """Take the ports; ``dispatches`` says whether it is this process that sends."""
        super().__init__(endpoints)
        self._store = store
        self._clock = clock
        self._dispatches = dispatches

    async def GetDelivery(  # noqa: N802 (gRPC's name)
        self,
        request: pb.GetDeliveryRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.GetDeliveryResponse:
        """Return one delivery with its attempts."""
        found = await self._store.get_delivery(request.delivery_id)
        if found is None:
            raise NotFound("delivery", request.delivery_id)
        delivery, attempts = found
        shown = delivery_to_proto(delivery)
        shown.attempt_count = len(attempts)  # of all rounds, as they are listed
        return pb.GetDeliveryResponse(delivery=shown, attempts=[attempt_to_proto(each) for each in attempts])

    async def ListDeliveries(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ListDeliveriesRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ListDeliveriesResponse:
        """List deliveries, newest first."""
        page = await self._store.list_deliveries(
            _filter(request, prefix=""), page_size=page_size_of(request.page_size), page_token=request.page_token
        )
        return pb.ListDeliveriesResponse(
            deliveries=[delivery_to_proto(each) for each in page.deliveries], next_page_token=page.next_token
        )

    async def RetryDeliveries(  # noqa: N802 (gRPC's name)
        self,
        request: pb.RetryDeliveriesRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.RetryDeliveriesResponse:
        """Send deliveries once more."""
        again = Intervention(cause=Cause.REQUEUED, reason="retried by hand", now=self._clock())
        if request.delivery_ids and request.HasField("selection"):
            raise _invalid("selection", "name deliveries or select them, not both")
        if request.delivery_ids:
            return await self._retry_named(request.delivery_ids, again)
        wanted = _selection(request.selection)
        limit = min(request.limit or MAX_SELECTED, MAX_SELECTED)
        if limit < 0:
            raise _invalid("limit", f"must not be negative, got {request.limit}")
        retried = await self._store.intervene_all(wanted, again, limit=limit)
        return pb.RetryDeliveriesResponse(retried=retried, more=retried == limit)

    async def CancelDelivery(  # noqa: N802 (gRPC's name)
        self,
        request: pb.CancelDeliveryRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.CancelDeliveryResponse:
        """Call a delivery off."""
        reason = request.reason[:_LONGEST_REASON] or "cancelled by hand"
        off = Intervention(cause=Cause.CANCELLED, reason=reason, now=self._clock())
        (state,) = await self._store.intervene([request.delivery_id], off)
        found = await self._store.get_delivery(request.delivery_id)
        if state is None or found is None:
            raise NotFound("delivery", request.delivery_id)
        if state is not State.CANCELLED:
            raise WrongState(
                f"delivery {request.delivery_id} is {state.value}; only one that waits or is held can be called off"
            )
        return pb.CancelDeliveryResponse(delivery=delivery_to_proto(found[0]))

    async def WatchDeliveries(  # noqa: N802 (gRPC's name)
        self,
        request: pb.WatchDeliveriesRequest,
        context: Context,
    ) -> AsyncIterator[pb.WatchDeliveriesResponse]:
        """Follow deliveries as they move."""
        states = _states(request.states, field="states")
        if not self._dispatches:
            raise WrongState("deliveries are sent by another process, whose moves cannot be watched from this one")
        async with self._store.changes() as changes:
            # Tells the caller that from now on nothing is missed.
            await context.send_initial_metadata(())
            async for change in changes:
                if (request.org_id and change.org_id != request.org_id) or (states and change.state not in states):
                    continue
                yield pb.WatchDeliveriesResponse(
                    delivery_id=change.delivery_id,
                    org_id=change.org_id,
                    state=STATES[change.state],
                    reason=change.reason,
                    moved_at=timestamp(change.at),
                )

    async def _retry_named(self, names: Iterable[str], again: Intervention) -> pb.RetryDeliveriesResponse:
        named = list(names)
        if len(named) > MAX_NAMED:
            raise _invalid("delivery_ids", f"at most {MAX_NAMED} fit one call, got {len(named)}")
        states = await self._store.intervene(named, again)
        results = [
            pb.RetryResult(delivery_id=name, state=STATES[state] if state else pb.DELIVERY_STATE_UNSPECIFIED)
            for name, state in zip(named, states, strict=True)
        ]
        return pb.RetryDeliveriesResponse(retried=sum(state is State.WAITING for state in states), results=results)


def _selection(selection: pb.DeliverySelection) -> DeliveryFilter:
    """Read which deliveries to retry; an empty selection must not mean everything there ever was."""
    wanted = _filter(selection, prefix="selection.")
    if not wanted.states or not wanted.states <= _RETRYABLE:
        names = ", ".join(sorted(state.value for state in _RETRYABLE))
        raise _invalid("selection.states", f"name at least one state to retry, out of {names}")
    return wanted


def _filter(request: pb.ListDeliveriesRequest | pb.DeliverySelection, *, prefix: str) -> DeliveryFilter:
    return DeliveryFilter(
        org_id=request.org_id or None,
        event_id=request.event_id or None,
        rule_id=request.rule_id or None,
        channel=_channel(request.channel, field=f"{prefix}channel"),
        recipient=_recipient(request.recipient, field=f"{prefix}recipient"),
        states=_states(request.states, field=f"{prefix}states"),
        created_from=_moment(request.created_from) if request.HasField("created_from") else None,
        created_before=_moment(request.created_before) if request.HasField("created_before") else None,
    )


def _states(numbers: Iterable[int], *, field: str) -> frozenset[State]:
    by_number: dict[int, State] = {number: state for state, number in STATES.items()}
    given = list(numbers)
    unknown = [number for number in given if number not in by_number]
    if unknown:
        raise _invalid(field, f"{unknown[0]} is not a state deliveries are in")
    return frozenset(by_number[number] for number in given)


def _channel(number: int, *, field: str) -> Channel | None:
    by_number: dict[int, Channel] = {given: channel for channel, given in CHANNELS.items()}
    if number and number not in by_number:
        raise _invalid(field, f"{number} is no channel")
    return by_number.get(number)


def _recipient(text: str, *, field: str) -> Recipient | None:
    try:
        return Recipient.parse(text) if text else None
    except ValueError:
        raise _invalid(field, "reads customer:ID, address:ADDRESS or endpoint:NAME") from None


def _moment(given: Timestamp) -> int:
    return given.ToMilliseconds()


def _invalid(field: str, description: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation(field=field, description=description)])
