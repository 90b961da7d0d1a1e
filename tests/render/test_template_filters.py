from typing import Any

import pytest

from render_kit import body

NUMBERS = [
    (300, "number", "300"),
    (1234567, "number", "1,234,567"),
    (9223372036854775807, "number", "9,223,372,036,854,775,807"),
    (1720440490349.0, "number", "1,720,440,490,349"),
    (1234.5, "number", "1,234.5"),
    (0.125, "number", "0.13"),
    (-0.001, "number", "0"),
    (2.5, "number(0)", "3"),
    ("14.000", "number", "14"),
    ("14.5", "number(2)", "14.50"),
    (100, "number(2)", "100.00"),
    (2.345, "round(2)", "2.35"),
    ("7.5", "round", "8"),
]


@pytest.mark.parametrize(("value", "asked", "expected"), NUMBERS)
def test_numbers_are_written_for_reading(value: Any, asked: str, expected: str) -> None:
    assert body(f"{{{{ data.x | {asked} }}}}", data={"x": value}) == expected + "\n"


MIDNIGHT = 1687132800000  # 2023-06-19T00:00:00Z
DATES = [
    ("2023-06-19", "date", {}, "19 June 2023"),
    ("2023-06-19", "date('medium')", {}, "19 Jun 2023"),
    ("2023-06-19", "date('full')", {}, "Monday, 19 June 2023"),
    ("2023-06-19", "date('iso')", {}, "2023-06-19"),
    ("2023-06-19 23:30:00", "date", {"contact": {"time_zone": "Asia/Kolkata"}}, "19 June 2023"),
    ("2023-06-19T23:30:00Z", "date", {"contact": {"time_zone": "Asia/Kolkata"}}, "20 June 2023"),
    ("2023-06-19T23:30:00+05:30", "time", {}, "18:00"),
    (MIDNIGHT, "date", {}, "19 June 2023"),
    (MIDNIGHT, "date", {"brand": {"time_zone": "America/New_York"}}, "18 June 2023"),
    (
        MIDNIGHT,
        "time",
        {"brand": {"time_zone": "America/New_York"}, "contact": {"time_zone": "Asia/Kolkata"}},
        "05:30",
    ),
    (MIDNIGHT, "time", {"contact": {"time_zone": "Nowhere/At all"}, "brand": {"time_zone": "Asia/Kolkata"}}, "05:30"),
    (1.657437873e12, "date", {}, "10 July 2022"),
]


@pytest.mark.parametrize(("value", "asked", "around", "expected"), DATES)
def test_dates_are_written_in_the_readers_zone(value: Any, asked: str, around: dict[str, Any], expected: str) -> None:
    assert body(f"{{{{ data.x | {asked} }}}}", data={"x": value}, **around) == expected + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ data.s | replace('a', '<b>') }}", "&lt;b&gt;-&lt;b&gt;&amp;"),
        ("{{ data.list | join('<br>') }}", "x&lt;br&gt;&lt;y&gt;"),
        ("{{ data.s | upper }}{{ data.s | urlencode }}", "A-A&amp;a-a%26"),
        ("{{ data.list | first | title }}", "X"),
        ("{{ '' | default('d') }}{{ '' | default('d', true) }}", "d"),
    ],
)
def test_texts_stay_escaped_through_filters(text: str, expected: str) -> None:
    assert body(text, "html", data={"s": "a-a&", "list": ["x", "<y>"]}) == expected + "\n"
