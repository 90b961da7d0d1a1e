"""Which parts of a value an expression reads.

A path is a tuple of field names; ``*`` stands for any element or any field. A path means all that lies under it:
an expression whose result is ``data.items`` reads every field of every item. The answer may name more than is
read, never less.
"""

from collections.abc import Iterable
from typing import Final

from tidings.expressions.nodes import Kind, Node

Path = tuple[str, ...]
ANY: Final = "*"

_Origins = frozenset[Path]
_NOWHERE: Final[_Origins] = frozenset()


def paths(root: Node) -> frozenset[Path]:
    """Return the paths that the expression reads; ``()`` among them means the whole value."""
    reading = _Reading()
    reading.use(reading.visit(root, frozenset({()})))
    return frozenset(reading.read)


def overlap(left: Path, right: Path) -> bool:
    """Say whether one of two paths lies at or under the other."""
    return all(ANY in (one, other) or one == other for one, other in zip(left, right, strict=False))


def plain_path(node: Node) -> Path | None:
    """Return the names of a part that is nothing but names and dots, else None."""
    if node.kind is Kind.FIELD:
        return (str(node.value),)
    if node.kind is not Kind.CHAIN:
        return None
    steps = [child for child in node.children if child.kind is not Kind.CURRENT]
    return tuple(str(step.value) for step in steps) if all(step.kind is Kind.FIELD for step in steps) else None


class _Reading:
    """One walk over a tree, from where each value comes."""

    def __init__(self) -> None:
        self.read: set[Path] = set()

    def use(self, origins: Iterable[Path]) -> None:
        """Note that values from there decide the result."""
        self.read.update(origins)

    def visit(self, node: Node, origins: _Origins) -> _Origins:
        """Return where the part's value may come from, given where the current one does."""
        match node.kind:
            case Kind.FIELD:
                return frozenset((*path, str(node.value)) for path in origins)
            case Kind.INDEX:
                return _elements(origins)
            case Kind.SLICE | Kind.CURRENT | Kind.IDENTITY:
                return origins
            case Kind.CHAIN | Kind.PIPE:
                for child in node.children:
                    origins = self.visit(child, origins)
                return origins
            case Kind.PROJECTION | Kind.FILTER | Kind.VALUES | Kind.FLATTEN:
                return self._project(node, origins)
            case Kind.LIST | Kind.HASH:
                self.use(origins)  # they are null where the current value is
        return self._combine(node, origins)

    def _combine(self, node: Node, origins: _Origins) -> _Origins:
        """Visit all children, if any, on the current value; what they find is used up here."""
        if node.kind is Kind.REFERENCE:
            origins = _NOWHERE  # what it is evaluated on is an argument beside it, used as a whole
        found = [self.visit(child, origins) for child in node.children]
        self.use(path for each in found for path in each)
        return _NOWHERE.union(*found) if node.kind in (Kind.OR, Kind.AND) else _NOWHERE

    def _project(self, node: Node, origins: _Origins) -> _Origins:
        base = self.visit(node.children[0], origins)
        elements = _elements(base)
        if node.kind in (Kind.FLATTEN, Kind.VALUES):
            self.use(base)
        for child in node.children[1:]:
            self.use(self.visit(child, elements))
        return _NOWHERE


def _elements(origins: _Origins) -> _Origins:
    return frozenset((*path, ANY) for path in origins)
