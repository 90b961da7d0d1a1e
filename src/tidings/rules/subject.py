"""The event of one decision, as conditions and the index see it.

Expressions run on the message itself where they can; the native view is built for those that cannot, and for events
that carry values their messages do not model.
"""

import json
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from tidings.events import catalog, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import Expression, bind, compile  # noqa: A004 (named as in jmespath)
from tidings.rules.requirements import FieldPath

_UNREAD: Final = object()

Run = Callable[[Event, int | None, tzinfo], Any]


class BoundExpressions:
    """The expressions of one event name, bound to its message: each when it is first met, and then kept."""

    __slots__ = ("_paths", "_runs", "field")

    def __init__(self, event_name: str) -> None:
        known = catalog().find(event_name)
        self.field: FieldDescriptor | None = known.field if known is not None else None
        """The member of the event's oneof that carries this event."""
        self._runs: dict[str, Run | None] = {}
        self._paths: dict[FieldPath, Expression] = {}

    def run(self, expression: Expression) -> Run | None:
        """Return the function over events of this kind, None where the native view is needed."""
        try:
            return self._runs[expression.text]
        except KeyError:
            run = None if self.field is None else bind(expression, self.field).run
            return self._runs.setdefault(expression.text, run)

    def path(self, path: FieldPath) -> Expression:
        """Return the expression that reads a path."""
        try:
            return self._paths[path]
        except KeyError:
            return self._paths.setdefault(path, compile(".".join(json.dumps(name) for name in path)))

    def may_hold_text(self, path: FieldPath) -> bool:
        """Say whether the message can hold a text at a path."""
        if self.field is None or path[0] != "data":
            return True
        field, message = self.field, self.field.message_type
        for name in path[1:]:
            if message is None:
                return False
            if message.file.package != Event.DESCRIPTOR.file.package or message.GetOptions().map_entry:
                return True  # an open structure
            found = next((each for each in message.fields if each.json_name == name), None)
            if found is None:
                return False
            field, message = found, found.message_type
        return field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


class Subject:
    """One event at one time in one zone. Its native view is made at most once, and each path read at most once."""

    __slots__ = ("_bound", "_event", "_now", "_on_message", "_read", "_view", "_zone", "may_mix_types")

    def __init__(
        self, event: Event, bound: BoundExpressions, *, now: int, zone: tzinfo, is_modelled: bool | None = None
    ) -> None:
        """Take an event of the name that the expressions are for.

        Whoever knows says whether all there is to it stands in messages (``Facts.data``).
        """
        self._event = event
        self._bound = bound
        self._now = now
        self._zone = zone
        self._view: Mapping[str, Any] | None = None
        self._read: dict[FieldPath, Any] = {}
        self._on_message = _is_modelled(event, bound) if is_modelled is None else is_modelled
        self.may_mix_types = not self._on_message
        """Whether a field may hold a value of another type than its message gives it."""

    @property
    def view(self) -> Mapping[str, Any]:
        """The native view of the event."""
        if self._view is None:
            self._view = native_view(self._event)
        return self._view

    def search(self, expression: Expression) -> Any:
        """Evaluate an expression; raise EvaluationError where it cannot be."""
        if self._on_message:
            run = self._bound.run(expression)
            if run is not None:
                try:
                    return run(self._event, self._now, self._zone)
                except Exception:  # noqa: BLE001, S110 (whatever it is, searching the view tells it properly)
                    pass
        return expression.search(self.view, now=self._now, zone=self._zone)

    def at(self, path: FieldPath) -> Any:
        """Return the value at a path, None when there is none."""
        value = self._read.get(path, _UNREAD)
        if value is _UNREAD:  # mostly: a path is seldom read twice, and an exception would cost more than reading
            value = self._read[path] = self.search(self._bound.path(path))
        return value


def _is_modelled(event: Event, bound: BoundExpressions) -> bool:
    field = bound.field
    return field is not None and not event.unmodelled and event.HasField(field.name)  # type: ignore[arg-type]  # a name from the descriptor
