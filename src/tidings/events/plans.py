"""What reading and writing an event needs to know of a message, worked out once from its descriptor.

Hot paths (conversion, native view) look fields up here and never ask a descriptor while an event waits.
Only the shapes that the event messages use are covered: scalars with presence, messages, lists of both,
``map<string, string>`` and ``google.protobuf.Struct``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

TEXT: Final = 0
INTEGER: Final = 1
FLAG: Final = 2
NUMBER: Final = 3
MESSAGE: Final = 4
STRUCT: Final = 5
TEXT_MAP: Final = 6
MESSAGES: Final = 7
TEXTS: Final = 8
INTEGERS: Final = 9

PLAIN: Final = FLAG
"""Kinds up to this one read from a message as they stand in the view."""

LISTS: Final = frozenset({MESSAGES, TEXTS, INTEGERS})

_SCALAR_KINDS: Final[Mapping[int, int]] = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_INT64: INTEGER,
    FieldDescriptor.TYPE_DOUBLE: NUMBER,
    FieldDescriptor.TYPE_BOOL: FLAG,
}
_LIST_KINDS: Final[Mapping[int, int]] = {TEXT: TEXTS, INTEGER: INTEGERS, MESSAGE: MESSAGES}
_HOLDS: Final[Mapping[int, type]] = {TEXT: str, INTEGER: int, FLAG: bool}
_STRUCT: Final = "google.protobuf.Struct"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """One field: ``key`` is the vendor's name for it, ``name`` the message's, ``kind`` one of the constants above."""

    key: str
    name: str
    kind: int
    holds: type | None
    """The Python type of a plain scalar, which its value goes in as it is."""
    message: "MessagePlan | None"

    @property
    def plan(self) -> "MessagePlan":
        """The plan of the message within; there is one for the kinds MESSAGE and MESSAGES."""
        if self.message is None:
            raise TypeError(f"{self.name} holds no message")
        return self.message


class MessagePlan:
    """The fields of one message, ready for look-up.

    ``by_key`` finds them by the vendor's exact key, ``by_loose_key`` by that key without blanks and case,
    ``by_field`` by descriptor as ``(key, kind, plan of the message within)``. ``lists`` are the keys of the
    repeated fields.
    """

    __slots__ = ("by_field", "by_key", "by_loose_key", "descriptor", "lists")

    def __init__(self, descriptor: Descriptor, fields: Iterable[FieldDescriptor]) -> None:
        self.descriptor = descriptor
        planned = [(field, _plan_field(field)) for field in fields]
        self.by_key = {plan.key: plan for _, plan in planned}
        self.by_loose_key = {loose(plan.key): plan for _, plan in planned}
        self.by_field = {field: (plan.key, plan.kind, plan.message) for field, plan in planned}
        self.lists = tuple(plan.key for _, plan in planned if plan.kind in LISTS)


def loose(key: str) -> str:
    """Return the key without blanks and case: what a tolerant match compares."""
    return "".join(key.split()).casefold()


@cache
def plan_of(descriptor: Descriptor) -> MessagePlan:
    """Return the plan of a message, made once per process."""
    return MessagePlan(descriptor, descriptor.fields)


def _plan_field(field: FieldDescriptor) -> FieldPlan:
    kind = _kind_of(field)
    message = plan_of(field.message_type) if kind in {MESSAGE, MESSAGES} else None
    return FieldPlan(key=field.json_name, name=field.name, kind=kind, holds=_HOLDS.get(kind), message=message)


def _kind_of(field: FieldDescriptor) -> int:
    if field.message_type is None:
        kind = _SCALAR_KINDS[field.type]
    elif field.message_type.GetOptions().map_entry:
        return TEXT_MAP
    elif field.message_type.full_name == _STRUCT:
        return STRUCT
    else:
        kind = MESSAGE
    return _LIST_KINDS[kind] if field.is_repeated else kind
