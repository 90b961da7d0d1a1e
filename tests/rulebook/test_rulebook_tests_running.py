"""What cases say when they pass and when they fail; each golden text stands beside its cases."""

import json
from pathlib import Path

import pytest

from rulebook_testing_kit import FILES, case, rulebook, run, told
from tidings.events import sample
from tidings.rulebook.testing import as_json, run_tests, summary

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_cases_tell_what_differs(name: str) -> None:
    cases = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    assert told(run(cases)) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_cases_that_pass_are_counted() -> None:
    report = run((GOLDEN / "passing.yaml").read_text(encoding="utf-8"))
    assert (report.passed, summary(report)) == (True, "5 cases: 5 passed, 0 failed")


def test_an_event_may_stand_in_a_file_of_the_rulebook() -> None:
    cases = case("""
        event: fixtures/issued.json
        set: {data.totalPointsIssued: 7}
        expect:
          - {rule: issued, webhook: {to: crm, body: {points: 7}}}
          - {rule: issued, webhook: {to: lake, body: {points: 7}}}
    """)
    report = run(cases, files={**FILES, "fixtures/issued.json": json.dumps(sample("pointsIssued"))})
    assert told(report) == ""


def test_a_path_can_make_what_is_missing_on_its_way() -> None:
    cases = case("""
        event: {eventName: pointsExpiryReminder, orgId: 50750, createdAt: 1685864957859}
        set:
          data.pointsScheduledForExpiry: 101
          data.customerIdentifiers.customerId: 4711
          data.customerIdentifiers.instore.email: ada@example.com
          data.loyaltyProgramDetails.tiers[0].tierName: GOLD
        contact: {name: Ada}
        expect:
          - {rule: expiring, email: {to: ada@example.com, contains: GOLD}}
          - {rule: expiring, webhook: {body: {member: 4711, points: 101}}}
    """)
    files = {
        **FILES,
        "templates/expiring.en.txt": "---\nsubject: Points\n---\n{{ data.loyaltyProgramDetails.tiers[0].tierName }}\n",
    }
    assert told(run(cases, files=files)) == ""


def test_integers_beyond_a_double_are_kept_exactly() -> None:
    number = 9007199254740993
    cases = case(f"""
        event: pointsExpiryReminder
        set: {{data.customerIdentifiers.customerId: {number}}}
        expect: [{{rule: expiring, webhook: {{body: {{member: {number - 1}, points: 300}}}}}}]
    """)
    assert f'-   "member": {number - 1}' in told(run(cases))
    assert f'+   "member": {number}' in told(run(cases))


def test_long_texts_are_cut() -> None:
    body = "---\nsubject: Long\n---\n" + "".join(f"line {number}\n" for number in range(100))
    cases = case("event: tierDowngraded\nexpect: [{rule: lost-tier, email: {contains: nowhere}}]\nset: {orgId: 50750}")
    lines = told(run(cases, files={**FILES, "templates/plain.en.txt": body})).splitlines()
    assert (len(lines), lines[-1].strip()) == (44, "+ … and 60 more lines")


def test_what_an_event_brings_along_cannot_steer_the_terminal() -> None:
    cases = case("""
        event: pointsExpiryReminder
        contact: {email: a@example.com, name: "\\e[31mAsha\\u202e"}
        expect: [{rule: expiring, email: {contains: nowhere}}, {rule: expiring, webhook: {}}]
    """)
    assert "Asha\ufffd,\n" in told(run(cases))


def test_an_event_without_a_customer_has_no_contact() -> None:
    cases = case("""
        event: pointsExpiryReminder
        set: {data.customerIdentifiers: null}
        contact: {email: asha@example.com, name: Asha}
        expect: [{rule: expiring, email: {}}, {rule: expiring, webhook: {}}]
    """)
    assert told(run(cases)).splitlines()[-1].strip() == "+ nothing: the event names no customer"


def test_a_rulebook_runs_the_tests_among_its_own_files() -> None:
    files = {**FILES, "a_test.yaml": case("event: tierUpgraded\nexpect: []")}
    report = run_tests(rulebook(files))
    assert (len(report.results), report.passed) == (1, True)


def test_sound_cases_of_a_file_with_mistakes_are_run() -> None:
    report = run(
        "version: 1\ncases:\n  - {name: good, event: tierUpgraded, expect: []}\n  - {name: bad, event: tierUpgraded}\n"
    )
    assert [result.case.name for result in report.results] == ["good"]
    assert (report.failed, report.passed) == ((), False)
    assert summary(report) == "1 case: 1 passed, 0 failed, 1 error in the files"


def test_the_outcome_as_json_says_the_same() -> None:
    report = run(case("event: pointsIssued\nset: {data.bogus: 1}\nexpect: [{rule: issued, webhook: {to: crm}}]"))
    assert json.loads(json.dumps(as_json(report, None))) == {
        "passed": False,
        "cases": [
            {
                "name": "one",
                "file": "a_test.yaml",
                "line": 3,
                "passed": False,
                "differences": [
                    {
                        "title": "issued, webhook to lake",
                        "rule": "issued",
                        "channel": "webhook",
                        "diff": ["- nothing", '+ a message: {"points": 100}'],
                    }
                ],
            }
        ],
        "problems": [
            {
                "file": "a_test.yaml",
                "line": 5,
                "column": 11,
                "code": "odd-value",
                "severity": "warning",
                "message": "data.bogus: PointsIssued has no such field; kept as sent",
                "hint": "mind the spelling of the path and the type of the value; tidings catalog lists the fields",
            }
        ],
    }


def test_the_same_cases_give_the_same_report() -> None:
    cases = (GOLDEN / "email.yaml").read_text(encoding="utf-8")
    assert run(cases) == run(cases)


def test_tests_do_not_keep_a_rulebook_from_loading() -> None:
    assert rulebook({**FILES, "a_test.yaml": "version: 2\n"}).rules.rule("issued") is not None


def test_a_case_of_a_rule_with_a_digest_shows_the_message_of_that_one_event() -> None:
    rules = FILES["rules.yaml"].replace("    expires_at: data.scheduledExpiryDate\n", "    digest: {window: 30m}\n", 1)
    rules = rules.replace("points: data.pointsScheduledForExpiry}", "points: 'events[].eventName', more: more}", 1)
    cases = case("""
        event: pointsExpiryReminder
        set: {data.pointsScheduledForExpiry: 500, data.loyaltyProgramId: 1933}
        contact: {email: asha@example.com, name: Asha}
        expect:
          - {rule: expiring, email: {to: customer}}
          - {rule: expiring, webhook: {to: crm, body: {
              member: 381750905, points: [pointsExpiryReminder], more: 0}}}
    """)
    assert told(run(cases, files={**FILES, "rules.yaml": rules})) == ""
