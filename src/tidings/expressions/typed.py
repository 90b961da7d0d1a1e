"""Expressions bound to one event: evaluated on the protobuf message, without building its native view.

The law: a bound expression gives on an event what the expression gives on the event's native view. Where the
message alone cannot tell (a field it does not model is present and read, the event is another one, the result
is a whole message), the view is built and searched.
"""

from datetime import UTC, tzinfo
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tidings.events.v1.event_pb2 import Event
from tidings.events.view import native_view
from tidings.expressions.expression import FAULTS, Expression
from tidings.expressions.messages import NeedsView, message_function
from tidings.expressions.paths import Path, overlap
from tidings.expressions.source import Run


class BoundExpression:
    """An expression compiled for the events whose data is one member of the event's oneof."""

    __slots__ = ("expression", "field", "run")

    def __init__(self, expression: Expression, field: FieldDescriptor) -> None:
        self.expression = expression
        self.field = field
        self.run = _run(expression, field)
        """The bare function of (event, now, zone), or None where every event needs its native view.

        For who has made sure of what ``search`` makes sure of: the event is of this kind, ``reads_unmodelled`` is
        false, and whatever is raised is answered by a ``search``.
        """

    def search(self, event: Event, *, now: int | None = None, zone: tzinfo = UTC) -> Any:
        """Return what the expression finds in the event; raise EvaluationError like ``Expression.search``."""
        run = self.run
        if run is None or event.WhichOneof("data") != self.field.name or self.reads_unmodelled(event):
            return self.expression.search(native_view(event), now=now, zone=zone)
        try:
            return run(event, now, zone)
        except FAULTS:
            return self.expression.search(native_view(event), now=now, zone=zone)

    def reads_unmodelled(self, event: Event) -> bool:
        """Say whether the event has an unmodelled value at, under or above a path that the expression reads."""
        if not event.unmodelled:
            return False
        pointers = [_pointed(each.path) for each in event.unmodelled]
        return any(overlap(path, pointer) for path in self.expression.paths for pointer in pointers)


def _pointed(pointer: str) -> Path:
    """Return the path that a JSON Pointer points to."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _run(expression: Expression, field: FieldDescriptor) -> Run | None:
    try:
        return message_function(expression.root, field)
    except NeedsView:
        return None


def bind(expression: Expression, descriptor: Descriptor | FieldDescriptor) -> BoundExpression:
    """Compile the expression for one event: a member of the event's oneof, or that member's message."""
    return BoundExpression(expression, data_field(descriptor))


def data_field(descriptor: Descriptor | FieldDescriptor) -> FieldDescriptor:
    """Return the member of the event's oneof that is meant; raise LookupError if there is none."""
    field = descriptor if isinstance(descriptor, FieldDescriptor) else _by_message().get(descriptor.full_name)
    if field is None or field.containing_oneof is not Event.DESCRIPTOR.oneofs_by_name["data"]:
        raise LookupError(f"{descriptor.full_name} is no event's data")
    return field


@cache
def _by_message() -> dict[str, FieldDescriptor]:
    members = Event.DESCRIPTOR.oneofs_by_name["data"].fields
    return {field.message_type.full_name: field for field in members if field.message_type is not None}
