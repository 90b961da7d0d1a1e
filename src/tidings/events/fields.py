"""What an event can hold, path by path: for the catalog's listing and for whoever checks expressions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from tidings.events.catalog import CatalogEvent
from tidings.events.plans import (
    FLAG,
    INTEGER,
    INTEGERS,
    LISTS,
    MESSAGE,
    MESSAGES,
    NUMBER,
    STRUCT,
    TEXT,
    TEXT_MAP,
    TEXTS,
    MessagePlan,
    plan_of,
)
from tidings.events.view import ENVELOPE

_TYPES: Final = {
    TEXT: "text",
    INTEGER: "integer",
    NUMBER: "number",
    FLAG: "boolean",
    MESSAGE: "object",
    STRUCT: "any object",
    TEXT_MAP: "map of text",
    MESSAGES: "list of objects",
    TEXTS: "list of text",
    INTEGERS: "list of integers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventField:
    """One field of an event as the native view shows it."""

    path: str
    """Where it stands: ``data.loyaltyProgramDetails.tiers[].tierName``."""
    type: str
    """text, integer, number, boolean, object, any object, map of text, or a list of objects, text or integers."""


@cache
def event_fields(event: CatalogEvent) -> tuple[EventField, ...]:
    """Return every field of the event, the envelope's first, each object before what stands in it."""
    envelope = (*_walk(ENVELOPE, ""), EventField(path="eventName", type="text"), EventField(path="data", type="object"))
    return (*envelope, *_walk(plan_of(event.message), "data."))


def _walk(plan: MessagePlan, prefix: str) -> Iterator[EventField]:
    for key, field in plan.by_key.items():
        path = f"{prefix}{key}"
        yield EventField(path=path, type=_TYPES[field.kind])
        if field.message is not None:
            yield from _walk(field.message, f"{path}[]." if field.kind in LISTS else f"{path}.")
