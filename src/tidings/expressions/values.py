"""The laws of JSON values in JMESPath: equality, truth, order, type names.

They are the reference implementation's: a boolean equals no number, 0 is true, text is ordered against text
(the specification orders numbers only), and ordering text against a number is an error.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from tidings.expressions.errors import Fault, InvalidType

NUMERIC: Final = (int, float)
ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MIRRORED: Final[Mapping[str, str]] = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Each comparison with its sides exchanged."""
TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "object",
    int: "number",
    float: "number",
    type(None): "null",
}


class Reference:
    """An expression passed to a function unevaluated, as in ``sort_by(list, &key)``; call it with an element."""

    __slots__ = ("_evaluate",)

    def __init__(self, evaluate: Callable[[Any], Any]) -> None:
        self._evaluate = evaluate

    def __call__(self, value: Any) -> Any:
        """Evaluate the expression on an element."""
        return self._evaluate(value)


def type_name(value: Any) -> str:
    """Return the JMESPath name of the value's type; ``expref`` for an expression reference."""
    return "expref" if isinstance(value, Reference) else TYPE_NAMES.get(type(value), "unknown")


def equals(left: Any, right: Any) -> bool:
    """Say whether two values are equal; a boolean equals nothing but itself."""
    if left.__class__ is bool or right.__class__ is bool:
        return left is right
    return bool(left == right)


def is_true(value: Any) -> bool:
    """Say whether a condition holds: all but null, false, and empty text, arrays and objects."""
    return bool(value) or value.__class__ in NUMERIC


def ordered(operation: str, left: Any, right: Any) -> bool | None:
    """Order two numbers or two texts; null unless both are one or the other."""
    if _comparable(left) and _comparable(right):
        if (left.__class__ is str) is not (right.__class__ is str):
            raise text_against_number()
        return ORDER[operation](left, right)
    return None


def _comparable(value: Any) -> bool:
    return value.__class__ is str or value.__class__ in NUMERIC


def text_against_number() -> Fault:
    """Return the fault of ordering text against a number."""
    return Fault(
        InvalidType,
        "text cannot be ordered against a number",
        hint="to_number(...) makes a number of text; numbers are written in backticks, text in '...'",
    )
