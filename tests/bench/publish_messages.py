"""What the publishing rows publish: requests as bytes, in which only the events' ids are left to fill in."""

from itertools import cycle

from rulebooks import EVENTS, ORG

from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest, PublishRequest

BATCH = 100
"""Events a batch; the first of them matches two rules, the others none."""
BLANK = b"@@@@@@@@@@@@@@@@"
"""Stands in each request for what tells its events from those of all others; as long as what is put there."""

_MATCHING = "pointsExpiryReminder"


def events() -> list[Event]:
    """Return a batch's worth of events of twenty kinds, as vendors send them; the first alone calls for anything."""
    kinds = cycle(each for each in EVENTS if each != _MATCHING)
    others = [_event(next(kinds) if number % len(EVENTS) else _MATCHING) for number in range(1, BATCH)]
    for event in others:
        if event.WhichOneof("data") == "points_expiry_reminder":
            event.points_expiry_reminder.points_scheduled_for_expiry = 1
            event.points_expiry_reminder.loyalty_program_id = 1
    found = [_event(_MATCHING), *others]
    for number, event in enumerate(found):
        event.event_id = f"{BLANK.decode()}-{number:02}"
    return found


def unary_bodies() -> list[bytes]:
    """Return a request for each event of a batch."""
    return [PublishRequest(event=event).SerializeToString() for event in events()]


def batch_bodies() -> list[bytes]:
    """Return the one request that holds a batch."""
    return [PublishBatchRequest(events=events()).SerializeToString()]


def _event(name: str) -> Event:
    event = convert_one(sample(name)).event
    event.org_id = ORG
    return event
