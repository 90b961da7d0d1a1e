"""Seeing at a glance that no rule can match: so it is with most events, which are not looked at any further.

A glance reads single fields off the message where each rule requires something of one. It rules out only what the
index would leave out after a proper look: where a field reads as zero, false or an empty text it may be absent, and a
glance does not tell.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from tidings.events import ScalarReader, scalar_reader
from tidings.events.v1.event_pb2 import Event
from tidings.rules.requirements import FieldPath, Threshold

_COMPARED: Final = frozenset({str, int, bool})
_ORDERED: Final = frozenset({int, float})


class Glance:
    """What to compare which fields with, those of the envelope and those of the data."""

    __slots__ = ("_bounds", "_of_orgs", "_values")

    def __init__(
        self,
        values: Iterable[tuple[bool, ScalarReader, Collection[Any]]],
        bounds: Iterable[tuple[bool, ScalarReader, bool, float]],
        of_orgs: "Mapping[int, Glance | None]",
    ) -> None:
        self._values = tuple(values)
        self._bounds = tuple(bounds)
        self._of_orgs = of_orgs

    def rules_out(self, org_id: int, event: Event, data: Any) -> bool:
        """Say whether no rule can match an event, of which every value is modelled, with that data."""
        for in_data, read, values in self._values:
            value = read(data if in_data else event)
            if not value or value in values:
                return False
        for in_data, read, above, bound in self._bounds:
            value = read(data if in_data else event)
            if not value or (value >= bound if above else value <= bound):
                return False
        if org_id not in self._of_orgs:
            return True
        own = self._of_orgs[org_id]
        return own is not None and own.rules_out(org_id, event, data)


def glance_for(
    field: FieldDescriptor,
    values: Iterable[tuple[FieldPath, Collection[Any]]],
    bounds: Iterable[Threshold],
    of_orgs: Mapping[int, Glance | None],
) -> Glance | None:
    """Return what rules out events of one kind, None where a field that it takes cannot be read off the message.

    Args:
        field: the member of the oneof that carries such events.
        values: values by path; an event with another value at each of the paths is ruled out,
        bounds: if the numbers are beyond each of these, too.
        of_orgs: what further rules some organisations have; None where a glance does not tell.
    """
    compared: list[tuple[bool, ScalarReader, Collection[Any]]] = []
    for path, those in values:
        read = scalar_reader(field, path, _COMPARED)
        if read is None:
            return None
        compared.append((path[0] == "data", read, those))
    ordered: list[tuple[bool, ScalarReader, bool, float]] = []
    for each in bounds:
        read = scalar_reader(field, each.path, _ORDERED)
        if read is None:
            return None
        ordered.append((each.path[0] == "data", read, each.above, each.value))
    return Glance(compared, ordered, of_orgs)
