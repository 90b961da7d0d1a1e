"""Evaluates an expression part by part, for ``explain`` and to tell the place of what went wrong.

Slow and plain on purpose: the compiled functions are for the hot path, this is for people. The law between
them: ``trace(expression, value).value`` is what ``expression.search(value)`` returns, and an error of one is
the error of the other.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final, Protocol

from tidings.expressions.errors import (
    EvaluationError,
    Fault,
    InvalidArity,
    InvalidType,
    InvalidValue,
    UnknownFunction,
    ValueTooDeep,
)
from tidings.expressions.extensions import OF_TIME, UNTIMED
from tidings.expressions.functions import STANDARD
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.signatures import SIGNATURES
from tidings.expressions.values import Reference, equals, is_true, ordered

RECORDED_LIMIT: Final = 50
"""How many children of one part are recorded; further ones are evaluated and counted."""
PATH_KINDS: Final = frozenset({Kind.FIELD, Kind.INDEX, Kind.SLICE, Kind.IDENTITY, Kind.CURRENT})
"""Steps of a path, which are told as the whole path's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one part of an expression came to, and the parts within it that were evaluated."""

    kind: Kind
    offset: int
    length: int
    value: Any = None
    error: EvaluationError | None = None
    """Why there is no value; the same in every part around the one that failed."""
    children: tuple["Trace", ...] = ()
    """In the order of evaluation: a part that was not needed is missing, one within a projection is repeated."""
    omitted: int = 0
    """How many further children were evaluated but are not kept."""

    @property
    def decided_by(self) -> "Trace":
        """The smallest part that decided the result: the failing conjunct, the alternative that held, the fault."""
        if self.error is not None:
            return next((child.decided_by for child in self.children if child.error is not None), self)
        if not self.children:
            return self
        last = self.children[-1]
        follows = {
            Kind.AND: not is_true(self.value),
            Kind.OR: is_true(self.value),
            Kind.NOT: True,
            Kind.PIPE: last.kind in (Kind.AND, Kind.OR, Kind.NOT, Kind.COMPARE),
        }
        return last.decided_by if follows.get(self.kind, False) else self


class Traceable(Protocol):
    """An expression, as far as tracing needs it."""

    @property
    def root(self) -> Node:
        """The expression's tree."""


def trace(expression: Traceable, value: Any, *, now: int | None = None, zone: tzinfo = UTC) -> Trace:
    """Evaluate and tell what every part came to. Never raises EvaluationError: the trace carries it."""
    recorder = _Recorder()
    with suppress(EvaluationError):  # it is recorded at the part that failed and at those around it
        _Evaluation(now, zone, recorder).visit(expression.root, value)
    return recorder.root


def evaluate(root: Node, value: Any, *, now: int | None, zone: tzinfo) -> Any:
    """Evaluate the tree; raise EvaluationError with the place of the part that failed."""
    return _Evaluation(now, zone, None).visit(root, value)


@dataclass(slots=True)
class _Record:
    node: Node
    children: list[Trace] = field(default_factory=list)
    omitted: int = 0


class _Recorder:
    """Keeps the parts under evaluation, and hangs each, once done, under the one around it."""

    def __init__(self) -> None:
        self._open: list[_Record] = [_Record(Node(Kind.IDENTITY, 0, 0))]

    @property
    def root(self) -> Trace:
        """The trace of the whole, once done."""
        return self._open[0].children[0]

    def begin(self, node: Node) -> None:
        self._open.append(_Record(node))

    def end(self, value: Any, error: EvaluationError | None) -> None:
        done, around = self._open.pop(), self._open[-1]
        if len(around.children) >= RECORDED_LIMIT and error is None:
            around.omitted += 1
            return
        node = done.node
        around.children.append(
            Trace(
                kind=node.kind,
                offset=node.offset,
                length=node.length,
                value=value,
                error=error,
                children=tuple(done.children),
                omitted=done.omitted,
            )
        )


class _Evaluation:
    """One walk over the tree."""

    def __init__(self, now: int | None, zone: tzinfo, recorder: _Recorder | None) -> None:
        self._now = now
        self._zone = zone
        self._recorder = recorder

    def visit(self, node: Node, value: Any) -> Any:
        """Evaluate a part on the current value, and record it."""
        if self._recorder is None:
            return self._located(node, value)
        self._recorder.begin(node)
        try:
            result = self._located(node, value)
        except EvaluationError as error:
            self._recorder.end(None, error)
            raise
        self._recorder.end(result, None)
        return result

    def _step(self, node: Node, value: Any) -> Any:
        """Evaluate a step of a chain: those of plain paths are not worth a record."""
        return self._located(node, value) if node.kind in PATH_KINDS else self.visit(node, value)

    def _located(self, node: Node, value: Any) -> Any:
        """Evaluate a part; whatever goes wrong in it gets its place."""
        method: Callable[[Node, Any], Any] = getattr(self, f"_{node.kind.value}")
        try:
            return method(node, value)
        except EvaluationError:
            raise
        except Fault as fault:
            raise self._error(fault.error, fault.message, node, hint=fault.hint) from None
        except RecursionError:
            raise self._error(ValueTooDeep, "the value nests too deeply", node) from None
        except TypeError as error:
            raise self._error(InvalidType, f"{self._name(node)}: {error}", node) from None
        except (ValueError, ArithmeticError) as error:
            raise self._error(InvalidValue, f"{self._name(node)}: {error}", node) from None

    def _error(self, kind: type[EvaluationError], message: str, node: Node, *, hint: str = "") -> EvaluationError:
        return kind(message, offset=node.offset, length=node.length, hint=hint)

    def _name(self, node: Node) -> str:
        return f"{node.value}()" if node.kind is Kind.CALL else node.kind.value

    # One method a kind of node.

    def _field(self, node: Node, value: Any) -> Any:
        return value.get(node.value) if isinstance(value, dict) else None

    def _index(self, node: Node, value: Any) -> Any:
        if not isinstance(value, list) or not -len(value) <= node.value < len(value):
            return None
        return value[node.value]

    def _slice(self, node: Node, value: Any) -> Any:
        return value[slice(*node.value)] if isinstance(value, list) else None

    def _literal(self, node: Node, value: Any) -> Any:
        del value
        return node.value

    def _current(self, node: Node, value: Any) -> Any:
        del node
        return value

    _identity = _current

    def _chain(self, node: Node, value: Any) -> Any:
        for child in node.children:
            value = self._step(child, value)
        return value

    def _pipe(self, node: Node, value: Any) -> Any:
        for child in node.children:
            value = self.visit(child, value)
        return value

    def _or(self, node: Node, value: Any) -> Any:
        result = None
        for child in node.children:
            result = self.visit(child, value)
            if is_true(result):
                break
        return result

    def _and(self, node: Node, value: Any) -> Any:
        result = None
        for child in node.children:
            result = self.visit(child, value)
            if not is_true(result):
                break
        return result

    def _not(self, node: Node, value: Any) -> Any:
        return not is_true(self.visit(node.children[0], value))

    def _compare(self, node: Node, value: Any) -> Any:
        left, right = self.visit(node.children[0], value), self.visit(node.children[1], value)
        match node.value:
            case "==":
                return equals(left, right)
            case "!=":
                return not equals(left, right)
            case _:
                return ordered(node.value, left, right)

    def _call(self, node: Node, value: Any) -> Any:
        arguments = [self.visit(child, value) for child in node.children]
        signature = SIGNATURES.get(node.value)
        if signature is None:
            raise Fault(UnknownFunction, f"there is no function {node.value}()")
        if not signature.accepts(len(arguments)):
            least = "at least " if signature.variadic else ""
            raise Fault(InvalidArity, f"{node.value}() takes {least}{len(signature.takes)}, not {len(arguments)}")
        if node.value in OF_TIME:
            return OF_TIME[node.value](*arguments, self._now, self._zone)
        return (STANDARD.get(node.value) or UNTIMED[node.value])(*arguments)

    def _reference(self, node: Node, value: Any) -> Any:
        del value
        return Reference(lambda element: self.visit(node.children[0], element))

    def _list(self, node: Node, value: Any) -> Any:
        return None if value is None else [self.visit(child, value) for child in node.children]

    def _hash(self, node: Node, value: Any) -> Any:
        return None if value is None else {child.value: self.visit(child, value) for child in node.children}

    def _pair(self, node: Node, value: Any) -> Any:
        return self._step(node.children[0], value)

    def _flatten(self, node: Node, value: Any) -> Any:
        base = self._step(node.children[0], value)
        if not isinstance(base, list):
            return None
        flat: list[Any] = []
        for element in base:
            flat.extend(element if isinstance(element, list) else [element])
        return flat

    def _projection(self, node: Node, value: Any) -> Any:
        base = self._step(node.children[0], value)
        return self._collect(node.children[1], base) if isinstance(base, list) else None

    def _values(self, node: Node, value: Any) -> Any:
        base = self._step(node.children[0], value)
        return self._collect(node.children[1], base.values()) if isinstance(base, dict) else None

    def _filter(self, node: Node, value: Any) -> Any:
        left, right, condition = node.children
        base = self._step(left, value)
        if not isinstance(base, list):
            return None
        # One element after the other, as in the reference: which error comes first depends on it.
        chosen = (element for element in base if is_true(self.visit(condition, element)))
        return self._collect(right, chosen)

    def _collect(self, each: Node, elements: Iterable[Any]) -> list[Any]:
        results = (self._step(each, element) for element in elements)
        return [result for result in results if result is not None]
