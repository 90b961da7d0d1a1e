"""JMESPath expressions: parsed, checked against events, compiled, explained.

``compile(text).search(value)`` equals the reference implementation (the ``jmespath`` package) in results and in
classes of errors, except that nesting and length are bounded by errors with a place. Beyond the specification
there are ``now``, ``days_until``, ``hours_since``, ``lower``, ``upper``, ``matches`` and ``lookup``. The time is an
argument: nothing here reads a clock.
"""

from tidings.expressions.analysis import Role, analyse
from tidings.expressions.errors import (
    BadToken,
    ClockMissing,
    EmptyExpression,
    EvaluationError,
    ExpressionError,
    ExpressionSyntaxError,
    ExpressionTooLarge,
    IncompleteExpression,
    InvalidArity,
    InvalidType,
    InvalidValue,
    UnknownFunction,
    ValueTooDeep,
)
from tidings.expressions.expression import Expression, compile  # noqa: A004 - named as in jmespath
from tidings.expressions.findings import Finding
from tidings.expressions.paths import Path
from tidings.expressions.requirements import required_equalities, required_thresholds
from tidings.expressions.signatures import SIGNATURES, Signature
from tidings.expressions.trace import Trace, trace
from tidings.expressions.typed import BoundExpression, bind

__all__ = [
    "SIGNATURES",
    "BadToken",
    "BoundExpression",
    "ClockMissing",
    "EmptyExpression",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "ExpressionSyntaxError",
    "ExpressionTooLarge",
    "Finding",
    "IncompleteExpression",
    "InvalidArity",
    "InvalidType",
    "InvalidValue",
    "Path",
    "Role",
    "Signature",
    "Trace",
    "UnknownFunction",
    "ValueTooDeep",
    "analyse",
    "bind",
    "compile",
    "required_equalities",
    "required_thresholds",
    "trace",
]
