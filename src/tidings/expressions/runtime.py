"""What generated code calls: the functions, and the few operations that are not one line of Python."""

from collections.abc import Mapping
from typing import Any, Final

from tidings.expressions.errors import Fault, UnknownFunction
from tidings.expressions.extensions import OF_TIME, UNTIMED
from tidings.expressions.functions import STANDARD
from tidings.expressions.patterns import found_in
from tidings.expressions.values import Reference, equals, ordered, text_against_number


def _unordered(value: Any, other_is_text: bool) -> None:  # noqa: FBT001 - called from generated code
    """Order a value that is not of the literal's type: null, or a fault when it is text against a number."""
    if (value.__class__ is str) is not other_is_text and value.__class__ in (str, int, float):
        raise text_against_number()


def _unflattened(value: Any) -> Any:
    if value.__class__ is not list:
        return None
    flat: list[Any] = []
    for element in value:
        if element.__class__ is list:
            flat.extend(element)
        else:
            flat.append(element)
    return flat


def _no_such_call(*arguments: Any) -> None:
    raise Fault(UnknownFunction, f"cannot call with {len(arguments)} arguments")


def _matches_compiled(value: Any, pattern: Any) -> bool | None:
    return None if value is None else found_in(pattern, value)


RUNTIME: Final[Mapping[str, Any]] = {
    "equals": equals,
    "ordered": ordered,
    "unordered": _unordered,
    "flatten": _unflattened,
    "no_such_call": _no_such_call,
    "matches_compiled": _matches_compiled,
    "Reference": Reference,
    **{f"call_{name}": function for table in (STANDARD, UNTIMED, OF_TIME) for name, function in table.items()},
}
"""What generated code calls, by the name it calls it."""
