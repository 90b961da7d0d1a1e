"""What must hold in every event that a condition is true for, as far as an index can use it.

Only parts that are evaluated before anything that could fail count. So a rule that an index leaves out is one whose
condition would have been evaluated, without failing, to something that is not true.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tidings.expressions import Expression
from tidings.expressions.nodes import Kind, Node

FieldPath = tuple[str, ...]

_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SCALARS: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Equality:
    """The value at a path must be this scalar. Python takes true for 1: whoever looks it up may find too much."""

    path: FieldPath
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The number at a path must be at least (``>``, ``>=``) or at most (``<``, ``<=``) this one."""

    path: FieldPath
    above: bool
    value: float


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a condition requires, and on what that rests."""

    equalities: tuple[Equality, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    numbers: frozenset[FieldPath] = frozenset()
    """Paths that are ordered against numbers: where one holds a text, evaluating fails and nothing here counts."""


def requirements(expression: Expression | None) -> Requirements:
    """Return what a condition requires; nothing of None, which is always true."""
    equalities: list[Equality] = []
    thresholds: list[Threshold] = []
    numbers: set[FieldPath] = set()
    for part in _conjuncts(expression.root) if expression is not None else ():
        ordered: set[FieldPath] = set()
        if not _is_safe(part, ordered):
            break
        numbers |= ordered
        if (equality := _equality(part)) is not None:
            equalities.append(equality)
        elif (threshold := _threshold(part)) is not None:
            thresholds.append(threshold)
    return Requirements(tuple(equalities), tuple(thresholds), frozenset(numbers))


def _conjuncts(node: Node) -> Iterator[Node]:
    """Yield the parts of a conjunction in the order of their evaluation."""
    if node.kind is Kind.AND:
        for child in node.children:
            yield from _conjuncts(child)
    else:
        yield node


def _is_safe(node: Node, ordered: set[FieldPath]) -> bool:
    """Say whether evaluating cannot fail, provided that no path added to ``ordered`` holds a text."""
    if node.kind is Kind.LITERAL or field_path(node) is not None:
        return True
    if node.kind in (Kind.AND, Kind.OR, Kind.NOT) or (node.kind is Kind.COMPARE and node.value in ("==", "!=")):
        return all(_is_safe(child, ordered) for child in node.children)
    threshold = _threshold(node)
    if threshold is not None:
        ordered.add(threshold.path)
    return threshold is not None


def _equality(node: Node) -> Equality | None:
    """Read ``path == literal``, either way round."""
    if node.kind is not Kind.COMPARE or node.value != "==":
        return None
    for path_node, literal in (node.children, reversed(node.children)):
        path = field_path(path_node)
        if path is not None and literal.kind is Kind.LITERAL and literal.value.__class__ in _SCALARS:
            return Equality(path, literal.value)
    return None


def _threshold(node: Node) -> Threshold | None:
    """Read ``path > number`` and the like, either way round."""
    if node.kind is not Kind.COMPARE or node.value not in _MIRRORED:
        return None
    left, right = node.children
    operator = node.value
    if left.kind is Kind.LITERAL:
        left, right, operator = right, left, _MIRRORED[operator]
    path = field_path(left)
    if path is None or right.kind is not Kind.LITERAL or right.value.__class__ not in (int, float):
        return None
    return Threshold(path, operator in (">", ">="), right.value)


def field_path(node: Node) -> FieldPath | None:
    """Return the names of a plain path such as ``data.customer.id``, or None."""
    if node.kind is Kind.FIELD:
        return (node.value,)
    if node.kind is not Kind.CHAIN:
        return None
    names: FieldPath = ()
    for child in node.children:
        within = field_path(child)
        if within is None:
            return None
        names += within
    return names
