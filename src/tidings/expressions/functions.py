"""The functions of the specification, as the reference implementation computes them.

Each takes evaluated arguments and raises Fault, TypeError, ValueError or OverflowError on those it cannot use;
whoever calls it knows the place. Our own functions are in ``extensions``.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tidings.expressions.errors import Fault, InvalidType
from tidings.expressions.values import NUMERIC, Reference, type_name


def wrong_type(function: str, value: Any, expected: str) -> Fault:
    """Return the fault of an argument of the wrong type."""
    found = type_name(value)
    hint = "the field is absent; guard it with field && ..." if found == "null" else ""
    return Fault(InvalidType, f"{function}() takes {expected}, not {found}", hint=hint)


def _need(function: str, value: Any, kind: type, expected: str) -> None:
    if value.__class__ is not kind:
        raise wrong_type(function, value, expected)


def _need_number(function: str, value: Any) -> None:
    if value.__class__ not in NUMERIC:
        raise wrong_type(function, value, "a number")


def _need_numbers(function: str, value: Any) -> None:
    _need(function, value, list, "an array of numbers")
    for element in value:
        if element.__class__ not in NUMERIC:
            raise wrong_type(function, element, "an array of numbers")


def _need_texts(function: str, value: Any) -> None:
    _need(function, value, list, "an array of text")
    for element in value:
        if element.__class__ is not str:
            raise wrong_type(function, element, "an array of text")


def _need_uniform(function: str, value: Any) -> None:
    """Take an array of nothing but numbers, or of nothing but text."""
    _need(function, value, list, "an array of numbers or of text")
    if value and value[0].__class__ is str:
        _need_texts(function, value)
    elif value:
        _need_numbers(function, value)


def absolute(value: Any) -> Any:
    """``abs``."""
    _need_number("abs", value)
    return abs(value)


def average(value: Any) -> Any:
    """``avg``."""
    _need_numbers("avg", value)
    return sum(value) / len(value) if value else None


def ceiling(value: Any) -> Any:
    """``ceil``."""
    _need_number("ceil", value)
    return math.ceil(value)


def contains(subject: Any, search: Any) -> bool:
    """``contains``; within arrays by Python's equality, as in the reference."""
    if subject.__class__ is not list and subject.__class__ is not str:
        raise wrong_type("contains", subject, "an array or text")
    if subject.__class__ is str and search.__class__ is not str:
        raise wrong_type("contains", search, "text to look for within text")
    return search in subject


def ends_with(subject: Any, suffix: Any) -> bool:
    """``ends_with``."""
    _need("ends_with", subject, str, "text")
    _need("ends_with", suffix, str, "text")
    return bool(subject.endswith(suffix))


def floor(value: Any) -> Any:
    """``floor``."""
    _need_number("floor", value)
    return math.floor(value)


def join(glue: Any, array: Any) -> str:
    """``join``."""
    _need("join", glue, str, "text first")
    _need_texts("join", array)
    return str(glue.join(array))


def keys(value: Any) -> list[str]:
    """``keys``."""
    _need("keys", value, dict, "an object")
    return list(value)


def length(value: Any) -> int:
    """``length``."""
    if value.__class__ is not list and value.__class__ is not str and value.__class__ is not dict:
        raise wrong_type("length", value, "text, an array or an object")
    return len(value)


def mapped(expression: Any, array: Any) -> list[Any]:
    """``map``."""
    _need("map", expression, Reference, "an expression reference, &...,")
    _need("map", array, list, "an array")
    return [expression(element) for element in array]


def greatest(value: Any) -> Any:
    """``max``."""
    _need_uniform("max", value)
    return max(value) if value else None


def least(value: Any) -> Any:
    """``min``."""
    _need_uniform("min", value)
    return min(value) if value else None


def merge(*objects: Any) -> dict[str, Any]:
    """``merge``; the reference looks at the type of the first only, and takes pairs for an object after it."""
    _need("merge", objects[0], dict, "objects")
    merged: dict[str, Any] = {}
    for each in objects:
        merged.update(each)
    return merged


def not_null(*values: Any) -> Any:
    """``not_null``."""
    return next((value for value in values if value is not None), None)


def reverse(value: Any) -> Any:
    """``reverse``."""
    if value.__class__ is not list and value.__class__ is not str:
        raise wrong_type("reverse", value, "an array or text")
    return value[::-1]


def sort(value: Any) -> list[Any]:
    """``sort``."""
    _need_uniform("sort", value)
    return sorted(value)


def sort_by(array: Any, expression: Any) -> list[Any]:
    """``sort_by``; every key is of the first one's type."""
    _need_by("sort_by", array, expression)
    if not array:
        return []
    first = type_name(expression(array[0]))
    return sorted(array, key=_key("sort_by", expression, (first,) if first in ("number", "string") else ()))


def max_by(array: Any, expression: Any) -> Any:
    """``max_by``."""
    _need_by("max_by", array, expression)
    return max(array, key=_key("max_by", expression, ("number", "string"))) if array else None


def min_by(array: Any, expression: Any) -> Any:
    """``min_by``."""
    _need_by("min_by", array, expression)
    return min(array, key=_key("min_by", expression, ("number", "string"))) if array else None


def _need_by(function: str, array: Any, expression: Any) -> None:
    _need(function, array, list, "an array")
    _need(function, expression, Reference, "an expression reference, &..., second")


def _key(function: str, expression: Any, allowed: tuple[str, ...]) -> Callable[[Any], Any]:
    def key(element: Any) -> Any:
        value = expression(element)
        if type_name(value) not in allowed:
            raise wrong_type(function, value, f"keys of type {' or '.join(allowed) or 'number or string'}")
        return value

    return key


def starts_with(subject: Any, prefix: Any) -> bool:
    """``starts_with``."""
    _need("starts_with", subject, str, "text")
    _need("starts_with", prefix, str, "text")
    return bool(subject.startswith(prefix))


def total(value: Any) -> Any:
    """``sum``."""
    _need_numbers("sum", value)
    return sum(value)


def to_array(value: Any) -> list[Any]:
    """``to_array``."""
    return value if isinstance(value, list) else [value]


def to_number(value: Any) -> Any:
    """``to_number``; what does not spell a number is null."""
    if value is None or value.__class__ in (list, dict, bool):
        return None
    if value.__class__ in NUMERIC:
        return value
    _need("to_number", value, str, "a value")
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return None


def to_string(value: Any) -> str:
    """``to_string``; anything but text as JSON without spaces."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)


def type_of(value: Any) -> str | None:
    """``type``; an expression reference has none."""
    name = type_name(value)
    return None if name == "expref" else name


def values(value: Any) -> list[Any]:
    """``values``."""
    _need("values", value, dict, "an object")
    return list(value.values())


STANDARD: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": absolute,
    "avg": average,
    "ceil": ceiling,
    "contains": contains,
    "ends_with": ends_with,
    "floor": floor,
    "join": join,
    "keys": keys,
    "length": length,
    "map": mapped,
    "max": greatest,
    "max_by": max_by,
    "merge": merge,
    "min": least,
    "min_by": min_by,
    "not_null": not_null,
    "reverse": reverse,
    "sort": sort,
    "sort_by": sort_by,
    "starts_with": starts_with,
    "sum": total,
    "to_array": to_array,
    "to_number": to_number,
    "to_string": to_string,
    "type": type_of,
    "values": values,
}
"""The specification's functions by name."""
