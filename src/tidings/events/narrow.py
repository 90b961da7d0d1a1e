"""The parts of the native view that somebody asks for, and nothing else.

A condition usually reads two or three fields; building the whole view for it costs ten times as much.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from tidings.events.catalog import catalog
from tidings.events.plans import LISTS, MESSAGE, NUMBER, PLAIN, FieldPlan, MessagePlan, plan_of
from tidings.events.v1.event_pb2 import Event
from tidings.events.view import ENVELOPE, as_number, fill, native_view, open_field

Path = Sequence[str]
"""Keys from the root of the view: ``("data", "loyaltyProgramDetails", "name")``. Lists are taken whole."""

_Wanted = dict[str, "_Wanted"]
"""Keys asked for, each with the keys asked for within it; none of those means all of it."""

_Pick = Callable[[Message, dict[str, Any]], None]
"""Copies one field into the view, if the message has it."""


def narrow_view(name: str, paths: Iterable[Path]) -> Callable[[Event], dict[str, Any]]:
    """Return a function from an event of that name to its native view with at least the paths given.

    What the paths do not lead to may be missing. Events with unmodelled values, and events that the catalog
    does not know, get the whole view.
    """
    wanted = _tree(paths)
    known = catalog().find(name)
    if known is None or not wanted:
        return native_view
    field = known.field.name
    canonical = known.name
    envelope = _picks(ENVELOPE, wanted)
    data = _picker(plan_of(known.message), wanted["data"]) if "data" in wanted else None

    def view_of(event: Event) -> dict[str, Any]:
        if event.unmodelled or event.WhichOneof("data") != field:
            return native_view(event)
        view: dict[str, Any] = {"eventName": canonical}
        for pick in envelope:
            pick(event, view)
        if data is not None:
            view["data"] = data(getattr(event, field))
        return view

    return view_of


def _tree(paths: Iterable[Path]) -> _Wanted:
    """Join paths by their common beginnings; a path that ends early takes in all below it."""
    root: _Wanted = {}
    for path in sorted(paths, key=len):
        node = root
        for depth, key in enumerate(path):
            if key in node and not node[key]:
                break
            node = node.setdefault(key, {})
            if depth == len(path) - 1:
                node.clear()
    return root


def _picker(plan: MessagePlan, wanted: _Wanted) -> Callable[[Message], dict[str, Any]]:
    if not wanted:
        return lambda message: fill(message, plan, empty_lists=True)
    picks = _picks(plan, wanted)

    def pick_all(message: Message) -> dict[str, Any]:
        view: dict[str, Any] = {}
        for pick in picks:
            pick(message, view)
        return view

    return pick_all


def _picks(plan: MessagePlan, wanted: _Wanted) -> tuple[_Pick, ...]:
    found = [(plan.by_key.get(key), within) for key, within in wanted.items()]
    return tuple(_pick(field, within) for field, within in found if field is not None)


def _pick(field: FieldPlan, within: _Wanted) -> _Pick:
    if field.kind <= PLAIN:
        return _pick_plain(field)
    if field.kind == NUMBER:
        return _pick_opened(field, as_number)
    if field.kind == MESSAGE:
        return _pick_opened(field, _picker(field.plan, within))
    if field.kind in LISTS:
        return _pick_list(field)
    return _pick_object(field)


def _pick_plain(field: FieldPlan) -> _Pick:
    name, key = field.name, field.key

    def pick(message: Message, view: dict[str, Any]) -> None:
        value = getattr(message, name)
        if value or message.HasField(name):
            view[key] = value

    return pick


def _pick_opened(field: FieldPlan, opened: Callable[[Any], Any]) -> _Pick:
    name, key = field.name, field.key

    def pick(message: Message, view: dict[str, Any]) -> None:
        if message.HasField(name):
            view[key] = opened(getattr(message, name))

    return pick


def _pick_list(field: FieldPlan) -> _Pick:
    name, key, kind, plan = field.name, field.key, field.kind, field.message

    def pick(message: Message, view: dict[str, Any]) -> None:
        view[key] = open_field(getattr(message, name), kind, plan, empty_lists=True)

    return pick


def _pick_object(field: FieldPlan) -> _Pick:
    """Pick a map or a Struct, as the native view does: not when there is none."""
    name, key, kind = field.name, field.key, field.kind

    def pick(message: Message, view: dict[str, Any]) -> None:
        if any(each.name == name for each, _ in message.ListFields()):
            view[key] = open_field(getattr(message, name), kind, None, empty_lists=True)

    return pick
