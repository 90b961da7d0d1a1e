"""Vendors' JSON to events: any envelope, tolerant, never lossy.

What a message cannot hold is kept as an unmodelled field at its own path; what had to be guessed is a
warning with its path; what cannot be read is a `ConversionError` with its path. One bad member of a batch
costs the others nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tidings.errors import FieldViolation, InvalidEvent
from tidings.events.catalog import CatalogEvent, catalog
from tidings.events.envelopes import Envelope, open_envelope
from tidings.events.messages import LARGEST, Findings, Rounded, read_message, read_struct
from tidings.events.plans import plan_of
from tidings.events.reading import Unreadable, check_value, read_exactly, read_quickly, write_json
from tidings.events.v1.event_pb2 import Event
from tidings.events.validation import MAX_EVENT_ID, is_event_id
from tidings.events.view import ENVELOPE

MAX_EVENTS: Final = 10_000
"""How many events one payload may hold unless the caller says otherwise."""

_INTEGER: Final = re.compile(r"-?[0-9]+")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class ConversionError(InvalidEvent):
    """The payload, or one event of it, cannot be read; ``violations`` hold JSON Pointers into the payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionWarning:
    """A leniency: the payload was not quite what its publisher documents, and was understood all the same."""

    path: str
    """JSON Pointer within the event, in its publisher's own form."""
    code: str
    """Kind of leniency: key, name, integer-as-float, number-as-text, empty-list, unmodelled, unfit, text, ..."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedEvent:
    """An event that was read."""

    event: Event
    warnings: tuple[ConversionWarning, ...] = ()
    path: str = ""
    """Where it stands in the payload, as a JSON Pointer: ``/events/3``; empty for a payload of one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEvent:
    """An event of a payload that could not be read."""

    error: ConversionError
    path: str = ""
    """Where it stands in the payload, as a JSON Pointer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What became of a payload."""

    members: tuple[ConvertedEvent | RejectedEvent, ...]
    """Every event of the payload in its order."""
    is_batch: bool = False
    """Whether the payload was a list or a batch, be it of one."""
    remainder: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """What stood beside the list of events in a batch."""

    @property
    def events(self) -> tuple[ConvertedEvent, ...]:
        """The events that were read."""
        return tuple(each for each in self.members if isinstance(each, ConvertedEvent))

    @property
    def rejected(self) -> tuple[RejectedEvent, ...]:
        """The events that were not."""
        return tuple(each for each in self.members if isinstance(each, RejectedEvent))


def convert(payload: Any, *, org_id: int | None = None, max_events: int = MAX_EVENTS) -> Conversion:
    """Read every event of a vendor's payload.

    Args:
        payload: JSON as bytes or text, or a value already parsed from it.
        org_id: the organisation of events that do not name one, as the card-linked network's never do.
        max_events: the longest batch taken.

    Raises:
        ConversionError: the payload as a whole is no JSON, no object and no list, or too long a batch.
    """
    if isinstance(payload, str):
        payload = payload.encode("utf-8", "surrogatepass")
    try:
        if isinstance(payload, bytes | bytearray | memoryview):
            return _convert_text(bytes(payload), org_id, max_events)
        return _convert_value(payload, org_id, max_events)
    except Unreadable as error:
        raise _refusal(error.path, str(error)) from None


def convert_one(payload: Any, *, org_id: int | None = None) -> ConvertedEvent:
    """Read a payload of exactly one event; raise `ConversionError` when it holds none, several or a bad one."""
    members = convert(payload, org_id=org_id).members
    if len(members) != 1:
        raise _refusal("", f"one event is wanted, the payload holds {len(members)}")
    member = members[0]
    if isinstance(member, RejectedEvent):
        raise member.error
    return member


def _convert_text(text: bytes, org_id: int | None, max_events: int) -> Conversion:
    value = read_quickly(text)
    if value is not None:
        try:
            return _split(value, _Reader(org_id=org_id, exact=False), max_events)
        except Rounded:
            pass
    mended: list[tuple[str, str]] = []
    value = read_exactly(text, lambda path, done: mended.append((path, done)))
    return _split(value, _Reader(org_id=org_id, exact=True, mended=mended), max_events)


def _convert_value(value: Any, org_id: int | None, max_events: int) -> Conversion:
    mended: list[tuple[str, str]] = []
    checked = check_value(value, lambda path, done: mended.append((path, done)))
    return _split(checked, _Reader(org_id=org_id, exact=True, mended=mended), max_events)


def _split(value: Any, reader: "_Reader", max_events: int) -> Conversion:
    """Find the events of a payload and read each."""
    if type(value) is list:
        return Conversion(members=_read_all(value, "", reader, max_events), is_batch=True)
    if type(value) is not dict:
        raise Unreadable("a payload must be a JSON object or a list of them")
    batch = value.get("events")
    if type(batch) is list and "eventName" not in value:
        beside = {name: each for name, each in value.items() if name != "events"}
        members = _read_all(batch, "/events", reader, max_events)
        return Conversion(members=members, is_batch=True, remainder=MappingProxyType(beside))
    return Conversion(members=(reader.read(value, ""),))


def _read_all(
    values: Sequence[Any], prefix: str, reader: "_Reader", max_events: int
) -> tuple[ConvertedEvent | RejectedEvent, ...]:
    if len(values) > max_events:
        raise Unreadable(f"{len(values)} events; at most {max_events} are taken at once", prefix)
    return tuple(reader.read(each, f"{prefix}/{place}") for place, each in enumerate(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads one event after the other of the same payload."""

    org_id: int | None
    exact: bool
    mended: Sequence[tuple[str, str]] = ()

    def read(self, document: Any, path: str) -> ConvertedEvent | RejectedEvent:
        findings = Findings(exact=self.exact)
        place = path
        try:
            envelope = open_envelope(document)
            place = path + envelope.prefix
            event = _read_event(envelope, self.org_id, findings)
        except Unreadable as error:
            return RejectedEvent(error=_refusal(place + error.path, str(error)), path=path)
        return ConvertedEvent(event=event, warnings=self._warnings(envelope, findings, path), path=path)

    def _warnings(self, envelope: Envelope, findings: Findings, path: str) -> tuple[ConversionWarning, ...]:
        if not (envelope.warnings or findings.warnings or self.mended):
            return ()
        found = [
            ConversionWarning(path=_own_path(where, envelope), code=code, text=text)
            for where, code, text in (*envelope.warnings, *findings.warnings)
        ]
        below = f"{path}/"
        for where, done in self.mended:
            if where.startswith(below):
                found.append(ConversionWarning(path=where.removeprefix(path), code="text", text=done))
        return tuple(found)


def _own_path(path: str, envelope: Envelope) -> str:
    return path.removeprefix("/data") if envelope.card_linked else path


def _read_event(envelope: Envelope, org_id: int | None, findings: Findings) -> Event:
    flat = envelope.flat
    name = flat["eventName"]
    if type(name) is not str or not name.strip():
        raise Unreadable("eventName must be the event's name as text", "/eventName")
    known = catalog().find(name)
    rest = {key: value for key, value in flat.items() if key not in ("eventName", "data")}
    arguments = read_message(ENVELOPE, rest, "", findings)
    _settle_organisation(arguments, findings, org_id)
    _settle_id(arguments, findings)
    if known is None:
        findings.warn("/eventName", "unknown-event", f"no event of the catalog is called {name!r}; kept as generic")
        arguments["generic"] = _generic(name, flat, findings)
    else:
        arguments[known.field.name] = _typed(known, flat, findings)
        _keep_spelling(known, name, envelope, findings)
    return _build(arguments, findings)


def _build(arguments: dict[str, Any], findings: Findings) -> Event:
    if findings.unmodelled:
        findings.unmodelled.sort(key=lambda each: each["path"])
        arguments["unmodelled"] = findings.unmodelled
    if findings.nulls:
        arguments["sent_null"] = sorted(findings.nulls)
    if findings.empty:
        arguments["sent_empty"] = sorted(findings.empty)
    return Event(**arguments)


def _typed(known: CatalogEvent, flat: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    data = _data(flat, findings)
    return read_message(plan_of(known.message), data, "/data", findings) if data else {}


def _generic(name: str, flat: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    data = _data(flat, findings)
    return {"name": name} if data is None else {"name": name, "data": read_struct(data, "/data", findings)}


def _data(flat: Mapping[str, Any], findings: Findings) -> dict[str, Any] | None:
    """Return the data, or None where there is none that a message could hold."""
    data = flat.get("data")
    if type(data) is dict:
        return data
    if "data" not in flat:
        findings.warn("/data", "no-data", "the event carries no data")
    elif data == []:
        findings.warn("/data", "empty-list", "an empty list stands for an empty object")
        return {}
    else:
        findings.keep("/data", data, "data must be an object; kept as sent", "unfit")
    return None


def _settle_organisation(arguments: dict[str, Any], findings: Findings, org_id: int | None) -> None:
    if "org_id" not in arguments:
        if any(each["path"] == "/orgId" for each in findings.unmodelled):
            raise Unreadable("orgId must be the organisation's number", "/orgId")
        if org_id is None:
            raise Unreadable("orgId is missing and no organisation was given with the payload", "/orgId")
        arguments["org_id"] = org_id
    if not 0 <= arguments["org_id"] <= LARGEST:
        raise Unreadable("orgId must not be negative", "/orgId")


def _settle_id(arguments: dict[str, Any], findings: Findings) -> None:
    """Make what was sent as the id usable: a number is taken as text, an empty text is no id."""
    given = arguments.get("event_id")
    if given is None:
        # Found where it was kept: under whatever spelling it came, so that the way back gives the same event.
        kept = next((each["json"] for each in findings.unmodelled if each["path"] == "/eventId"), "")
        if len(kept) <= MAX_EVENT_ID and _INTEGER.fullmatch(kept):
            arguments["event_id"] = kept
    elif not given:
        del arguments["event_id"]
        findings.unmodelled.append({"path": "/eventId", "json": '""'})
    elif not is_event_id(given):
        raise Unreadable(f"eventId must be 1 to {MAX_EVENT_ID} printable characters", "/eventId")


def _keep_spelling(known: CatalogEvent, name: str, envelope: Envelope, findings: Findings) -> None:
    """Keep the name as sent where it differs, and mark card-linked events that came in the flat form."""
    if name != known.name:
        findings.warn("/eventName", "name", f"{name!r} stands for {known.name}")
    elif envelope.card_linked or not known.is_card_linked:
        return
    findings.unmodelled.append({"path": "/eventName", "json": write_json(name)})


def _refusal(path: str, text: str) -> ConversionError:
    return ConversionError([FieldViolation(field=path, description=text)])
