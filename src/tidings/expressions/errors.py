"""What can be wrong with an expression: its text, or what it meets when it is evaluated.

Every error tells where: ``offset`` and ``length`` count characters within the expression's text. ``code`` is
stable and kebab-case; ``hint`` says what to write instead, or is empty. The classes mirror those of the
reference implementation, so that either can be told apart in the same way.
"""

from typing import ClassVar

from tidings.errors import TidingsError


class ExpressionError(TidingsError):
    """Anything wrong with an expression."""

    reason = "INVALID_EXPRESSION"
    default_code: ClassVar[str] = "expression"

    def __init__(self, message: str, *, offset: int = 0, length: int = 0, code: str = "", hint: str = "") -> None:
        self.message = message
        self.offset = offset
        self.length = length
        self.code = code or self.default_code
        self.hint = hint
        super().__init__(f"{message}; {hint}" if hint else message)


class ExpressionSyntaxError(ExpressionError):
    """The text is no expression."""

    default_code = "unexpected-token"


class BadToken(ExpressionSyntaxError):
    """A character, or a quoted piece, that no expression contains."""

    default_code = "unknown-character"


class IncompleteExpression(ExpressionSyntaxError):
    """The text ends too early."""

    default_code = "incomplete-expression"


class EmptyExpression(ExpressionSyntaxError):
    """There is no text."""

    default_code = "empty-expression"


class ExpressionTooLarge(ExpressionSyntaxError):
    """The text is longer, or nests deeper, than the limits allow."""

    default_code = "expression-too-long"


class EvaluationError(ExpressionError):
    """The expression cannot be evaluated on this value."""

    reason = "EVALUATION_FAILED"
    default_code = "evaluation-failed"


class InvalidType(EvaluationError):
    """A function or an ordering met a value of a type it does not take."""

    default_code = "invalid-type"


class InvalidArity(EvaluationError):
    """A function was given too few or too many arguments."""

    default_code = "invalid-arity"


class UnknownFunction(EvaluationError):
    """There is no function of that name."""

    default_code = "unknown-function"


class InvalidValue(EvaluationError):
    """A value of the right type, but of no use there: a slice in steps of 0, a date that is none."""

    default_code = "invalid-value"


class ClockMissing(EvaluationError):
    """A function of time was evaluated without ``now``."""

    default_code = "clock-missing"


class ValueTooDeep(EvaluationError):
    """The value nests too deeply to be compared or written as text."""

    default_code = "value-too-deep"


class Fault(Exception):
    """Raised inside a function, which knows no place; becomes ``error`` at the place of the call."""

    def __init__(self, error: type[EvaluationError], message: str, *, hint: str = "") -> None:
        self.error = error
        self.message = message
        self.hint = hint
        super().__init__(message)
