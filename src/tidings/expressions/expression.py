"""A compiled expression and its search."""

from datetime import UTC, tzinfo
from typing import Any, Final

from tidings.expressions.errors import EvaluationError, Fault
from tidings.expressions.nodes import Node
from tidings.expressions.operands import Operand
from tidings.expressions.parser import parse
from tidings.expressions.paths import Path, paths
from tidings.expressions.source import Run, SourceWriter
from tidings.expressions.trace import evaluate

FAULTS: Final = (Fault, EvaluationError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What a compiled function may raise; evaluating again tells the place and the reason."""


class Expression:
    """A JMESPath expression, parsed once. Equal expressions have equal texts."""

    __slots__ = ("_paths", "_run", "root", "text")

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.root = root
        self._run: Run | None = None
        self._paths: frozenset[Path] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def search(self, value: Any, *, now: int | None = None, zone: tzinfo = UTC) -> Any:
        """Return what the expression finds in a JSON value.

        ``now`` (epoch milliseconds) is read by the functions of time only, ``zone`` by those that meet dates
        without a zone. Raises EvaluationError with the place of the part that failed.
        """
        try:
            return (self._run or self._compiled())(value, now, zone)
        except FAULTS:
            return evaluate(self.root, value, now=now, zone=zone)

    @property
    def paths(self) -> frozenset[Path]:
        """The paths it reads, each a tuple of names, ``*`` for any element; ``()`` means the whole value."""
        if self._paths is None:
            self._paths = paths(self.root)
        return self._paths

    def _compiled(self) -> Run:
        """Make the function at the first search: a rule read for checking only never needs it."""
        self._run = SourceWriter().function(self.root, Operand("v"))
        return self._run


def compile(text: str) -> Expression:  # noqa: A001 - named as in jmespath
    """Read an expression; raise ExpressionSyntaxError with the place of what is wrong."""
    return Expression(text, parse(text))
