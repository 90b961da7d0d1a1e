"""What each function takes and gives: one table for evaluation, for checking and for the documentation.

Types are those of JMESPath. ``array-number`` is an array of nothing but numbers. An empty set of types takes
anything. Names and types up to ``values`` are the specification's; the rest are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ANYTHING: Final = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function is called: the types of each argument, and of the result."""

    takes: tuple[frozenset[str], ...]
    gives: frozenset[str]
    variadic: bool = False
    """Whether the last argument may be repeated."""
    summary: str = ""

    def accepts(self, count: int) -> bool:
        """Say whether the function takes that many arguments."""
        return count >= len(self.takes) if self.variadic else count == len(self.takes)


def _signature(takes: str, gives: str, summary: str, *, variadic: bool = False) -> Signature:
    """Read ``array|string, any`` and the like."""
    arguments = tuple(_types(each) for each in takes.split(", ")) if takes else ()
    return Signature(arguments, _types(gives), variadic, summary)


def _types(text: str) -> frozenset[str]:
    return ANYTHING if text == "any" else frozenset(text.split("|"))


SIGNATURES: Final[Mapping[str, Signature]] = {
    "abs": _signature("number", "number", "the number without its sign"),
    "avg": _signature("array-number", "number|null", "the mean; null of an empty array"),
    "ceil": _signature("number", "number", "the next whole number up"),
    "contains": _signature("array|string, any", "boolean", "whether the array or text holds the value"),
    "ends_with": _signature("string, string", "boolean", "whether the text ends so"),
    "floor": _signature("number", "number", "the next whole number down"),
    "join": _signature("string, array-string", "string", "the texts with the first between them"),
    "keys": _signature("object", "array", "the names of the object's fields"),
    "length": _signature("string|array|object", "number", "how many characters, elements or fields"),
    "map": _signature("expref, array", "array", "the expression on each element, nulls kept"),
    "max": _signature("array-number|array-string", "number|string|null", "the greatest"),
    "max_by": _signature("array, expref", "any", "the element with the greatest value of the expression"),
    "merge": _signature("object", "object", "the objects' fields together, later ones first", variadic=True),
    "min": _signature("array-number|array-string", "number|string|null", "the least"),
    "min_by": _signature("array, expref", "any", "the element with the least value of the expression"),
    "not_null": _signature("any", "any", "the first argument that is not null", variadic=True),
    "reverse": _signature("array|string", "array|string", "the same backwards"),
    "sort": _signature("array-number|array-string", "array", "in ascending order"),
    "sort_by": _signature("array, expref", "array", "in ascending order of the expression"),
    "starts_with": _signature("string, string", "boolean", "whether the text begins so"),
    "sum": _signature("array-number", "number", "the sum; 0 of an empty array"),
    "to_array": _signature("any", "array", "the value in an array, unless it is one"),
    "to_number": _signature("any", "number|null", "the number that the text spells, or null"),
    "to_string": _signature("any", "string", "the text itself, or the value as JSON"),
    "type": _signature("any", "string|null", "the name of the value's type"),
    "values": _signature("object", "array", "the values of the object's fields"),
    "now": _signature("", "number", "the time of the decision, epoch milliseconds"),
    "days_until": _signature("number|string|null", "number|null", "whole days left until then; negative once past"),
    "hours_since": _signature("number|string|null", "number|null", "whole hours gone since then; negative before"),
    "lower": _signature("string|null", "string|null", "the text in small letters"),
    "upper": _signature("string|null", "string|null", "the text in capital letters"),
    "matches": _signature("string|null, string", "boolean|null", "whether the pattern is found in the text"),
    "lookup": _signature(
        "array|null, string, any", "any", "the first object of the list whose field has the value, or null"
    ),
}
"""Every function by name."""

TIMED: Final = frozenset({"now", "days_until", "hours_since"})
"""Functions that read the time of the decision and the zone."""
