"""The functions beyond the specification."""

from datetime import UTC, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from tidings.expressions import ClockMissing, EvaluationError, InvalidType, InvalidValue, trace
from tidings.expressions import compile as compile_expression

NOON: Final = 1_714_564_800_000
"""2024-05-01T12:00:00Z."""
KOLKATA: Final = ZoneInfo("Asia/Kolkata")
NEW_YORK: Final = ZoneInfo("America/New_York")
DAY: Final = 86_400_000
DOCUMENT: Final = {
    "soon": NOON + DAY + 1,
    "half": NOON + DAY / 2,
    "past": NOON - DAY // 2,
    "name": "Gold",
    "list": [{"key": "a", "value": 1}, {"key": "b", "value": 2}, {"key": "b", "value": 3}, "b", {"value": 9}],
    "flags": [{"on": True, "v": 1}, {"on": 1, "v": 2}],
}


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("now()", UTC, NOON),
        ("days_until(soon)", UTC, 1),
        ("days_until(half)", UTC, 0),
        ("days_until(past)", UTC, -1),
        ("days_until('2024-05-01')", UTC, 0),
        ("days_until('2024-05-02')", UTC, 1),
        ("days_until('2024-04-30')", UTC, -1),
        ("days_until('2024-05-02')", KOLKATA, 1),
        ("hours_since('2024-05-01')", UTC, -12),
        ("hours_since('2024-05-01')", KOLKATA, -7),
        ("hours_since('2024-05-01 10:00:00')", UTC, 2),
        ("hours_since('2024-05-01 10:00:00')", NEW_YORK, -2),
        ("hours_since('2024-05-01T10:00:00Z')", NEW_YORK, 2),
        ("hours_since('2024-05-01T10:00:00+05:30')", UTC, 7),
        ("hours_since('2024-05-01T10:00:00+0530')", UTC, 7),
        ("hours_since('2024-05-01 10:00:00.5 Z')", UTC, 1),
        ("hours_since('2024-05-01T10:00')", UTC, 2),
        ("hours_since('2024-03-10')", NEW_YORK, 1232),
        ("days_until(missing)", UTC, None),
        ("hours_since(missing)", UTC, None),
        ("lower(name)", UTC, "gold"),
        ("upper(name)", UTC, "GOLD"),
        ("lower(missing)", UTC, None),
        ("upper(missing)", UTC, None),
        ("matches(name, '^G')", UTC, True),
        ("matches(missing, '^G')", UTC, None),
        ("lookup(list, 'key', 'b').value", UTC, 2),
        ("lookup(list, 'key', 'z')", UTC, None),
        ("lookup(list, 'key', missing).value", UTC, 9),
        ("lookup(missing, 'key', 'b')", UTC, None),
        ("lookup(flags, 'on', `1`).v", UTC, 2),
    ],
)
def test_an_extension_gives(text: str, zone: tzinfo, expected: Any) -> None:
    expression = compile_expression(text)
    assert expression.search(DOCUMENT, now=NOON, zone=zone) == expected
    assert trace(expression, DOCUMENT, now=NOON, zone=zone).value == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("days_until('soon')", InvalidValue),
        ("days_until('2024-02-30')", InvalidValue),
        ("days_until('9999-12-31')", InvalidValue),
        ("days_until('20240501')", InvalidValue),
        ("days_until(`true`)", InvalidType),
        ("hours_since(list)", InvalidType),
        ("lower(`1`)", InvalidType),
        ("matches(name, missing)", InvalidType),
        ("matches(`1`, 'a')", InvalidType),
        ("matches(name, '(')", InvalidValue),
        ("lookup(name, 'key', 'b')", InvalidType),
        ("lookup(list, `1`, 'b')", InvalidType),
    ],
)
def test_an_extension_fails(text: str, error: type[EvaluationError]) -> None:
    with pytest.raises(error):
        compile_expression(text).search(DOCUMENT, now=NOON)


@pytest.mark.parametrize("text", ["now()", "days_until(soon)", "hours_since(soon)"])
def test_without_the_time_a_function_of_time_says_so_and_where(text: str) -> None:
    with pytest.raises(ClockMissing, match="needs the time of the decision") as caught:
        compile_expression(f"name == 'Gold' && {text} > `0`").search(DOCUMENT)
    assert (caught.value.offset, caught.value.length) == (18, len(text))
