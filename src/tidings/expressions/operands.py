"""Where generated code holds a value, and what is known of it while the code is written."""

from dataclasses import dataclass
from typing import Any, Final

Kinds = frozenset[str]
"""Possible types of a value, by their JMESPath names."""

NUMBER: Final = frozenset({"number", "null"})
TEXT: Final = frozenset({"string", "null"})
TRUTH: Final = frozenset({"boolean", "null"})
BOOLEAN: Final = frozenset({"boolean"})
ARRAY: Final = frozenset({"array", "null"})
NULL: Final = frozenset({"null"})
KIND_OF: Final = {
    str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operand:
    """Where the generated code holds a value, and what is known of it."""

    name: str
    kinds: Kinds | None = None
    """Its possible types; None when anything is possible."""
    constant: Any = None
    is_constant: bool = False
    shape: Any = None
    """What a writer for messages knows of it; None for a JSON value."""

    def within(self, kinds: Kinds) -> bool:
        """Say whether the value can only be of these types."""
        return self.kinds is not None and self.kinds <= kinds

    def lacks(self, kind: str) -> bool:
        """Say whether the value cannot be of this type."""
        return self.kinds is not None and kind not in self.kinds


def joined(left: Kinds | None, right: Kinds | None) -> Kinds | None:
    """Return the types of a value that is one or the other."""
    return None if left is None or right is None else left | right
