"""Whatever somebody writes into a tests file, reading and running it ends in a report."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events_kit import values
from long_kit import at_length
from rulebook_testing_kit import FILES, rulebook, sources
from tidings.rulebook.testing import as_json, check_tests, describe, junit_xml, measure, read_tests, run_suite

RULEBOOK = rulebook()
EVENTS = ["pointsExpiryReminder", "tierDowngradeReminder", "pointsIssued", "cashback.created"]
PATHS = [
    "orgId",
    "eventName",
    "createdAt",
    "data",
    "data.pointsScheduledForExpiry",
    "data.scheduledExpiryDate",
    "data.customerIdentifiers",
    "data.customerIdentifiers.customerId",
    "data.loyaltyProgramDetails.isDefault",
    "data.loyaltyProgramDetails.tiers[0]",
    "data.a[0].b",
    "..",
]


def well_formed(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A case that fits its shape, but for what is given."""
    keys: dict[str, st.SearchStrategy[Any]] = {
        "name": st.just("one"),
        "event": st.sampled_from(EVENTS),
        "set": st.dictionaries(st.sampled_from(PATHS), values, max_size=3),
        "now": st.integers(0, 253_402_300_799_999),
        "expect": st.just([{"rule": "expiring", "email": {}}]),
    }
    return st.fixed_dictionaries({**keys, **more})


def check_all(cases: Any) -> None:
    text = json.dumps({"version": 1, "cases": cases})
    found = sources({**FILES, "a_test.yaml": text})
    suite = read_tests(found, RULEBOOK.rules)
    report = run_suite(RULEBOOK, suite)
    coverage = measure(RULEBOOK.rules, report.results)
    assert len(report.results) == len(suite.cases)
    assert [list(describe(each)) == [] for each in report.failed].count(True) == 0
    assert json.loads(json.dumps(as_json(report, coverage)))["passed"] is report.passed
    assert junit_xml(report).startswith(b"<?xml")
    check_tests(found, RULEBOOK.rules)


@settings(max_examples=at_length(30, 80), deadline=None)
@given(st.lists(well_formed(), min_size=1, max_size=3))
def test_any_values_may_be_set(cases: list[dict[str, Any]]) -> None:
    check_all(cases)


@settings(max_examples=at_length(30, 60), deadline=None)
@given(st.lists(st.one_of(values, well_formed(event=values), well_formed(expect=values), well_formed(now=values))))
def test_cases_may_be_anything(cases: list[Any]) -> None:
    check_all(cases)
