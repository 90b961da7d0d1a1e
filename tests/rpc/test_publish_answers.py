"""What callers are told of the events they published, alone, in batches and in streams alike."""

from tidings.errors import EventIdReused, FieldViolation, InvalidEvent
from tidings.gateway.v1 import event_service_pb2 as pb
from tidings.intake import Published
from tidings.rpc.convert import acknowledgements_to_proto, published_to_proto, results_to_proto

QUIET = Published(event_id="e-1", duplicate=False, matched_rules=(), delivery_ids=())
MATCHED = Published(
    event_id="e-2", duplicate=False, matched_rules=("r-1", "r-2"), delivery_ids=("dlv_1", "dlv_2", "dlv_3")
)
REPEATED = Published(event_id="e-3", duplicate=True, matched_rules=(), delivery_ids=())
REPEATED_MATCHED = Published(event_id="e-4", duplicate=True, matched_rules=("r-1",), delivery_ids=("dlv_4",))
INVALID = InvalidEvent([FieldViolation(field="event.data", description="set it")])
REUSED = EventIdReused(org_id=1, event_id="e-5")
OUTCOMES: tuple[Published | InvalidEvent | EventIdReused, ...] = (
    QUIET,
    MATCHED,
    INVALID,
    REPEATED,
    REUSED,
    REPEATED_MATCHED,
)

RESULTS = [
    pb.PublishResult(published=pb.PublishResponse(event_id="e-1")),
    pb.PublishResult(
        published=pb.PublishResponse(
            event_id="e-2", matched_rules=["r-1", "r-2"], delivery_ids=["dlv_1", "dlv_2", "dlv_3"]
        )
    ),
    pb.PublishResult(
        fault=pb.PublishFault(
            reason=INVALID.reason,
            message=str(INVALID),
            fields=[pb.FieldFault(field="event.data", description="set it")],
        )
    ),
    pb.PublishResult(published=pb.PublishResponse(event_id="e-3", duplicate=True)),
    pb.PublishResult(fault=pb.PublishFault(reason=REUSED.reason, message=str(REUSED))),
    pb.PublishResult(
        published=pb.PublishResponse(event_id="e-4", duplicate=True, matched_rules=["r-1"], delivery_ids=["dlv_4"])
    ),
]


def test_a_batch_is_answered_event_by_event() -> None:
    assert results_to_proto(OUTCOMES) == pb.PublishBatchResponse(results=RESULTS)


def test_a_stream_is_acknowledged_by_the_callers_numbers() -> None:
    assert acknowledgements_to_proto(list(enumerate(OUTCOMES))) == pb.PublishStreamResponse(
        acknowledgements=[
            pb.PublishAcknowledgement(sequence=number, result=result) for number, result in enumerate(RESULTS)
        ]
    )


def test_one_event_is_answered_as_in_a_batch() -> None:
    published = (QUIET, MATCHED, REPEATED, REPEATED_MATCHED)
    told = [each.published for each in RESULTS if each.HasField("published")]
    assert [published_to_proto(each) for each in published] == told
