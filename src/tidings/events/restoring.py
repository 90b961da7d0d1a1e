"""Events back to their publisher's JSON: names and values as they were sent."""

from typing import Any, Final

from tidings.events.catalog import catalog
from tidings.events.envelopes import timestamp_of
from tidings.events.v1.event_pb2 import Event
from tidings.events.view import sent_view

_ORGANISATION: Final = "orgId"


def to_vendor_json(event: Event) -> dict[str, Any]:
    """Return the event as its publisher would send it: flat, or the card-linked network's own form.

    Converting the result gives the same event again (for the card-linked form, with the organisation given:
    that network's JSON does not name one).
    """
    flat = sent_view(event)
    if _is_card_linked(event):
        return _card_linked(flat)
    return flat


def _is_card_linked(event: Event) -> bool:
    known = catalog().by_field(event.WhichOneof("data") or "")
    sent_flat = any(each.path == "/eventName" for each in event.unmodelled)
    return known is not None and known.is_card_linked and not sent_flat


def _card_linked(flat: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if "eventId" in flat:
        own["event_id"] = flat.pop("eventId")
    moment = flat.pop("createdAt", None)
    if "timestamp" in flat:
        own["timestamp"] = flat.pop("timestamp")
    elif moment is not None:
        own["timestamp"] = timestamp_of(moment) or moment
    own["type"] = flat.pop("eventName")
    data = flat.pop("data")
    flat.pop(_ORGANISATION, None)
    if isinstance(data, dict):
        own.update((key, value) for key, value in data.items() if key not in own)
    own.update((key, value) for key, value in flat.items() if key not in own)
    return own
