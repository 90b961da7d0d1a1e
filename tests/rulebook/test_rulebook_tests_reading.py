"""What is wrong with tests files is told with its place and its cure."""

import json
from pathlib import Path

import pytest

from rulebook_testing_kit import FILES, case, problems_of, rulebook, sources, with_hint, write
from tidings.events import sample
from tidings.model import Source
from tidings.rulebook import read_folder
from tidings.rulebook.testing import check_tests, read_event_files, read_tests

ISSUED = "event: pointsIssued\n"
NOTHING = "expect: []\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("version: 2\ncases: []\n", "a_test.yaml:1:10: error[invalid-value]: this must be 1", id="version"),
        pytest.param("version: 1\n", "a_test.yaml:1:1: error[missing-key]: the key 'cases' is missing", id="no cases"),
        pytest.param(
            case(ISSUED + NOTHING + "contcat: 1"),
            "a_test.yaml:6:5: error[unknown-key]: unknown key 'contcat' (did you mean 'contact'?)",
            id="unknown key",
        ),
        pytest.param(
            case(ISSUED + "expect: [{rule: issued, webhook: {url: x}}]"),
            "a_test.yaml:5:39: error[unknown-key]: unknown key 'url' (the keys here are body, to)",
            id="unknown key within",
        ),
        pytest.param(
            case(ISSUED), "a_test.yaml:3:5: error[missing-key]: the key 'expect' is missing", id="no expectations"
        ),
        pytest.param(
            case(ISSUED + "expect: [{rule: issued}]"),
            "a_test.yaml:5:14: error[one-channel]: an expectation is either an email or a webhook (write one list "
            "item for each; email: {} stands for any e-mail, webhook: {} for any webhook)",
            id="no channel",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "now: tomorrow"),
            "a_test.yaml:6:10: error[invalid-time]: this is not a date with a time of day (write 2026-01-31T09:00 "
            "(in the brand's time zone), 2026-01-31T09:00Z, or epoch milliseconds)",
            id="no time",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "now: 2026-01-31"),
            "a_test.yaml:6:10: error[invalid-time]: this is not a date with a time of day (write 2026-01-31T09:00 "
            "(in the brand's time zone), 2026-01-31T09:00Z, or epoch milliseconds)",
            id="a date alone",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "now: true"),
            "a_test.yaml:6:10: error[wrong-type]: this must be a date with a time of day, or epoch milliseconds",
            id="true is no time",
        ),
        pytest.param(
            case("event: [pointsIssued]\n" + NOTHING),
            "a_test.yaml:4:12: error[wrong-type]: this must be the name of an event, a file, or the event itself",
            id="a list is no event",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "contact: {email: nobody}"),
            "a_test.yaml:6:22: error[invalid-address]: this is not an e-mail address (write name@example.com)",
            id="address",
        ),
        pytest.param(
            case(ISSUED + "expect: [{rule: lost-tier, email: {to: custmer}}]"),
            "a_test.yaml:5:44: error[invalid-address]: this is not a recipient (did you mean 'customer'?)",
            id="recipient",
        ),
        pytest.param(
            case(ISSUED + "expect: [{rule: lost-teir, email: {}}]"),
            "a_test.yaml:5:21: error[unknown-rule]: there is no rule 'lost-teir' (did you mean 'lost-tier'?)",
            id="unknown rule",
        ),
        pytest.param(
            case(ISSUED + "expect: [{rule: issued, email: {}}]"),
            "a_test.yaml:5:29: error[unknown-action]: the rule 'issued' never sends an e-mail (it is at rules.yaml:16)",
            id="another channel",
        ),
        pytest.param(
            case("event: pointsIsued\n" + NOTHING),
            "a_test.yaml:4:12: error[unknown-event]: there is no event 'pointsIsued' (did you mean 'pointsIssued'?)",
            id="unknown event",
        ),
        pytest.param(
            case("event: fixtures/isued.json\n" + NOTHING),
            "a_test.yaml:4:12: error[missing-event-file]: there is no file 'fixtures/isued.json' (did you mean "
            "'fixtures/issued.json'?)",
            id="missing file",
        ),
        pytest.param(
            case("event: fixtures/broken.json\n" + NOTHING),
            "a_test.yaml:4:12: error[unreadable-event]: fixtures/broken.json is not JSON: line 1, column 2: Expecting "
            "property name enclosed in double quotes",
            id="broken file",
        ),
        pytest.param(
            case("event: {a: 1}\n" + NOTHING),
            "a_test.yaml:4:12: error[unreadable-event]: the event cannot be read: eventName is missing: this is none "
            "of the envelopes an event can come in",
            id="no event",
        ),
        pytest.param(
            case("event: {eventName: pointsIssued, orgId: 51186, data: {}}\n" + NOTHING),
            "a_test.yaml:3:5: error[missing-now]: the event has no createdAt, so the case must say when it is decided "
            "(add now:)",
            id="no time to decide at",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "set: {data..x: 1}"),
            "a_test.yaml:6:11: error[invalid-path]: 'data..x' is not a path (write names with dots, and list positions "
            'in brackets: data.tiers[0].tierName, data."odd.name")',
            id="no path",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "set: {'data.regularPointsBreakup[5].points': 1}"),
            "a_test.yaml:6:11: error[unfit-path]: data.regularPointsBreakup[5].points leads nowhere: the list has 1 "
            "entry, and no 5",
            id="beyond a list",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "set: {'data[0]': 1}"),
            "a_test.yaml:6:11: error[unfit-path]: data[0] leads nowhere: [0] is a place in a list, and here is "
            "a mapping",
            id="no list",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "set: {orgId.number: 1}"),
            "a_test.yaml:6:11: error[unfit-path]: orgId.number leads nowhere: 'number' would stand within a "
            "single value",
            id="within a value",
        ),
        pytest.param(
            case(ISSUED + NOTHING + "set: {data.totalPointsIssued: many}"),
            "a_test.yaml:6:11: warning[odd-value]: data.totalPointsIssued: text where a number belongs; kept as sent "
            "(mind the spelling of the path and the type of the value; tidings catalog lists the fields)",
            id="a value of another type",
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, expected: str) -> None:
    files = {"fixtures/issued.json": json.dumps(sample("pointsIssued")), "fixtures/broken.json": "{]"}
    assert problems_of(text, **files) == [expected]


def test_every_mistake_is_told_at_once() -> None:
    text = "version: 1\ncases:\n- {name: a, event: nope, expect: [{rule: nobody, email: {}}]}\n- {nmae: b}\n- 7\n"
    assert [each.split(" ")[0:2] for each in problems_of(text)] == [
        ["a_test.yaml:4:3:", "error[missing-key]:"],
        ["a_test.yaml:4:3:", "error[missing-key]:"],
        ["a_test.yaml:4:3:", "error[missing-key]:"],
        ["a_test.yaml:4:4:", "error[unknown-key]:"],
        ["a_test.yaml:5:3:", "error[wrong-type]:"],
        ["a_test.yaml:3:20:", "error[unknown-event]:"],
        ["a_test.yaml:3:42:", "error[unknown-rule]:"],
    ]


def test_tests_below_the_top_are_not_read() -> None:
    assert problems_of(case(ISSUED + NOTHING), **{"more/b_test.yaml": "nonsense"}) == [
        (
            "more/b_test.yaml:1:1: warning[ignored-file]: the file is not read: tests stand at the top of the rulebook "
            "(move it up, beside the rules)"
        )
    ]


def test_a_rule_that_does_not_compile_is_not_unknown() -> None:
    loaded = rulebook()
    broken = FILES["rules.yaml"] + "  - {id: half, event: nope, notify: []}\n"
    tests = case(ISSUED + "expect: [{rule: half, email: {}}]")
    found = sources({**FILES, "rules.yaml": broken, "a_test.yaml": tests})
    assert [each.code for each in check_tests(found, loaded.rules)] == [
        "untested-rule",
        "untested-rule",
        "untested-rule",
    ]


def test_check_warns_of_each_rule_that_no_case_matches() -> None:
    tests = case("event: pointsExpiryReminder\nnow: 2023-06-18T00:00Z\nexpect: []")
    assert [with_hint(each) for each in check_tests(sources({**FILES, "a_test.yaml": tests}), rulebook().rules)] == [
        f"rules.yaml:{line}:9: warning[untested-rule]: no test covers the rule '{rule}' "
        "(add a case to a *_test.yaml whose event the rule applies to)"
        for line, rule in ((12, "lost-tier"), (16, "issued"))
    ]


def test_check_says_nothing_of_a_rulebook_without_tests() -> None:
    assert check_tests(sources(FILES), rulebook().rules) == ()


def test_event_files_are_read_from_the_folder_and_from_nowhere_else(tmp_path: Path) -> None:
    names = ("good.json", "missing.json", "../outside.json", "sub", "a\\0b.json", f"{'x' * 300}.json", "pointsIssued")
    cases = "".join(f'  - {{name: a, event: "{name}", expect: []}}\n' for name in names)
    folder = write(tmp_path / "rules", {**FILES, "a_test.yaml": f"version: 1\ncases:\n{cases}", "good.json": "{}"})
    (tmp_path / "outside.json").write_text("{}")
    (folder / "sub").mkdir()
    assert read_event_files(folder, read_folder(folder)) == (Source(path="good.json", data=b"{}"),)


def test_cases_come_in_order_of_file_and_place() -> None:
    two = "version: 1\ncases:\n" + "".join(f"- {{name: {name}, event: tierUpgraded, expect: []}}\n" for name in "ba")
    found = sources({"b_test.yaml": two, "a_test.yaml": two})
    cases = [(each.file, each.line, each.name) for each in read_tests(found, rulebook().rules).cases]
    assert cases == [("a_test.yaml", 3, "b"), ("a_test.yaml", 4, "a"), ("b_test.yaml", 3, "b"), ("b_test.yaml", 4, "a")]
