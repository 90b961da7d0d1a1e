"""The tree of an expression. Every node knows the characters it was written with."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a node does with the current value."""

    FIELD = "field"
    """Read the field named ``value``."""
    INDEX = "index"
    """Read the element at ``value``."""
    SLICE = "slice"
    """Read the elements of ``value``: (start, stop, step)."""
    LITERAL = "literal"
    """``value`` itself."""
    CURRENT = "current"
    """The current value, ``@``."""
    IDENTITY = "identity"
    """The current value, where nothing was written."""
    CHAIN = "chain"
    """Children one after the other, each on the result of the one before: ``a.b[0]``."""
    PIPE = "pipe"
    """The same with ``|``, which ends a projection."""
    OR = "or"
    AND = "and"
    NOT = "not"
    COMPARE = "compare"
    """Two children compared by the operator ``value``."""
    CALL = "call"
    """The function named ``value`` on the children."""
    REFERENCE = "reference"
    """The child unevaluated, ``&a``."""
    LIST = "list"
    HASH = "hash"
    """Children are PAIR nodes."""
    PAIR = "pair"
    """The child under the key ``value``."""
    FLATTEN = "flatten"
    PROJECTION = "projection"
    """The second child on each element of the first."""
    FILTER = "filter"
    """The second child on each element of the first for which the third is true."""
    VALUES = "values"
    """The second child on each value of the object that the first is."""


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression; ``offset`` and ``length`` are its characters in the text."""

    kind: Kind
    offset: int
    length: int
    value: Any = None
    children: tuple["Node", ...] = ()
    depth: int = 1
    """How many levels of parts it holds, itself included."""

    @property
    def end(self) -> int:
        """Where the characters after this part begin."""
        return self.offset + self.length

    def walk(self) -> Iterator["Node"]:
        """Yield this part and all within it, outer before inner, left before right."""
        yield self
        for child in self.children:
            yield from child.walk()
