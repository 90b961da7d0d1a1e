"""The functions beyond the specification: time, letters, patterns, look-ups in lists of pairs.

Unlike the specification's they give null for null: an absent field makes the condition null, not an error.
``days_until`` and ``hours_since`` give whole numbers, rounded down: 1.5 days left are 1, half a day past is -1.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, Final

from tidings.expressions.errors import ClockMissing, Fault
from tidings.expressions.functions import wrong_type
from tidings.expressions.moments import moment
from tidings.expressions.patterns import compile_pattern, found_in
from tidings.expressions.values import equals

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR


def clock(function: str, now: int | None) -> int:
    """Return the time of the decision; raise Fault when none was given."""
    if now is None:
        raise Fault(ClockMissing, f"{function}() needs the time of the decision", hint="pass now=, epoch milliseconds")
    return now


def current_time(now: int | None, zone: tzinfo) -> int:
    """``now``."""
    del zone
    return clock("now", now)


def days_until(value: Any, now: int | None, zone: tzinfo) -> int | None:
    """``days_until``: periods of 24 hours left."""
    present = clock("days_until", now)
    return None if value is None else (moment("days_until", value, zone) - present) // DAY


def hours_since(value: Any, now: int | None, zone: tzinfo) -> int | None:
    """``hours_since``: hours gone."""
    present = clock("hours_since", now)
    return None if value is None else (present - moment("hours_since", value, zone)) // HOUR


def lower(value: Any) -> str | None:
    """``lower``."""
    return None if value is None else _text("lower", value).lower()


def upper(value: Any) -> str | None:
    """``upper``."""
    return None if value is None else _text("upper", value).upper()


def matches(value: Any, pattern: Any) -> bool | None:
    """``matches``: whether the pattern is found anywhere in the text."""
    if pattern.__class__ is not str:
        raise wrong_type("matches", pattern, "a pattern as text")
    compiled = compile_pattern(pattern)
    return None if value is None else found_in(compiled, _text("matches", value))


def lookup(array: Any, key: Any, value: Any) -> Any:
    """``lookup``: the first object whose field named ``key`` equals ``value``; an absent field is null."""
    if key.__class__ is not str:
        raise wrong_type("lookup", key, "the name of a field as text")
    if array is None:
        return None
    if array.__class__ is not list:
        raise wrong_type("lookup", array, "an array")
    for element in array:
        if element.__class__ is dict and equals(element.get(key), value):
            return element
    return None


def _text(function: str, value: Any) -> str:
    if value.__class__ is not str:
        raise wrong_type(function, value, "text")
    return str(value)


UNTIMED: Final[Mapping[str, Callable[..., Any]]] = {
    "lower": lower,
    "upper": upper,
    "matches": matches,
    "lookup": lookup,
}
"""Functions of their arguments alone."""

OF_TIME: Final[Mapping[str, Callable[..., Any]]] = {
    "now": current_time,
    "days_until": days_until,
    "hours_since": hours_since,
}
"""Functions that take the time of the decision and the zone after their arguments."""
