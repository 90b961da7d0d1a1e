"""Conversion from a vendor's JSON, beside the standard library's parser alone and protobuf's own JSON mapping."""

import json
from collections.abc import Callable, Sequence

from google.protobuf import json_format
from measuring import Row, compared, in_turn, rate

from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event

_SECONDS = 0.5
_NAME = "pointsIssued"


def convert() -> Sequence[Row]:
    """Convert the published pointsIssued; assert that both ways give the same message."""
    payload = sample(_NAME)
    ours_text = json.dumps(payload).encode()
    # The same content as protobuf's mapping wants it: the oneof's member by its name instead of data.
    theirs_text = json.dumps({**{k: v for k, v in payload.items() if k not in _OURS}, _NAME: payload["data"]}).encode()
    ours, theirs = convert_one(ours_text).event, json_format.ParseDict(json.loads(theirs_text), Event())
    if ours.points_issued != theirs.points_issued or ours.org_id != theirs.org_id:
        raise AssertionError("the two sides read different events")
    against_mapping = in_turn(
        _measured(lambda: convert_one(ours_text)),
        _measured(lambda: json_format.ParseDict(json.loads(theirs_text), Event())),
    )
    against_parser = in_turn(_measured(lambda: convert_one(ours_text)), _measured(lambda: json.loads(ours_text)))
    return [
        compared("convert", *against_mapping, unit="events/s", goal=1.0, note="peer: json.loads and ParseDict"),
        compared("convert", *against_parser, unit="events/s", goal=None, note="peer: json.loads alone"),
    ]


_OURS = frozenset({"eventName", "data"})


def _measured(work: Callable[[], object]) -> Callable[[], float]:
    def hundred() -> int:
        for _ in range(100):
            work()
        return 100

    return lambda: rate(hundred, seconds=_SECONDS)
