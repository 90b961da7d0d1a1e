"""Reading the expressions of a rule, with every problem at its place inside the text."""

from collections.abc import Sequence

from tidings.documents import Document, Path, Report
from tidings.events import catalog
from tidings.expressions import (
    Expression,
    ExpressionSyntaxError,
    Finding,
    Role,
    analyse,
    compile,  # noqa: A004 (named as in jmespath)
)
from tidings.model import Severity


class ExpressionReader:
    """Compiles and analyses texts, each once however many rules share it."""

    def __init__(self) -> None:
        self._compiled: dict[str, Expression | ExpressionSyntaxError] = {}
        self._found: dict[tuple[str, Role, tuple[str, ...], bool], tuple[Finding, ...]] = {}
        self._fields = {event.name: event.field for event in catalog()}

    def on(self, document: Document, events: Sequence[str], report: Report) -> "RuleExpressions":
        """Return a reader for the expressions of one rule; events not in the catalog are passed over."""
        return RuleExpressions(self, document, tuple(name for name in events if name in self._fields), report)

    def compile(self, text: str) -> Expression | ExpressionSyntaxError:
        """Return the expression, or what is wrong with its text."""
        if text not in self._compiled:
            try:
                self._compiled[text] = compile(text)
            except ExpressionSyntaxError as error:
                self._compiled[text] = error
        return self._compiled[text]

    def analyse(
        self, expression: Expression, role: Role, events: tuple[str, ...], *, gathered: bool
    ) -> tuple[Finding, ...]:
        """Return what is wrong with an expression on these events, or on digests of them."""
        key = (expression.text, role, events, gathered)
        if key not in self._found:
            fields = [self._fields[name] for name in events]
            self._found[key] = analyse(expression, fields, role=role, gathered=gathered)
        return self._found[key]


class RuleExpressions:
    """The expressions of one rule."""

    def __init__(self, reader: ExpressionReader, document: Document, events: tuple[str, ...], report: Report) -> None:
        self._reader = reader
        self._document = document
        self._events = events
        self._report = report

    def condition(self, path: Path, text: str | None) -> Expression | None:
        """Return the condition at a path, None when there is none or it is wrong."""
        return self._read(path, text, "condition")

    def value(self, path: Path, text: str | None) -> Expression | None:
        """Return the expression of a value at a path, None when there is none or it is wrong."""
        return self._read(path, text, "value")

    def told(self, path: Path, text: str, *, gathered: bool) -> Expression | None:
        """Return the expression of a value in a message at a path, which is read on a digest if events are gathered."""
        return self._read(path, text, "value", gathered=gathered)

    def _read(self, path: Path, text: str | None, role: Role, *, gathered: bool = False) -> Expression | None:
        if text is None:
            return None
        expression = self._reader.compile(text)
        if isinstance(expression, ExpressionSyntaxError):
            self._tell(path, expression, Severity.ERROR)
            return None
        for finding in self._reader.analyse(expression, role, self._events, gathered=gathered):
            self._tell(path, finding, finding.severity)
        return expression

    def _tell(self, path: Path, found: ExpressionSyntaxError | Finding, severity: Severity) -> None:
        self._report(
            self._document.problem(
                path,
                code=found.code,
                message=found.message,
                hint=found.hint,
                severity=severity,
                offset=found.offset,
                length=found.length,
            )
        )
