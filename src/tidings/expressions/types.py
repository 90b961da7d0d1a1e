"""The static type of a part of an expression: which kinds of value it can have on events of one kind.

Every field may be absent, so every field's type has null in it. ``true`` and ``false`` are kinds of their own:
a condition that cannot be ``true`` is found by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tidings.events.catalog import catalog
from tidings.events.v1.event_pb2 import Event
from tidings.expressions.messages import vendor_fields

Kinds = frozenset[str]
ANYTHING: Final[Kinds] = frozenset({"null", "true", "false", "number", "string", "array", "object", "expref"})
BOOLEANS: Final[Kinds] = frozenset({"true", "false"})
NULL: Final[Kinds] = frozenset({"null"})
FALSY: Final[Kinds] = frozenset({"null", "false", "string", "array", "object"})
"""Kinds with a value that is false as a condition."""
SCALARS: Final[Kinds] = BOOLEANS | {"number", "string"}

BY_FIELD_TYPE: Final[Mapping[int, Kinds]] = {
    FieldDescriptor.TYPE_STRING: frozenset({"string"}),
    FieldDescriptor.TYPE_INT64: frozenset({"number"}),
    FieldDescriptor.TYPE_DOUBLE: frozenset({"number"}),
    FieldDescriptor.TYPE_BOOL: BOOLEANS,
}
WORDS: Final[Mapping[str, str]] = {
    "true": "true or false", "false": "true or false", "number": "a number", "string": "text", "array": "a list",
    "object": "an object", "null": "null", "expref": "an expression reference",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What is known of a value."""

    kinds: Kinds = ANYTHING
    fields: Mapping[str, "Type | FieldDescriptor"] | None = None
    """The fields of the object, if all are known."""
    element: "Type | None" = None
    """The type of the array's elements, if known."""
    path: str = ""
    """Where the value stands, for messages: ``data.customerIdentifiers``; empty if nowhere in particular."""

    @property
    def present(self) -> Kinds:
        """Its kinds but null."""
        return self.kinds - NULL

    def only(self, kinds: Kinds | set[str]) -> bool:
        """Say whether the value, if it is not null, can only be of these kinds."""
        return bool(self.present) and self.present <= kinds

    def or_null(self) -> "Type":
        """Return the type of such a value that may be absent."""
        return replace(self, kinds=self.kinds | NULL)

    def __str__(self) -> str:
        words = sorted({WORDS[kind] for kind in self.present or NULL})
        return " or ".join(words)


UNKNOWN: Final = Type()


def of_kinds(*kinds: str) -> Type:
    """Return a type of these kinds, with nothing known of what is within."""
    return Type(kinds=frozenset(kinds))


def event_type(data: FieldDescriptor) -> Type:
    """Return the type of the view of an event whose data is that member of the oneof."""
    event = catalog().by_field(data.name)
    if event is None:
        return UNKNOWN
    fields: dict[str, Type | FieldDescriptor] = {**vendor_fields(Event.DESCRIPTOR)}
    fields["eventName"] = Type(kinds=frozenset({"string"}), path="eventName")
    fields["data"] = _message(event.message, "data")
    return Type(kinds=frozenset({"object"}), fields=fields)


def digest_type(data: FieldDescriptor) -> Type:
    """Return the type of what a digest tells of: the latest event, all ``events``, how many ``more``."""
    single = event_type(data)
    if single.fields is None:
        return single
    events = Type(kinds=frozenset({"array"}), element=single, path="events")
    more = Type(kinds=frozenset({"number"}), path="more")
    return replace(single, fields={**single.fields, "events": events, "more": more})


def field_type(known: "Type | FieldDescriptor", path: str) -> Type:
    """Return the type of a field; an absent one is null."""
    if isinstance(known, Type):
        return known
    single = _single(known, path)
    if not known.is_repeated or single is UNKNOWN:
        return single.or_null()
    return Type(kinds=frozenset({"array", "null"}), element=single, path=path)


def _single(field: FieldDescriptor, path: str) -> Type:
    if field.message_type is None:
        return Type(kinds=BY_FIELD_TYPE[field.type], path=path)
    if field.message_type.file.package != Event.DESCRIPTOR.file.package or field.message_type.GetOptions().map_entry:
        return UNKNOWN
    return _message(field.message_type, path)


def _message(descriptor: Descriptor, path: str) -> Type:
    return Type(kinds=frozenset({"object"}), fields={**vendor_fields(descriptor)}, path=path)


def union(left: Type, right: Type) -> Type:
    """Return the type of a value that is one or the other."""
    return Type(
        kinds=left.kinds | right.kinds,
        fields=left.fields if left.fields == right.fields or not right.present else None,
        element=left.element if left.element == right.element or not right.present else None,
        path=left.path if left.path == right.path else "",
    )
