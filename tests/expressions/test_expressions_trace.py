"""A trace tells what every part came to, and which part decided."""

from typing import Any

import pytest

from tidings.expressions import Trace, trace
from tidings.expressions import compile as compile_expression

DOCUMENT = {"a": 1, "b": 5, "name": "gold", "list": [{"x": 1}, {"x": 2}]}


def outline(text: str, step: Trace) -> list[Any]:
    part = text[step.offset : step.offset + step.length]
    return [part, step.value, *(outline(text, child) for child in step.children)]


def test_every_part_evaluated_is_told_with_its_value() -> None:
    text = "a == `1` && (b > `9` || name == 'x') && missing"
    assert outline(text, trace(compile_expression(text), DOCUMENT)) == [
        text.removesuffix(" && missing") + " && missing",
        False,
        ["a == `1`", True, ["a", 1], ["`1`", 1]],
        [
            "b > `9` || name == 'x'",
            False,
            ["b > `9`", False, ["b", 5], ["`9`", 9]],
            ["name == 'x'", False, ["name", "gold"], ["'x'", "x"]],
        ],
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a == `1` && b > `9` && name", "b > `9`"),
        ("a == `2` || b > `1`", "b > `1`"),
        ("a == `2` || b > `9`", "a == `2` || b > `9`"),
        ("a == `1` && b > `1`", "a == `1` && b > `1`"),
        ("a == `1` && (b > `1` && name == 'x')", "name == 'x'"),
        ("!(a == `1`)", "a == `1`"),
        ("list[?x > `1`] | length(@) > `5`", "length(@) > `5`"),
        ("a == `1` && missing.field", "missing.field"),
        ("a == `1` && abs(name) > `1`", "abs(name)"),
        ("name > `1` || a", "name > `1`"),
    ],
)
def test_the_smallest_part_that_decided_is_told(text: str, part: str) -> None:
    decided = trace(compile_expression(text), DOCUMENT).decided_by
    assert text[decided.offset : decided.offset + decided.length] == part


def test_an_error_is_told_at_its_part_and_around_it() -> None:
    told = trace(compile_expression("a == `1` && abs(name) > `1`"), DOCUMENT)
    assert told.error is not None
    assert (told.value, told.error.code, told.error.offset) == (None, "invalid-type", 12)
    assert [child.error is told.error for child in told.children] == [False, True]


def test_of_many_elements_some_are_kept_and_the_rest_counted() -> None:
    told = trace(compile_expression("@[?@ > `10`]"), list(range(1_000)))
    assert (len(told.value), len(told.children), told.omitted) == (989, 50, 950)
