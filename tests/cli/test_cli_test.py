"""``tidings test`` on folders: what it prints, writes and ends with."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from rulebook_testing_kit import FILES, case, write
from tidings.cli.test import run_cases

SHIPPED = Path(__file__).parents[2] / "rules"
PASSING = case("event: tierUpgraded\nexpect: []")
FAILING = case("event: pointsIssued\nexpect: [{rule: issued, webhook: {to: crm}}]")

DIFFERENCE = """\
a_test.yaml:3: failed: one
  issued, webhook to lake
    - nothing
    + a message: {"points": 100}
"""

MISTAKE = """\
b_test.yaml:3:1: error[unknown-key]: unknown key 'extra'
  extra: 1
  ^^^^^
  hint: the keys here are cases, version
"""


def tidings_test(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("test")(run_cases)
    ran = CliRunner().invoke(app, [str(folder), *arguments])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.stdout, ran.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "rules", {**FILES, "a_test.yaml": PASSING})


def test_cases_that_pass_end_with_0(folder: Path) -> None:
    assert tidings_test(folder) == (0, "", "1 case: 1 passed, 0 failed\n")


def test_a_case_that_fails_is_shown_and_ends_with_1(folder: Path) -> None:
    write(folder, {"a_test.yaml": FAILING})
    assert tidings_test(folder) == (1, DIFFERENCE, "1 case: 0 passed, 1 failed\n")


def test_a_mistake_in_a_tests_file_is_shown_with_its_line(folder: Path) -> None:
    write(folder, {"b_test.yaml": "version: 1\ncases: []\nextra: 1\n"})
    assert tidings_test(folder) == (
        1,
        MISTAKE,
        "1 case: 1 passed, 0 failed, 1 error in the files\n",
    )


def test_events_come_from_files_that_the_rulebook_itself_does_not_read(folder: Path) -> None:
    event = {"eventName": "tierUpgraded", "orgId": 50750, "createdAt": 1, "data": {}}
    write(folder, {"a_test.yaml": case("event: events/up.json\nexpect: []"), "events/up.json": json.dumps(event)})
    assert tidings_test(folder)[0] == 0


def test_a_rulebook_with_errors_is_not_tested(folder: Path) -> None:
    write(folder, {"rules.yaml": "version: 1\nrules: []\nextra: 1\n"})
    code, out, err = tidings_test(folder)
    assert (code, out.splitlines()[0]) == (1, "rules.yaml:3:1: error[unknown-key]: unknown key 'extra'")
    assert err == "the rulebook has errors, so its tests were not run\n"


def test_a_rulebook_with_errors_is_told_as_json_too(folder: Path) -> None:
    write(folder, {"rules.yaml": "version: 1\nrules: []\nextra: 1\n"})
    code, out, _ = tidings_test(folder, "--format", "json")
    found = json.loads(out)
    assert (code, found["passed"], found["cases"], found["problems"][0]["code"]) == (1, False, [], "unknown-key")


def test_a_rulebook_without_tests_is_said_so(folder: Path) -> None:
    (folder / "a_test.yaml").unlink()
    code, out, err = tidings_test(folder)
    assert (code, out) == (1, "")
    assert err == f"{folder} has no tests; write some into a file such as {folder}/rules_test.yaml\n"


def test_a_folder_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    code, out, err = tidings_test(tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere" in err


def test_coverage_shows_a_table_and_what_is_missing(folder: Path) -> None:
    code, out, _ = tidings_test(folder, "--coverage")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert code == 0
    assert rows == [
        ["expiring", "0", "1", "0 of 5"],
        ["lost-tier", "0", "1", "0 of 0"],
        ["issued", "0", "1", "0 of 0"],
        ["soon", "0", "1", "0 of 1"],
    ]
    assert "rules.yaml:16: issued: no case matches the rule\n" in out
    assert "rules.yaml:3: expiring: never true: data.pointsScheduledForExpiry > `100`\n" in out
    assert out.endswith("rules covered: 0 of 4 (0.0 %)\nclauses covered: 0 of 6 (0.0 %)\n")


def test_coverage_below_the_floor_ends_with_1(folder: Path) -> None:
    code, out, err = tidings_test(folder, "--min-coverage", "0.1")
    assert code == 1
    assert "rules covered: 0 of 4 (0.0 %)" in out
    assert err == "1 case: 1 passed, 0 failed\ncoverage is below 0.1 %\n"
    assert tidings_test(folder, "--min-coverage", "0")[0] == 0


@pytest.mark.parametrize("floor", ["100.1", "-1", "nan", "inf", "many", "1/0"])
def test_a_floor_that_is_no_percentage_is_wrong_use(folder: Path, floor: str) -> None:
    code, out, err = tidings_test(folder, f"--min-coverage={floor}")
    assert (code, out) == (2, "")
    assert "is not a percentage from 0 to 100" in " ".join(err.replace("│", " ").split())


def test_junit_is_written_whatever_the_outcome(folder: Path, tmp_path: Path) -> None:
    write(folder, {"a_test.yaml": FAILING})
    code, _, _ = tidings_test(folder, "--junit", str(tmp_path / "junit.xml"))
    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 (what we wrote ourselves)
    assert (code, root.attrib["tests"], root.attrib["failures"]) == (1, "1", "1")


def test_junit_that_cannot_be_written_is_wrong_use(folder: Path, tmp_path: Path) -> None:
    code, _, err = tidings_test(folder, "--junit", str(tmp_path))
    assert (code, "cannot be written" in err) == (2, True)


def test_json_holds_cases_and_coverage(folder: Path) -> None:
    write(folder, {"a_test.yaml": FAILING})
    code, out, err = tidings_test(folder, "--format", "json", "--coverage")
    found = json.loads(out)
    assert (code, err, sorted(found)) == (1, "", ["cases", "coverage", "passed", "problems"])
    assert found["cases"][0]["differences"][0]["diff"] == ["- nothing", '+ a message: {"points": 100}']
    assert found["coverage"]["rules"] == {"covered": 0, "total": 4, "percent": 0.0}
    assert found["coverage"]["by_rule"][2] == {
        "rule": "issued",
        "file": "rules.yaml",
        "line": 16,
        "matched": 1,
        "unmatched": 0,
        "clauses": [],
        "gaps": ["no case leaves the rule unmatched"],
    }


@pytest.mark.long
def test_the_shipped_rulebook_is_covered_whole() -> None:
    code, out, err = tidings_test(SHIPPED, "--coverage", "--min-coverage", "100")
    assert code == 0, out + err
    assert "never" not in out


def test_help_has_an_example(tmp_path: Path) -> None:
    code, out, _ = tidings_test(tmp_path, "--help")
    assert code == 0
    assert "Example: tidings test rules --coverage --min-coverage 100" in " ".join(out.split())
