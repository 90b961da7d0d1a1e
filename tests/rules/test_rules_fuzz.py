"""Whatever is in a file, the compiler finds problems and never falls over."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from long_kit import at_length
from rules_kit import BRANDS, compiled, sources
from tidings.documents import read
from tidings.model import Problem, Source

RULE = {
    "version": 1,
    "rules": [
        {
            "id": "one",
            "description": "d",
            "event": ["pointsIssued"],
            "orgs": [50750],
            "when": "orgId == `1`",
            "mode": "live",
            "expires_at": "createdAt",
            "notify": [
                {"email": {"to": {"path": "refId"}, "template": "reminder"}},
                {"webhook": {"to": "crm", "type": "a.b", "body": {"a": "orgId", "b": {"c": "refId"}}}},
            ],
        }
    ],
}
BRAND = {
    "version": 1,
    "brands": [
        {
            "org": 50750,
            "name": "A",
            "from": "A <a@example.com>",
            "alerts_to": ["a@example.com"],
            "time_zone": "UTC",
            "quiet_hours": {"from": "21:00", "to": "08:00"},
            "endpoints": [{"name": "crm", "url": "https://example.com/", "secrets": ["env:A"], "rate": "5/s"}],
        }
    ],
}
ODDITIES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "all", "env:", "http://[", "http://a:99999/", "a@", "\r\n", "a..b", "Asia", "x" * 300, "{}", "@"]
    ),
    st.just([]),
    st.just({}),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.just({})), max_size=3),
    st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every part of plain data."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return plain data with another value at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


@settings(max_examples=at_length(60, 300), deadline=None)
@given(st.sampled_from(places(RULE)), ODDITIES)
def test_any_value_anywhere_in_a_rule_is_survived(path: tuple[Any, ...], odd: Any) -> None:
    _, problems = compiled(sources(json.dumps(changed(RULE, path, odd))))
    assert all(problem.startswith("rules.yaml:1:") for problem in problems)


@settings(max_examples=at_length(60, 300), deadline=None)
@given(st.sampled_from(places(BRAND)), ODDITIES)
def test_any_value_anywhere_in_a_brand_is_survived(path: tuple[Any, ...], odd: Any) -> None:
    _, problems = compiled(sources(None, json.dumps(changed(BRAND, path, odd))))
    assert all(problem.startswith("brands/all.yaml:1:") for problem in problems)


@settings(max_examples=at_length(60, 300), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*"ab:-?!&*|>%@`'\"{}[],# \n\t\r\\", "\n  ", "- ", ": ", "&a ", "*a", "<<", "\x00", "\ufeff", "---\n"]
        )
    )
)
def test_any_text_is_a_document_or_a_problem_within_the_file(parts: list[str]) -> None:
    text = "".join(parts)
    problems: list[Problem] = []
    document = read(Source(path="a.yaml", data=text.encode()), problems.append)
    assert document is not None or problems
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


@settings(max_examples=at_length(60, 200), deadline=None)
@given(st.binary(max_size=40), st.integers(0, len(BRANDS)))
def test_any_bytes_anywhere_are_survived(junk: bytes, at: int) -> None:
    text = BRANDS.encode()
    problems: list[Problem] = []
    document = read(Source(path="a.yaml", data=text[:at] + junk + text[at:]), problems.append)
    assert document is not None or problems
