"""Writes an expression as a Python function over the event message itself: no dictionary is built.

Fields are read as attributes. A scalar's presence is asked only where its value is the default, and that of
the messages around it never: an absent message reads as an empty one. What a function over messages cannot
hold exactly (a whole message as a value, an open structure) raises ``NeedsView``: such an expression is
evaluated on the event's native view.
"""

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from tidings.events.catalog import catalog
from tidings.events.v1.event_pb2 import Event
from tidings.expressions.nodes import Node
from tidings.expressions.operands import ARRAY, NULL, NUMBER, TEXT, TRUTH, Operand
from tidings.expressions.source import Run, SourceWriter

EXACT: Final = 2**53
HIDDEN: Final = frozenset({"unmodelled", "sent_null", "sent_empty"})
"""Fields of the event that are no part of what its publisher documents."""

DEFAULTS: Final[dict[int, Any]] = {
    FieldDescriptor.TYPE_STRING: "",
    FieldDescriptor.TYPE_INT64: 0,
    FieldDescriptor.TYPE_DOUBLE: 0.0,
    FieldDescriptor.TYPE_BOOL: False,
}
KINDS: Final[dict[int, frozenset[str]]] = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_INT64: NUMBER,
    FieldDescriptor.TYPE_DOUBLE: NUMBER,
    FieldDescriptor.TYPE_BOOL: TRUTH,
}
ALWAYS: Final = "True"
LOOKUP_ARGUMENTS: Final = 3


class NeedsView(Exception):
    """The expression cannot be evaluated on the message alone."""


@dataclass(frozen=True, slots=True)
class EventShape:
    """The operand is an event whose data is this member of the oneof."""

    field: FieldDescriptor


@dataclass(frozen=True, slots=True)
class MessageShape:
    """The operand is a message; an absent one is an empty message. ``present`` is Python that tells them apart."""

    descriptor: Descriptor
    present: str


@dataclass(frozen=True, slots=True)
class ScalarShape:
    """The operand is a scalar as the message gives it: absent or the default, ``present`` tells which."""

    field: FieldDescriptor
    owner: str

    @property
    def present(self) -> str:
        """Python that is true when the field was sent."""
        return f"{self.owner}.HasField({self.field.name!r})"


@dataclass(frozen=True, slots=True)
class ListShape:
    """The operand is a list, of messages if ``message`` is given, else of scalars of ``kinds``.

    It is null where ``present`` is false, and may be anything empty then.
    """

    message: Descriptor | None
    kinds: frozenset[str] | None
    present: str


def whole(number: float) -> int | float:
    """Return a whole double as an integer, as the native view does."""
    return int(number) if number.is_integer() and -EXACT <= number <= EXACT else number


def message_function(root: Node, field: FieldDescriptor) -> Run:
    """Return the function over events whose data is that member of the oneof; raise NeedsView."""
    return MessageWriter().function(root, Operand("v", shape=EventShape(field)))


class MessageWriter(SourceWriter):
    """Writes functions over an event message."""

    # What the generated code may rely on.

    def present(self, operand: Operand) -> str:
        """Return Python that is true when the operand is not null."""
        shape = operand.shape
        if isinstance(shape, EventShape):
            return ALWAYS
        return str(shape.present) if shape is not None else super().present(operand)

    def native(self, operand: Operand) -> Operand:
        """Return the operand as a JSON value; raise NeedsView if it is, or holds, a whole message."""
        shape = operand.shape
        if isinstance(shape, ScalarShape):
            plain = self.comparable(operand)
            if shape.field.type != FieldDescriptor.TYPE_DOUBLE:
                return plain
            name = self.helper("whole", whole)
            return self.assign(f"{plain.name} if {plain.name} is None else {name}({plain.name})", NUMBER)
        if isinstance(shape, ListShape) and shape.message is None:
            return self.assign(f"list({operand.name}) if {shape.present} else None", ARRAY)
        if shape is not None:
            raise NeedsView
        return operand

    def comparable(self, operand: Operand) -> Operand:
        """Return a scalar with null for absent; a whole double stays a double, which compares alike."""
        shape = operand.shape
        if not isinstance(shape, ScalarShape):
            return self.native(operand)
        name = self.fresh()
        self.line(f"{name} = {operand.name}")
        self.line(f"if not {name} and not {shape.present}: {name} = None")
        return Operand(name, operand.kinds)

    def tested(self, operand: Operand) -> Operand:
        """Return the operand as far as its truth needs it: a list of messages may stay one."""
        return operand if isinstance(operand.shape, ListShape) else self.comparable(operand)

    def falsy(self, operand: Operand) -> str:
        """Return Python for the JSON value of an operand known to be false."""
        return f"[] if {operand.shape.present} else None" if isinstance(operand.shape, ListShape) else operand.name

    def truth(self, operand: Operand) -> str:
        """Return Python that is true exactly when the operand is true as a condition."""
        return operand.name if isinstance(operand.shape, ListShape) else super().truth(operand)

    def passed(self, operand: Operand) -> Operand:
        """Return the operand as the argument of a function of its own, where it is called ``v``."""
        shape = operand.shape
        if isinstance(shape, EventShape) or (isinstance(shape, MessageShape) and shape.present == ALWAYS):
            return Operand("v", operand.kinds, shape=shape)
        return super().passed(self.native(operand))

    # Reading fields.

    def read_field(self, value: Operand, name: str) -> Operand:
        """Write the reading of a field of a value or of a message."""
        shape = value.shape
        if isinstance(shape, EventShape):
            return self._of_event(value, shape.field, name)
        if isinstance(shape, MessageShape):
            return self._of_message(value, shape, name)
        if isinstance(shape, ScalarShape | ListShape):
            return self.constant(None, NULL)
        return super().read_field(value, name)

    def _of_event(self, value: Operand, data: FieldDescriptor, name: str) -> Operand:
        event = catalog().by_field(data.name)
        if name not in ("data", "eventName"):
            return self._of_message(value, MessageShape(Event.DESCRIPTOR, ALWAYS), name)
        if event is None:
            raise NeedsView
        if name == "data":
            message = self.assign(f"{value.name}.{data.name}")
            return Operand(message.name, shape=MessageShape(event.message, ALWAYS))
        return self.constant(event.name, frozenset({"string"}))

    def _of_message(self, value: Operand, shape: MessageShape, name: str) -> Operand:
        field = vendor_fields(shape.descriptor).get(name)
        if field is None:
            return self.constant(None, NULL)
        read = f"{value.name}.{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self.assign(f"dict({read}) or None", frozenset({"object", "null"}))
        operand = self.assign(read)
        if field.is_repeated:
            kinds = KINDS.get(field.type)
            return Operand(operand.name, shape=ListShape(field.message_type, kinds, shape.present))
        if field.message_type is None:
            return Operand(operand.name, KINDS[field.type], shape=ScalarShape(field, value.name))
        if field.message_type.file.package != Event.DESCRIPTOR.file.package:
            raise NeedsView  # an open structure
        return Operand(operand.name, shape=MessageShape(field.message_type, f"{value.name}.HasField({field.name!r})"))

    # Lists.

    def elements(self, base: Operand) -> tuple[str, str, Operand]:
        """Return the test that there are elements, what to loop over, and the operand of one element."""
        shape = base.shape
        if not isinstance(shape, ListShape):
            return super().elements(self.native(base))
        return (shape.present, base.name, _element(self.fresh(), shape, ALWAYS))

    def collected(self, name: str, result: Operand) -> Operand:
        """Write the appending of a result: messages stay messages."""
        shape = result.shape
        if not isinstance(shape, MessageShape):
            return super().collected(name, self.native(result))
        self.line(f"if {shape.present}: {name}.append({result.name})")
        return Operand(name, shape=ListShape(shape.descriptor, None, f"{name} is not None"))

    def read_element(self, value: Operand, at: int) -> Operand:
        """Write the reading of an element."""
        shape = value.shape
        if not isinstance(shape, ListShape) or shape.message is None:
            return super().read_element(self._listed(value), at)
        empty = self.constant(GetMessageClass(shape.message)())
        least = at + 1 if at >= 0 else -at
        there = self.assign(f"{shape.present} and len({value.name}) >= {least}")
        element = self.assign(f"{value.name}[{at}] if {there.name} else {empty.name}")
        return _element(element.name, shape, there.name)

    def read_slice(self, value: Operand, part: Operand) -> Operand:
        """Write the reading of some elements."""
        shape = value.shape
        if not isinstance(shape, ListShape) or shape.message is None:
            return super().read_slice(self._listed(value), part)
        some = self.assign(f"{value.name}[{part.name}] if {shape.present} else None")
        return Operand(some.name, shape=ListShape(shape.message, None, f"{some.name} is not None"))

    def flattened(self, base: Operand) -> Operand:
        """Write the flattening of a list: lists of messages hold no lists."""
        if isinstance(base.shape, ListShape):
            return base
        return super().flattened(self._listed(base))

    def _listed(self, value: Operand) -> Operand:
        """Return the operand for reading elements: those of a message or a scalar are null."""
        if isinstance(value.shape, EventShape | MessageShape | ScalarShape):
            return self.constant(None, NULL)
        return self.native(value)

    # Comparisons and functions with a short cut.

    def equality_test(self, left: Operand, right: Operand) -> str:
        """Return Python for ``==``; a constant that is no default needs no question of presence."""
        shape = left.shape
        if right.is_constant and right.constant is None and shape is not None:
            return f"not ({self.present(left)})"
        if isinstance(shape, ScalarShape) and right.is_constant and right.constant != DEFAULTS[shape.field.type]:
            return super().equality_test(Operand(left.name, left.kinds), right)
        return super().equality_test(self.comparable(left), self.comparable(right))

    def call(self, name: str, operands: list[Operand]) -> Operand:
        """Write a call; the length of a list of messages needs no values."""
        shape = operands[0].shape if operands else None
        if name == "length" and len(operands) == 1 and isinstance(shape, ListShape):
            listed = operands[0].name
            return self.assign(f"len({listed}) if {shape.present} else call_length(None)", frozenset({"number"}))
        if name == "lookup" and len(operands) == LOOKUP_ARGUMENTS and isinstance(shape, ListShape) and shape.message:
            return self._lookup(operands, shape, shape.message)
        return super().call(name, operands)

    def _lookup(self, operands: list[Operand], shape: ListShape, message: Descriptor) -> Operand:
        """Write the search of a list of messages for one with a scalar field of some value."""
        listed, key, value = operands
        field = vendor_fields(message).get(key.constant) if key.constant.__class__ is str else None
        if field is None or field.type not in KINDS or field.is_repeated:
            return super().call("lookup", operands)
        wanted = value if value.is_constant else self.comparable(value)
        empty = self.constant(GetMessageClass(message)())
        found, there, each = self.fresh(), self.fresh(), self.fresh()
        self.line(f"{found}, {there} = {empty.name}, False")
        with self.block(f"if {shape.present}:"), self.block(f"for {each} in {listed.name}:"):
            read = self.assign(f"{each}.{field.name}")
            test = self.equality_test(Operand(read.name, KINDS[field.type], shape=ScalarShape(field, each)), wanted)
            self.line(f"if {test}: {found}, {there} = {each}, True; break")
        return Operand(found, shape=MessageShape(message, there))


def _element(name: str, shape: ListShape, present: str) -> Operand:
    if shape.message is None:
        return Operand(name, shape.kinds)
    return Operand(name, shape=MessageShape(shape.message, present))


def vendor_fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Return a message's fields by the vendor's names; of the event those outside its oneof."""
    if descriptor is Event.DESCRIPTOR:
        data = Event.DESCRIPTOR.oneofs_by_name["data"]
        fields = [each for each in descriptor.fields if each.containing_oneof is not data and each.name not in HIDDEN]
        return {field.json_name: field for field in fields}
    known = _FIELDS.get(descriptor.full_name)
    if known is None:
        known = _FIELDS[descriptor.full_name] = {field.json_name: field for field in descriptor.fields}
    return known


_FIELDS: Final[dict[str, dict[str, FieldDescriptor]]] = {}
