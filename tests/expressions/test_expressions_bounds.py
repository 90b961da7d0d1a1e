"""Length, depth and patterns are bounded, by errors with a place."""

import time
from typing import Any

import pytest

from tidings.expressions import (
    ExpressionSyntaxError,
    ExpressionTooLarge,
    InvalidValue,
    ValueTooDeep,
    analyse,
    trace,
)
from tidings.expressions import compile as compile_expression


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 1_000 + "a" + ")" * 1_000, "expression-too-deep"),
        ("!" * 1_000 + "a", "expression-too-deep"),
        ("a" + "[*]" * 1_000, "expression-too-deep"),
        ("a" + " == a" * 1_000, "expression-too-deep"),
        ("[" * 1_000 + "a" + "]" * 1_000, "expression-too-deep"),
        ("`" + "[" * 4_000 + "]" * 4_000 + "`", "expression-too-deep"),
        ("a" * 10_001, "expression-too-long"),
        ("a[" + "1" * 5_000 + "]", "number-too-long"),
    ],
)
def test_what_is_too_large_is_an_error_with_a_place(text: str, code: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression(text)
    assert (caught.value.code, caught.value.length > 0) == (code, True)


def test_too_large_is_a_class_of_its_own() -> None:
    with pytest.raises(ExpressionTooLarge):
        compile_expression("a" * 10_001)


@pytest.mark.parametrize(
    "text",
    [
        " || ".join(["a"] * 2_000),
        " && ".join(["`1`"] * 1_200) + " && a",
        "a" + ".a" * 4_000,
        " | ".join(["@"] * 2_500),
        "(" * 90 + "a" + ")" * 90,
        "a" + "[*]" * 90,
        "[" * 90 + "a" + "]" * 90,
        "a[?" * 45 + "a" + "]" * 45,
        "a || (b && " * 40 + "a" + ")" * 40,
        "to_array(" * 90 + "a" + ")" * 90,
        "map(&" * 40 + "a" + ", @)" * 40,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_long_or_fairly_deep_is_evaluated_checked_and_traced(text: str) -> None:
    expression, value = compile_expression(text), {"a": [1]}
    told = trace(expression, value)
    analyse(expression, [])
    if told.error is None:
        assert expression.search(value) == told.value
    else:
        with pytest.raises(type(told.error)):
            expression.search(value)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("text", ["a == b", "to_string(a)"])
def test_a_value_that_nests_too_deeply_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(ValueTooDeep) as caught:
        compile_expression(text).search({"a": nested(100_000), "b": nested(100_000)})
    assert (caught.value.offset, caught.value.length) == (0, len(text))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$", "(a|aa)+$", "(a*)*b", "(a?){50}a{50}", "a*a*a*a*a*b", r"(a)\1", "(?=a)b", "(?P<n>a)", "a" * 201, "(",
        "(.*,){11}P", "a?" * 40 + "a" * 40, "([a-z]+[0-9]*)+x", "(?i:a)", "x{1,}{1,}", "(?<!a)b", "(a{1,9}){2,9}",
    ],
)  # fmt: skip
def test_a_pattern_that_could_run_for_long_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValue):
        compile_expression(f"matches(a, '{pattern}')").search({"a": "a" * 200})


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^gold", "golden", True),
        ("old$", "gold", True),
        ("(?i)GOLD", "gold", True),
        ("^(gold|silver)$", "silver", True),
        ("^(?:gold)?$", "", True),
        (r"^[a-z0-9._]+@[a-z0-9.]+\.[a-z]{2,}$", "ada@example.com", True),
        (r"^\d{3}-\d{4}$", "555-1234", True),
        (r"^(\d{3}-){2}\d{4}$", "555-555-1234", True),
        (r"[\]x]+", "]", True),
        ("z", "gold", False),
    ],
)
def test_a_plain_pattern_is_looked_for(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    doubled = pattern.replace("\\", "\\\\")
    literal = f'`"{doubled}"`'
    found = [compile_expression(f"matches(a, {each})").search({"a": text}) for each in (f"'{pattern}'", literal)]
    assert found == [expected, expected]


@pytest.mark.parametrize("pattern", ["a*a*b", "^a*a*a*b", ".*a.*b", "a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaab"])
def test_the_slowest_pattern_that_is_taken_ends_soon(pattern: str) -> None:
    started = time.perf_counter()
    assert compile_expression(f"matches(a, '{pattern}')").search({"a": "a" * 300}) is False
    assert time.perf_counter() - started < 5


def test_text_too_long_for_a_pattern_is_an_error() -> None:
    with pytest.raises(InvalidValue, match="up to 300 characters"):
        compile_expression("matches(a, 'x')").search({"a": "a" * 301})
