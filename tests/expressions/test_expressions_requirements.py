"""What an expression reads, and what must hold for it to be true."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions_kit import DOCUMENTS, EXPRESSIONS, PATIENT, Gave, our_outcome
from tidings.expressions import Expression, Path, required_equalities, required_thresholds
from tidings.expressions import compile as compile_expression
from tidings.expressions.requirements import Threshold
from tidings.expressions.values import equals, ordered


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a.b", {("a", "b")}),
        ("a.b == `1` && c", {("a", "b"), ("c",)}),
        ("a[0].b", {("a", "*", "b")}),
        ("a[*].b", {("a", "*", "b")}),
        ("a[?x == `1`].y", {("a", "*", "x"), ("a", "*", "y")}),
        ("a[].b", {("a",)}),
        ("(a || b).c", {("a",), ("b",), ("a", "c"), ("b", "c")}),
        ("sort_by(a, &b)", {("a",)}),
        ("{x: a.b}", {(), ("a", "b")}),
        ("@", {()}),
        ("`1`", set()),
        ("a | b | c", {("a", "b", "c")}),
    ],
)
def test_the_paths_of_an_expression(text: str, paths: set[Path]) -> None:
    assert compile_expression(text).paths == paths


@pytest.mark.parametrize(
    ("text", "equalities", "thresholds"),
    [
        ("a.b == 'x'", ((("a", "b"), "x"),), ()),
        ("`5` == a", ((("a",), 5),), ()),
        ("a == `true` && (b == 'y' && c > `1`)", ((("a",), True), (("b",), "y")), ((("c",), ">", 1),)),
        ("`1.5` <= a", (), ((("a",), ">=", 1.5),)),
        ("@.a == 'x'", ((("a",), "x"),), ()),
        ("a == 'x' || b == 'y'", (), ()),
        ("!(a == 'x')", (), ()),
        ("a == `null` && b != 'x' && c == d && e[0] == 'x' && f > 'x'", (), ()),
        ("a == 'x' | @", (), ()),
    ],
)
def test_the_requirements_of_a_condition(text: str, equalities: Any, thresholds: Any) -> None:
    expression = compile_expression(text)
    assert (required_equalities(expression), required_thresholds(expression)) == (equalities, thresholds)


def read(value: Any, path: Path) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


PARTS = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["a", "b", "a.b", "data.c"]),
        st.sampled_from(["==", "==", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["`0`", "`1`", "`1.5`", "`true`", "`false`", "'gold'", "''", "`10`"]),
    ),
    EXPRESSIONS.map("({})".format),
)


@PATIENT
@given(parts=st.lists(PARTS, min_size=1, max_size=3), document=DOCUMENTS)
def test_a_true_condition_meets_its_requirements(parts: list[str], document: Any) -> None:
    expression = compile_expression(" && ".join(parts))
    met = [equals(read(document, path), literal) for path, literal in required_equalities(expression)]
    met += [ordered(sign, read(document, path), number) is True for path, sign, number in bounds(expression, document)]
    assert our_outcome(expression.text, document) != Gave("True") or all(met)


def bounds(expression: Expression, document: Any) -> list[Threshold]:
    """Return the thresholds, but none on a path where there is text: ordering that is an error, never true."""
    return [each for each in required_thresholds(expression) if not isinstance(read(document, each[0]), str)]
