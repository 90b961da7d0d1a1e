"""The envelopes that vendors put round an event, and the flat form each is brought to.

Flat is ``eventName, eventId, orgId, ..., data``. Whatever an outer envelope holds beside the event becomes a
field of the flat form, so that nothing is lost and the flat form alone gives all of it back.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tidings.events.catalog import catalog
from tidings.events.plans import loose
from tidings.events.reading import Unreadable, write_json

_WRAPPERS: Final = ("event", "body", "data")
_MAX_WRAPPERS: Final = 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SWALLOWED_KEYS: Final = frozenset(
    {"eventName", "eventId", "orgId", "refId", "apiRequestId", "createdAt", "eventLogId", "loyaltyEventId"}
)
_CARD_LINKED_KEYS: Final = frozenset({"type", "event_id", "timestamp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event in the flat form."""

    flat: dict[str, Any]
    prefix: str = ""
    """Where in the document the flat form was found, as a JSON Pointer."""
    card_linked: bool = False
    """Whether it is an event of the card-linked network in its own form, the fields of ``data`` beside ``type``."""
    warnings: tuple[tuple[str, str, str], ...] = field(default=())
    """Path in the flat form, code and text of each leniency."""


def open_envelope(document: Any) -> Envelope:
    """Return the one event of a document in the flat form; raise `Unreadable` where there is none."""
    return _open(document, way=())


def _open(document: Any, *, way: tuple[str, ...]) -> Envelope:
    prefix = "".join(f"/{key}" for key in way)
    if type(document) is not dict:
        raise Unreadable("an event must be a JSON object", prefix)
    if "eventName" in document:
        return Envelope(flat=document, prefix=prefix)
    attributes = document.get("attributes")
    if type(attributes) is dict and ("eventName" in attributes or "eventType" in document):
        return _open_attributes(document, attributes, prefix)
    for key in _WRAPPERS if len(way) < _MAX_WRAPPERS else ():
        inner = document.get(key)
        if type(inner) is dict and (opened := _unwrap(document, key, way=way)):
            return opened
    if type(document.get("type")) is str and ("event_id" in document or "timestamp" in document):
        return _open_card_linked(document, prefix)
    return _open_loosely(document, prefix)


def _open_attributes(document: dict[str, Any], attributes: dict[str, Any], prefix: str) -> Envelope:
    """Join the older envelope's two levels; the outer value stands where both have one."""
    flat = dict(attributes)
    inner: dict[str, Any] = {}
    for key, value in document.items():
        if key == "attributes" or (value is None and key in flat):
            continue
        if flat.get(key) is not None and write_json(flat[key]) != write_json(value):
            inner[key] = flat[key]
        flat[key] = value
    if inner:
        flat["attributes"] = inner
    warnings: list[tuple[str, str, str]] = []
    if "eventName" not in flat:
        flat["eventName"] = flat["eventType"]
        warnings.append(("/eventName", "name", "absent; the event is named by eventType"))
    return Envelope(flat=flat, prefix=f"{prefix}/attributes", warnings=tuple(warnings))


def _unwrap(document: dict[str, Any], key: str, *, way: tuple[str, ...]) -> Envelope | None:
    inner = document[key]
    if key == "data" and "eventName" in inner and "data" not in inner:
        return _open_swallowed(document, inner, way) if _has_swallowed(document, inner) else None
    try:
        opened = _open(inner, way=(*way, key))
    except Unreadable:
        return None
    beside = {name: value for name, value in document.items() if name != key}
    if not beside:
        return opened
    flat = dict(opened.flat)
    _set_beside(flat, {way[-1]: beside} if way else beside)
    return Envelope(flat=flat, prefix=opened.prefix, card_linked=opened.card_linked, warnings=opened.warnings)


def _set_beside(flat: dict[str, Any], beside: dict[str, Any]) -> None:
    """Add what stood beside the event; names that the flat form has already go under ``outer``."""
    taken: dict[str, Any] = {}
    for name, value in beside.items():
        if name in flat:
            taken[name] = value
        else:
            flat[name] = value
    if taken:
        outer = flat.get("outer")
        flat["outer"] = {**taken, "outer": outer} if outer is not None else taken


def _has_swallowed(document: dict[str, Any], inner: dict[str, Any]) -> bool:
    """Say whether data holds its own envelope; some events have an ``eventName`` of another meaning there."""
    name = inner["eventName"]
    named = type(name) is str and catalog().find(name) is not None
    return named and not any(key in document for key in inner if key in _SWALLOWED_KEYS)


def _open_swallowed(document: dict[str, Any], inner: dict[str, Any], way: tuple[str, ...]) -> Envelope:
    """Separate envelope fields that stood inside ``data`` from the data."""
    flat = {name: value for name, value in inner.items() if name in _SWALLOWED_KEYS}
    _set_beside(flat, {name: value for name, value in document.items() if name != "data"})
    flat["data"] = {name: value for name, value in inner.items() if name not in _SWALLOWED_KEYS}
    warning = ("", "envelope", "the envelope's fields stand inside data")
    return Envelope(flat=flat, prefix="".join(f"/{key}" for key in way), warnings=(warning,))


def _open_card_linked(document: dict[str, Any], prefix: str) -> Envelope:
    known_event = catalog().find(document["type"])
    known = known_event is not None and known_event.is_card_linked and known_event.name == document["type"]
    flat: dict[str, Any] = {"eventName": document["type"]}
    if "event_id" in document:
        flat["eventId"] = document["event_id"]
    if "timestamp" in document:
        stamp = document["timestamp"]
        moment = _epoch_milliseconds(stamp)
        if moment is not None:
            flat["createdAt"] = moment
        if moment is None or not known or timestamp_of(moment) != stamp:
            flat["timestamp"] = stamp
    flat["data"] = {name: value for name, value in document.items() if name not in _CARD_LINKED_KEYS}
    return Envelope(flat=flat, prefix=prefix, card_linked=known)


def _open_loosely(document: dict[str, Any], prefix: str) -> Envelope:
    """Take ``eventName`` written with other case or blanks, or ``eventType`` in its place."""
    names = {loose(key): key for key in document}
    for wanted in ("eventname", "eventtype"):
        key = names.get(wanted)
        if key is not None:
            flat = dict(document)
            flat["eventName"] = flat.pop(key) if wanted == "eventname" else flat[key]
            warning = ("/eventName", "key", f"the event is named by the key {key!r}")
            return Envelope(flat=flat, prefix=prefix, warnings=(warning,))
    raise Unreadable("eventName is missing: this is none of the envelopes an event can come in", prefix)


def timestamp_of(milliseconds: int) -> str | None:
    """Return epoch milliseconds as the card-linked network writes them, or None beyond the calendar."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    fraction = f".{milliseconds % 1000:03}" if milliseconds % 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _epoch_milliseconds(stamp: Any) -> int | None:
    if type(stamp) is not str:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
