"""The outcome of cases as JUnit XML."""

from xml.etree import ElementTree as ET

from rulebook_testing_kit import run
from tidings.rulebook.testing import describe, junit_xml

CASES = """
version: 1
cases:
  - {name: passes, event: tierUpgraded, expect: []}
  - name: "fails <&> \\"\\u0007\\""
    event: pointsIssued
    set: {data.loyaltyProgramDetails.name: "\\u0001"}
    expect: [{rule: issued, webhook: {to: crm}}]
  - {name: unreadable, event: tierUpgraded}
""".lstrip()


def test_every_case_and_every_error_of_a_file_is_counted() -> None:
    root = ET.fromstring(junit_xml(run(CASES)))  # noqa: S314 (what we wrote ourselves)
    (suite,) = root
    assert root.attrib == {"name": "tidings test", "tests": "3", "failures": "1", "errors": "1"}
    assert suite.attrib == {"name": "a_test.yaml", "tests": "3", "failures": "1", "errors": "1", "skipped": "0"}
    assert [case.attrib for case in suite] == [
        {"name": "line 8", "classname": "a_test"},
        {"name": "passes", "classname": "a_test", "file": "a_test.yaml", "line": "3"},
        {"name": 'fails <&> "\N{REPLACEMENT CHARACTER}"', "classname": "a_test", "file": "a_test.yaml", "line": "4"},
    ]


def test_a_failure_holds_the_whole_difference() -> None:
    report = run(CASES)
    root = ET.fromstring(junit_xml(report))  # noqa: S314 (what we wrote ourselves)
    (failure,) = root.iter("failure")
    assert failure.attrib == {"type": "difference", "message": "issued, webhook to lake"}
    assert failure.text == "\n".join(describe(report.failed[0])).replace("\a", "\N{REPLACEMENT CHARACTER}")


def test_an_error_says_where_and_what() -> None:
    root = ET.fromstring(junit_xml(run(CASES)))  # noqa: S314 (what we wrote ourselves)
    (error,) = root.iter("error")
    assert error.attrib == {"type": "missing-key", "message": "the key 'expect' is missing"}
    assert error.text == "a_test.yaml:8:5: error[missing-key]: the key 'expect' is missing"
