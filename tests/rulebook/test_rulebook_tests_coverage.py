"""Which rules and clauses the cases of a rulebook exercise."""

from fractions import Fraction

import pytest

from rulebook_testing_kit import FILES, rulebook, run
from tidings.expressions import compile as compile_expression
from tidings.rulebook.testing import Coverage, Share, measure
from tidings.rulebook.testing.coverage import clauses_of

HEAD = "version: 1\ncases:\n"


def measured(*points: str, when: str | None = None) -> Coverage:
    """Measure cases of one event each, given by what is set in it."""
    cases = "".join(
        f"  - {{name: a, event: pointsExpiryReminder, now: 2023-06-01T00:00Z, set: {{{each}}}, expect: []}}\n"
        for each in points
    )
    files = {**FILES}
    if when is not None:
        files["rules.yaml"] = (
            "version: 1\nrules:\n  - id: one\n    event: pointsExpiryReminder\n"
            f"    when: {when}\n    notify: [{{webhook: {{to: crm}}}}]\n"
        )
    return measure(rulebook(files).rules, run(HEAD + cases, files=files).results)


def gaps(coverage: Coverage) -> dict[str, list[str]]:
    return {each.rule.id: list(each.gaps) for each in coverage.rules}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ["a"]),
        ("a == 'x'", ["a == 'x'"]),
        ("a > `1` && b", ["a > `1` && b", "a > `1`", "b"]),
        ("a && (b || !c)", ["a && (b || !c)", "a", "b || !c", "b", "c"]),
        ("!(a && b)", ["a && b", "a", "b"]),
        ("a || `true`", ["a || `true`", "a"]),
        ("contains(a, 'x')", ["contains(a, 'x')"]),
        ("length(a[?b > `1` && c]) > `2`", ["length(a[?b > `1` && c]) > `2`", "b > `1`", "c"]),
        ("a == 'x' || a == 'x'", ["a == 'x' || a == 'x'", "a == 'x'", "a == 'x'"]),
        ("`true`", []),
    ],
)
def test_the_clauses_of_a_condition(text: str, expected: list[str]) -> None:
    found = [text[node.offset : node.end] for node in clauses_of(compile_expression(text))]
    assert sorted(found) == sorted(expected)


def test_a_rule_is_covered_when_a_case_matches_it_and_a_case_does_not() -> None:
    matched = "data.pointsScheduledForExpiry: 300"
    not_matched = "data.pointsScheduledForExpiry: 1"
    when = "data.pointsScheduledForExpiry > `100`"
    never_other = "never other than true: data.pointsScheduledForExpiry > `100`"
    never_true = "never true: data.pointsScheduledForExpiry > `100`"
    assert gaps(measured(matched, not_matched, when=when)) == {"one": []}
    assert gaps(measured(matched, when=when)) == {"one": ["no case leaves the rule unmatched", never_other]}
    assert gaps(measured(not_matched, when=when)) == {"one": ["no case matches the rule", never_true]}


def test_clauses_that_no_case_reached_are_named() -> None:
    coverage = measured("data.pointsScheduledForExpiry: 300", "data.pointsScheduledForExpiry: 1")
    assert gaps(coverage) == {
        "expiring": [
            "never other than true: data.loyaltyProgramId == `1933` || !(data.loyaltyProgramDetails.isDefault)",
            "never other than true: data.loyaltyProgramId == `1933`",
            "never true: data.loyaltyProgramDetails.isDefault",
            "never other than true: data.loyaltyProgramDetails.isDefault",
        ],
        "lost-tier": ["no case matches the rule"],
        "issued": ["no case matches the rule"],
        "soon": ["no case matches the rule", "never true: days_until(data.scheduledExpiryDate) < `3`"],
    }
    assert (str(coverage.of_rules), str(coverage.of_clauses)) == ("1 of 4 (25.0 %)", "2 of 6 (33.3 %)")


def test_every_clause_can_be_reached() -> None:
    coverage = measured(
        "data.pointsScheduledForExpiry: 300",
        "data.pointsScheduledForExpiry: 1",
        "data.loyaltyProgramId: 1",
        "data.loyaltyProgramId: 1, data.loyaltyProgramDetails.isDefault: false",
        "data.scheduledExpiryDate: 2023-06-02",
    )
    assert gaps(coverage)["expiring"] == gaps(coverage)["soon"] == []
    assert coverage.of_clauses == Share(covered=6, total=6)


def test_an_absent_field_is_not_true() -> None:
    coverage = measured("data.loyaltyProgramDetails: null", when="data.loyaltyProgramDetails.name == 'DefaultProgram'")
    assert gaps(coverage) == {
        "one": ["no case matches the rule", "never true: data.loyaltyProgramDetails.name == 'DefaultProgram'"]
    }


def test_a_clause_that_fails_is_seen_neither_way() -> None:
    coverage = measured("data.scheduledExpiryDate: soon", when="days_until(data.scheduledExpiryDate) < `3`")
    assert [(each.seen_true, each.seen_untrue) for each in coverage.rules[0].clauses] == [(False, False)]


def test_events_of_other_organisations_say_nothing_of_clauses() -> None:
    coverage = measured("orgId: 7", when="data.pointsScheduledForExpiry > `100`")
    assert [(each.seen_true, each.seen_untrue) for each in coverage.rules[0].clauses] == [(False, False)]


@pytest.mark.parametrize(
    ("covered", "total", "percent", "reached", "shown"),
    [
        (9996, 10000, "100", False, "9996 of 10000 (99.9 %)"),
        (9999, 10000, "99.99", True, "9999 of 10000 (99.9 %)"),
        (9999, 10000, "99.991", False, "9999 of 10000 (99.9 %)"),
        (999, 1000, "99.9", True, "999 of 1000 (99.9 %)"),
        (2, 3, "66.66", True, "2 of 3 (66.6 %)"),
        (2, 3, "66.67", False, "2 of 3 (66.6 %)"),
        (7, 7, "100", True, "7 of 7 (100.0 %)"),
        (0, 7, "0", True, "0 of 7 (0.0 %)"),
        (0, 0, "100", True, "0 of 0 (100.0 %)"),
    ],
)
def test_a_share_is_never_rounded_up(covered: int, total: int, percent: str, reached: bool, shown: str) -> None:  # noqa: FBT001 (a case of the table)
    share = Share(covered=covered, total=total)
    assert (share.reaches(Fraction(percent)), str(share)) == (reached, shown)


def test_rules_and_clauses_must_both_reach_the_floor() -> None:
    coverage = measured("data.pointsScheduledForExpiry: 300", "data.pointsScheduledForExpiry: 1")
    assert (coverage.reaches(Fraction(25)), coverage.reaches(Fraction(26))) == (True, False)
