"""What must hold of a value for a condition to be true: the handles by which an index finds rules.

Sound, not complete: where a requirement does not hold, the expression cannot return exactly ``true``; where all
hold, it may still be false. Paths are field names from the top of the value.
"""

from collections.abc import Iterator
from typing import Any

from tidings.expressions.expression import Expression
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.paths import Path, plain_path
from tidings.expressions.values import MIRRORED

Equality = tuple[Path, str | int | float | bool]
"""``path == literal``, by ``equals``: true is not 1, though Python's dictionaries take them for one key."""
Threshold = tuple[Path, str, int | float]
"""``path < number`` and so on, the path on the left."""


def required_equalities(expression: Expression) -> tuple[Equality, ...]:
    """Return the equalities with a text, number or boolean that every true result must satisfy."""
    return tuple(
        (path, literal)
        for path, operation, literal in _comparisons(expression.root)
        if operation == "==" and isinstance(literal, str | int | float)
    )


def required_thresholds(expression: Expression) -> tuple[Threshold, ...]:
    """Return the orderings against a number that every true result must satisfy."""
    return tuple(
        (path, operation, literal)
        for path, operation, literal in _comparisons(expression.root)
        if operation not in ("==", "!=") and isinstance(literal, int | float) and not isinstance(literal, bool)
    )


def _comparisons(root: Node) -> Iterator[tuple[Path, str, Any]]:
    for part in _conjuncts(root):
        if part.kind is not Kind.COMPARE:
            continue
        left, right = part.children
        operation = str(part.value)
        if left.kind is Kind.LITERAL:
            left, right, operation = right, left, MIRRORED[operation]
        path = plain_path(left)
        if path is not None and right.kind is Kind.LITERAL:
            yield path, operation, right.value


def _conjuncts(node: Node) -> Iterator[Node]:
    if node.kind is Kind.AND:
        for child in node.children:
            yield from _conjuncts(child)
    else:
        yield node
