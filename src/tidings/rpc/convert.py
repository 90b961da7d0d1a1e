"""Between the wire's messages and our values, both ways."""

from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tidings.errors import InvalidRequest, TidingsError
from tidings.gateway.v1 import delivery_service_pb2 as deliveries_pb
from tidings.gateway.v1 import event_service_pb2 as events_pb
from tidings.intake import Acknowledged, JsonResult, Published
from tidings.model import ENDED, Attempt, Channel, Delivery, State
from tidings.store import EventSummary, RejectedBody

STATES: Final[Mapping[State, deliveries_pb.DeliveryState.ValueType]] = {
    state: deliveries_pb.DeliveryState.Value(f"DELIVERY_STATE_{state.name}") for state in State
}
CHANNELS: Final[Mapping[Channel, deliveries_pb.Channel.ValueType]] = {
    channel: deliveries_pb.Channel.Value(f"CHANNEL_{channel.name}") for channel in Channel
}

_FIRST: Final = -62_135_596_800_000
_LAST: Final = 253_402_300_799_999
"""The years 1 and 9999, epoch milliseconds: the ends of google.protobuf.Timestamp."""


def timestamp(milliseconds: int) -> Timestamp:
    """Convert epoch milliseconds; a time that no calendar names becomes the first or last one it does."""
    converted = Timestamp()
    converted.FromMilliseconds(min(max(milliseconds, _FIRST), _LAST))
    return converted


def delivery_to_proto(delivery: Delivery) -> deliveries_pb.Delivery:
    """Convert a delivery."""
    return deliveries_pb.Delivery(
        id=delivery.id,
        org_id=delivery.org_id,
        event_id=delivery.event_id,
        event_name=delivery.event_name,
        rule_id=delivery.rule_id,
        revision=delivery.revision,
        channel=CHANNELS[delivery.channel],
        recipient=str(delivery.recipient),
        state=STATES[delivery.state],
        reason=delivery.reason,
        created_at=timestamp(delivery.created_at),
        due_at=None if delivery.state in ENDED else timestamp(delivery.due_at),
        expires_at=None if delivery.expires_at is None else timestamp(delivery.expires_at),
        attempt_count=delivery.attempts,
        held_until=timestamp(delivery.due_at) if delivery.state is State.HELD else None,
    )


def attempt_to_proto(attempt: Attempt) -> deliveries_pb.Attempt:
    """Convert an attempt."""
    return deliveries_pb.Attempt(
        number=attempt.number,
        started_at=timestamp(attempt.started_at),
        duration_ms=attempt.duration_ms,
        outcome=attempt.outcome.value,
        status_code=attempt.status_code,
        detail=attempt.detail,
    )


def published_to_proto(published: Published) -> events_pb.PublishResponse:
    """Convert the answer to an event."""
    if not published.matched_rules and not published.duplicate:  # most of them, at half the cost
        return events_pb.PublishResponse(event_id=published.event_id)
    return events_pb.PublishResponse(
        event_id=published.event_id,
        duplicate=published.duplicate,
        matched_rules=published.matched_rules,
        delivery_ids=published.delivery_ids,
    )


def results_to_proto(outcomes: Iterable[Published | TidingsError]) -> events_pb.PublishBatchResponse:
    """Convert what became of the events of a batch."""
    response = events_pb.PublishBatchResponse()
    add = response.results.add
    for outcome in outcomes:
        # What most events come to is filled in here: to ask for it would cost a fifth more.
        if outcome.__class__ is Published and not (outcome[1] or outcome[2]):
            add().published.event_id = outcome[0]
        else:
            _fill(add(), outcome)
    return response


def acknowledgements_to_proto(acknowledged: Iterable[Acknowledged]) -> events_pb.PublishStreamResponse:
    """Convert what became of some events of a stream."""
    response = events_pb.PublishStreamResponse()
    add = response.acknowledgements.add
    for sequence, outcome in acknowledged:
        _fill(add(sequence=sequence).result, outcome)
    return response


def _fill(result: events_pb.PublishResult, outcome: Published | TidingsError) -> None:
    """Convert in place: messages within messages made by themselves are copied, which takes four times as long."""
    if isinstance(outcome, TidingsError):
        result.fault.CopyFrom(_fault_to_proto(outcome))
        return
    event_id, duplicate, matched_rules, delivery_ids = outcome
    published = result.published
    published.event_id = event_id
    if matched_rules or duplicate:  # seldom
        published.duplicate = duplicate
        published.matched_rules.extend(matched_rules)
        published.delivery_ids.extend(delivery_ids)


def event_summary_to_proto(event: EventSummary) -> events_pb.EventSummary:
    """Convert a listed event."""
    return events_pb.EventSummary(
        org_id=event.org_id,
        event_id=event.event_id,
        event_name=event.name,
        received_at=timestamp(event.received_at),
        customer_id=event.customer_id or "",
        revision=event.revision,
        matched_rules=event.matched_rules,
    )


def rejected_to_proto(rejected: RejectedBody) -> events_pb.RejectedBody:
    """Convert a body that could not be used."""
    return events_pb.RejectedBody(
        id=rejected.id,
        received_at=timestamp(rejected.received_at),
        intake=rejected.intake,
        reason=rejected.reason,
        body=rejected.body,
    )


def json_result_to_proto(result: JsonResult) -> events_pb.PublishJsonResult:
    """Convert what became of one event of a body."""
    warnings = [events_pb.ConversionWarning(path=each.path, message=each.text) for each in result.warnings]
    if isinstance(result.outcome, TidingsError):
        return events_pb.PublishJsonResult(fault=_fault_to_proto(result.outcome), warnings=warnings)
    return events_pb.PublishJsonResult(published=published_to_proto(result.outcome), warnings=warnings)


def _fault_to_proto(error: TidingsError) -> events_pb.PublishFault:
    violations = error.violations if isinstance(error, InvalidRequest) else ()
    fields = [events_pb.FieldFault(field=each.field, description=each.description) for each in violations]
    return events_pb.PublishFault(reason=error.reason, message=str(error), fields=fields)
