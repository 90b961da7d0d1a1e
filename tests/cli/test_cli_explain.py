"""What ``tidings explain`` prints: whole texts, on the shipped rulebook and on one with misses of every kind."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from rulebook_kit import write_rulebook
from tidings.cli.explain import explain
from tidings.events import sample
from tidings.rulebook import load, read_folder

SHIPPED = Path(__file__).parents[2] / "rules"
NOW = ("--now", "2023-06-01T00:00:00Z")
RULES = """
version: 1
rules:
  - id: many-points
    event: pointsExpiryReminder
    when: >-
      data.pointsScheduledForExpiry > `1000` &&
      (data.loyaltyProgramId == `1933` || orgId == `1`)
    notify: [{webhook: {to: crm}}]
  - id: short-name
    event: pointsExpiryReminder
    when: length(data.loyaltyProgramDetails.tiers[?tierNumber > `1`]) == `2`
    mode: shadow
    notify: [{webhook: {to: crm}}]
  - id: fails
    event: pointsExpiryReminder
    when: days_until(data.entityInformation.entityType) > `3`
    notify: [{webhook: {to: crm}}]
  - id: elsewhere
    event: pointsExpiryReminder
    orgs: [50261]
    notify: [{webhook: {to: crm}}]
  - id: issued
    event: pointsIssued
    notify: [{webhook: {to: crm}}]
"""

_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_app.command()(explain)


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(_app, [str(each) for each in arguments], input=stdin)


@pytest.fixture
def rulebook(tmp_path: Path) -> Path:
    return write_rulebook(tmp_path / "rules", crm="https://crm.example.com/", rules=RULES)


def revision(folder: Path) -> str:
    return load(read_folder(folder), rehearse=False).revision


def test_a_rule_that_matches_is_told_with_what_it_sends() -> None:
    result = run(SHIPPED, "pointsExpiryReminder", *NOW)
    assert (result.exit_code, result.stdout) == (
        0,
        f"""\
pointsExpiryReminder of organisation 50750, decided at 2023-06-01T00:00:00Z by revision {revision(SHIPPED)}
✓ points-expiring-soon: matched; sends 2 deliveries
├── data.pointsScheduledForExpiry > `100`  → true  ◀ decided
│   └── data.pointsScheduledForExpiry  → 300
├── email to customer:381750905
├── webhook to endpoint:crm
└── not after 2023-06-19T18:29:59Z
22 rules are for other events
""",
    )


def test_a_rule_that_does_not_match_is_told_with_the_part_that_decided(tmp_path: Path) -> None:
    payload = sample("pointsExpiryReminder")
    payload["data"]["pointsScheduledForExpiry"] = 40
    file = tmp_path / "event.json"
    file.write_text(json.dumps(payload))
    result = run(SHIPPED, file, *NOW)
    assert result.stdout.splitlines()[1:] == [
        "✗ points-expiring-soon: the condition is not true: data.pointsScheduledForExpiry > `100` with 40",
        "└── data.pointsScheduledForExpiry > `100`  → false  ◀ decided",
        "    └── data.pointsScheduledForExpiry  → 40",
        "22 rules are for other events",
    ]


def test_near_misses_shadows_failures_and_other_organisations_are_told(rulebook: Path) -> None:
    result = run(rulebook, "pointsExpiryReminder", *NOW)
    assert result.stdout.splitlines()[1:] == [
        "~ many-points: near miss: all of the condition holds but data.pointsScheduledForExpiry > `1000` with 300",
        ("└── data.pointsScheduledForExpiry > `1000` && (data.loyaltyProgramId == `1933` || orgId == `1`)  → false"),
        "    └── data.pointsScheduledForExpiry > `1000`  → false  ◀ decided",
        "        └── data.pointsScheduledForExpiry  → 300",
        "✓ short-name (shadow): matched; shadow mode sends nothing",
        "└── length(data.loyaltyProgramDetails.tiers[?tierNumber > `1`]) == `2`  → true  ◀ decided",
        "    └── length(data.loyaltyProgramDetails.tiers[?tierNumber > `1`])  → 2",
        (
            "        └── data.loyaltyProgramDetails.tiers[?tierNumber > `1`]  → "
            '[{"tierNumber": 2, "tierName": "B"}, {"tierNumber": 3, "tie…'
        ),
        (
            "            ├── data.loyaltyProgramDetails.tiers  → "
            '[{"tierNumber": 1, "tierName": "A"}, {"tierNumber": 2, "tie…'
        ),
        "            ├── tierNumber > `1`  → false",
        "            │   └── tierNumber  → 1",
        "            ├── tierNumber > `1`  → true",
        "            │   └── tierNumber  → 2",
        "            └── tierNumber > `1`  → true",
        "                └── tierNumber  → 3",
        (
            '✗ fails: failed: days_until(data.entityInformation.entityType) with "USER": '
            "days_until() cannot read 'USER' as a time; "
            "write epoch milliseconds, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, or ISO 8601 with a zone"
        ),
        "└── days_until(data.entityInformation.entityType) > `3`  failed",
        (
            "    └── days_until(data.entityInformation.entityType)  failed: "
            "days_until() cannot read 'USER' as a time; "
            "write epoch milliseconds, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, or ISO 8601 with a zone  ◀ decided"
        ),
        '        └── data.entityInformation.entityType  → "USER"',
        "✗ elsewhere: another organisation: it applies to 50261",
        "1 rule is for other events",
    ]


def test_one_rule_can_be_asked_whatever_event_it_is_for(rulebook: Path) -> None:
    result = run(rulebook, "pointsExpiryReminder", "--rule", "issued", *NOW)
    assert result.stdout.splitlines()[1:] == ["✗ issued: another event: it is for pointsIssued"]


def test_the_answer_comes_as_json_too(rulebook: Path) -> None:
    result = run(rulebook, "-", "--rule", "many-points", "--format", "json", *NOW, stdin=json.dumps(EXPIRING).encode())
    answer = json.loads(result.stdout)
    (rule,) = answer.pop("rules")
    assert answer == {
        "revision": revision(rulebook),
        "decided_at": "2023-06-01T00:00:00Z",
        "omitted_rules": 0,
        "other_rules": 0,
    }
    assert {name: rule[name] for name in ("rule_id", "mode", "matched", "verdict", "near_miss", "deliveries")} == {
        "rule_id": "many-points",
        "mode": "live",
        "matched": False,
        "verdict": "VERDICT_NOT_TRUE",
        "near_miss": {
            "text": "data.pointsScheduledForExpiry > `1000`",
            "offset": 0,
            "length": 38,
            "value_json": "false",
            "error": "",
            "operands": [{"text": "data.pointsScheduledForExpiry", "value_json": "300"}],
        },
        "deliveries": [],
    }
    assert rule["trace"]["children"][0]["decided"] is True


EXPIRING = sample("pointsExpiryReminder")


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("pointsExpiryReminders",), None, "neither a file nor an event of the catalog. did you mean"),
        (("-",), b'{"eventName": "pointsIssued"', "-: error: event: "),
        (("-",), json.dumps({**EXPIRING, "orgId": "x"}).encode(), "-: error: /orgId: "),
        (("-",), json.dumps([EXPIRING, EXPIRING]).encode(), "one event is wanted, the payload holds 2"),
        (("cashback.created",), None, "cashback.created: error: /orgId: orgId is missing"),
        (("pointsIssued", "--now", "soon"), None, "--now: 'soon' is not a time"),
        (("pointsIssued", "--rule", "isued"), None, "no rule 'isued'"),
    ],
)
def test_wrong_use_is_told_with_its_place(
    rulebook: Path, arguments: tuple[str, ...], stdin: bytes | None, said: str
) -> None:
    result = run(rulebook, *arguments, stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_an_organisation_can_be_given_for_a_payload_that_names_none(rulebook: Path) -> None:
    result = run(rulebook, "cashback.created", "--org", "50750", *NOW)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == ["5 rules are for other events"]


def test_a_rulebook_with_errors_is_reported_instead(rulebook: Path) -> None:
    (rulebook / "loyalty.yaml").write_text(RULES.replace("pointsIssued", "pointsIsued"))
    text, data = run(rulebook, "pointsIssued"), run(rulebook, "pointsIssued", "--format", "json")
    assert (text.exit_code, data.exit_code) == (1, 1)
    assert "loyalty.yaml:24:12: error[unknown-event]" in text.stdout
    (problem,) = json.loads(data.stdout)["problems"]
    assert (problem["file"], problem["line"], problem["column"], problem["severity"]) == (
        "loyalty.yaml",
        24,
        12,
        "error",
    )


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    result = run(tmp_path / "none", "pointsIssued")
    assert (result.exit_code, "is not a folder" in result.stderr) == (2, True)


def test_help_shows_an_example() -> None:
    assert any(line.strip().startswith("Example:") for line in run("--help").stdout.splitlines())
