"""Contacts as files have them: CSV and JSON lines, read row by row and written so that they can be read again.

What a file says is what is to be changed. A CSV column that is there replaces, so an empty cell makes the value
unknown, save a consent's, which it leaves; in JSON lines a key that is missing leaves what was known.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.model import Contact, contact_faults

REQUIRED: Final = ("org", "customer_id", "email")
OPTIONAL: Final = ("name", "locale", "time_zone")
_TEXTS: Final = ("email", *OPTIONAL)
_CONSENT: Final = "consent."
_ATTRIBUTE: Final = "attribute."
_WORDS: Final[Mapping[str, bool]] = {
    word: agreed for agreed, words in ((True, "yes true 1"), (False, "no false 0")) for word in words.split()
}
_KEYS: Final = frozenset({"org", "customer_id", *_TEXTS, "consents", "attributes"})


class HeaderFault(Exception):
    """The file's first line says that none of its rows can be read."""


class _Unusable(Exception):
    """A row holds no contact; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins, from 1, and the contact it holds, or what is wrong with it."""

    line: int
    content: pb.Contact | str


def read_csv(lines: Iterator[str]) -> Iterator[Row]:
    """Read a CSV file with a header; raise HeaderFault for one that lacks a column or has one nobody knows."""
    reader = csv.reader(lines)
    columns = next(reader, [])
    _check_header(columns)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, f"cannot be read: {error}")
            continue
        if values:
            yield Row(line, _checked(_from_cells, columns, values))


def read_json_lines(lines: Iterator[str]) -> Iterator[Row]:
    """Read a file of one JSON object a line."""
    for line, text in enumerate(lines, 1):
        if text.strip():
            yield Row(line, _checked(_from_json, text))


def columns_of(contacts: Iterable[pb.Contact]) -> list[str]:
    """Return the columns that it takes to write these contacts as CSV."""
    consents: set[str] = set()
    attributes: set[str] = set()
    for contact in contacts:
        consents.update(contact.consents)
        attributes.update(contact.attributes)
    further = [*(_CONSENT + name for name in sorted(consents)), *(_ATTRIBUTE + name for name in sorted(attributes))]
    return [*REQUIRED, *OPTIONAL, *further]


def cells_of(contact: pb.Contact, columns: Sequence[str]) -> list[str]:
    """Return a contact's row under these columns."""
    return [_cell(contact, column) for column in columns]


def json_of(contact: pb.Contact) -> dict[str, Any]:
    """Return a contact as a line of JSON has it: without what is not known."""
    fields: dict[str, Any] = {"org": contact.org_id, "customer_id": contact.customer_id}
    fields |= {name: getattr(contact, name) for name in _TEXTS}
    fields |= {"consents": dict(contact.consents), "attributes": dict(contact.attributes)}
    return {name: value for name, value in fields.items() if value not in ("", {})}


def marks_of(contact: pb.Contact) -> dict[str, Any]:
    """Return where a contact's consents came from, in words, for those of whom it is known."""
    marks = {category: _origin(mark) for category, mark in sorted(contact.consent_marks.items())}
    return {"consents_from": marks} if marks else {}


def _origin(mark: pb.ConsentMark) -> str:
    source = pb.ConsentSource.Name(mark.source).removeprefix("CONSENT_SOURCE_").lower().replace("_", " ")
    return f"{source}, {mark.at.ToDatetime():%Y-%m-%d %H:%M} UTC"


def _check_header(columns: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL) and not _is_further(name)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    parts = [f"lacks the column {name}" for name in missing]
    parts += [f"has a column {name!r} that contacts do not have" for name in unknown]
    parts += [f"has the column {name} twice" for name in twice]
    if parts:
        raise HeaderFault(
            f"line 1: the header {' and '.join(parts)}; it reads "
            "org,customer_id,email[,name,locale,time_zone,consent.CATEGORY,attribute.NAME]"
        )


def _is_further(column: str) -> bool:
    return column.startswith((_CONSENT, _ATTRIBUTE)) and not column.endswith((_CONSENT, _ATTRIBUTE))


def _checked(build: Callable[..., Contact], *given: Any) -> pb.Contact | str:
    try:
        contact = build(*given)
    except _Unusable as error:
        return str(error)
    return "; ".join(f"{field}: {text}" for field, text in contact_faults(contact)) or _message(contact)


def _message(contact: Contact) -> pb.Contact:
    return pb.Contact(
        org_id=contact.org_id,
        customer_id=contact.customer_id,
        email=contact.email,
        name=contact.name,
        locale=contact.locale,
        time_zone=contact.time_zone,
        consents=contact.consents,
        attributes=contact.attributes,
    )


def _from_cells(columns: Sequence[str], values: Sequence[str]) -> Contact:
    if len(values) != len(columns):
        raise _Unusable("has not as many values as the header has columns")
    texts: dict[str, str] = {}
    consents: dict[str, bool] = {}
    attributes: dict[str, str] = {}
    for column, value in zip(columns, values, strict=True):
        if not value.isascii():
            _check_text(column, value)
        if column.startswith(_CONSENT):
            if value.strip():
                consents[column.removeprefix(_CONSENT)] = _agreed(column, value)
        elif column.startswith(_ATTRIBUTE):
            attributes[column.removeprefix(_ATTRIBUTE)] = value
        else:
            texts[column] = value
    org = texts.pop("org").strip()
    if not (org.isascii() and org.isdigit()):
        raise _Unusable(f"org: {org!r} is not an organisation's number")
    return Contact(
        org_id=int(org),
        customer_id=texts["customer_id"],
        email=texts["email"].strip(),
        name=texts.get("name"),
        locale=texts.get("locale"),
        time_zone=texts.get("time_zone"),
        consents=consents,
        attributes=attributes,
    )


def _check_text(field: str, value: str) -> None:
    """Refuse what stood in the file as bytes that are not UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Unusable(f"{field}: is not UTF-8 text; save the file as UTF-8") from None


def _agreed(column: str, value: str) -> bool:
    agreed = _WORDS.get(value.strip().lower())
    if agreed is None:
        raise _Unusable(f"{column}: {value!r} is neither yes nor no")
    return agreed


def _from_json(text: str) -> Contact:
    _check_text("line", text)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise _Unusable("is not a JSON object")
    if unknown := sorted(given.keys() - _KEYS):
        raise _Unusable(f"{unknown[0]}: contacts do not have it")
    org = given.get("org")
    if isinstance(org, bool) or not isinstance(org, int):
        raise _Unusable(f"org: {org!r} is not an organisation's number")
    return Contact(
        org_id=org,
        customer_id=_text(given, "customer_id") or "",
        email=_text(given, "email"),
        name=_text(given, "name"),
        locale=_text(given, "locale"),
        time_zone=_text(given, "time_zone"),
        consents=_mapping(given, "consents", bool),
        attributes=_mapping(given, "attributes", str),
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    if name not in given:
        return None
    value = "" if given[name] is None else given[name]
    if not isinstance(value, str):
        raise _Unusable(f"{name}: is not a text")
    return value


def _mapping(given: Mapping[str, Any], name: str, kind: type) -> dict[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, dict) or not all(type(each) is kind for each in value.values()):
        wanted = "true or false" if kind is bool else "texts"
        raise _Unusable(f"{name}: is not an object of {wanted}")
    return value


def _cell(contact: pb.Contact, column: str) -> str:
    if column == "org":
        return str(contact.org_id)
    if column.startswith(_CONSENT):
        category = column.removeprefix(_CONSENT)
        return "" if category not in contact.consents else "yes" if contact.consents[category] else "no"
    if column.startswith(_ATTRIBUTE):
        return contact.attributes.get(column.removeprefix(_ATTRIBUTE), "")
    return str(getattr(contact, column))
