"""Seeing at a glance that no rule can match: so it is with most events, which are not looked at any further.

A glance reads single fields off the message where each rule requires something of one. It rules out only what the
index would leave out after a proper look: where a field reads as zero, false or an empty text it may be absent, and a
glance does not tell.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from tidings.events import ScalarReader, scalar_reader
from tidings.events.v1.event_pb2 import Event
from tidings.rules.requirements import FieldPath, Threshold

_COMPARED: Final = frozenset({str, int, bool})
_ORDERED: Final = frozenset({int, float})

_Compared = tuple[bool, ScalarReader, Collection[Any]]
"""Whether it stands in the data, what reads it, and the values with which a rule may match."""
_Ordered = tuple[bool, ScalarReader, bool, float]
"""The same with a bound: whether numbers above it may match, or below."""

Glance = Callable[[int, Event, Any], bool]
"""Says whether no rule can match an event of an organisation, of which every value is modelled, with that data."""


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
    compared: list[_Compared] = []
    for path, those in values:
        read = scalar_reader(field, path, _COMPARED)
        if read is None:
            return None
        compared.append((path[0] == "data", read, those))
    ordered: list[_Ordered] = []
    for each in bounds:
        read = scalar_reader(field, each.path, _ORDERED)
        if read is None:
            return None
        ordered.append((each.path[0] == "data", read, each.above, each.value))
    if len(compared) == 1 and not ordered and not of_orgs:
        return _at_one_value(*compared[0])
    return _at_all(compared, ordered, of_orgs)


def _at_one_value(in_data: bool, read: ScalarReader, values: Collection[Any]) -> Glance:  # noqa: FBT001 (as in _Compared)
    """Look at what is so often all there is to look at, at three quarters of what the loops below take."""

    def rules_out(_org_id: int, event: Event, data: Any) -> bool:
        value = read(data if in_data else event)
        return bool(value) and value not in values

    return rules_out


def _at_all(compared: Sequence[_Compared], ordered: Sequence[_Ordered], of_orgs: Mapping[int, Glance | None]) -> Glance:
    def rules_out(org_id: int, event: Event, data: Any) -> bool:
        for in_data, read, values in compared:
            value = read(data if in_data else event)
            if not value or value in values:
                return False
        for in_data, read, above, bound in ordered:
            value = read(data if in_data else event)
            if not value or (value >= bound if above else value <= bound):
                return False
        if org_id not in of_orgs:
            return True
        own = of_orgs[org_id]
        return own is not None and own(org_id, event, data)

    return rules_out
