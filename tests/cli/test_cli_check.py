"""``tidings check`` on folders: what it prints and ends with."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gateway_kit import TIDINGS, environment
from problem_codes_kit import RULES, SOUND
from tidings.cli.check import check
from tidings.cli.excerpt import WIDEST, render
from tidings.model import Problem, Source

WRONG = RULES.replace("notify:", "when: data.pointsScheduledForExpiry > 100\n    notify:")
TO_NO_EFFECT = "    quiet_hours: {from: '21:00', to: '21:00'}\n"

TEXT = """\
brands/all.yaml:10:5: warning[no-effect]: quiet hours that begin when they end are none
      quiet_hours: {from: '21:00', to: '21:00'}
      ^^^^^^^^^^^
  hint: leave it out, or make it say something
rules.yaml:5:43: error[number-without-backticks]: the number 100 lacks its backticks
      when: data.pointsScheduledForExpiry > 100
                                            ^^^
  hint: write `100`
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in {**SOUND, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_wrong(folder: Path) -> Path:
    return write(folder, {"rules.yaml": WRONG, "brands/all.yaml": SOUND["brands/all.yaml"] + TO_NO_EFFECT})


def tidings_check(*arguments: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("check")(check)
    ran = CliRunner().invoke(app, arguments)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.stdout, ran.stderr


def test_a_sound_rulebook_is_said_to_be_sound(tmp_path: Path) -> None:
    assert tidings_check(str(write(tmp_path, {}))) == (0, "", "4 files read: 0 errors, 0 warnings\n")


def test_problems_are_shown_with_line_carets_and_hint_and_counted(tmp_path: Path) -> None:
    assert tidings_check(str(write_wrong(tmp_path))) == (1, TEXT, "4 files read: 1 error, 1 warning\n")


def test_warnings_alone_are_no_failure(tmp_path: Path) -> None:
    write(tmp_path, {"brands/all.yaml": SOUND["brands/all.yaml"] + TO_NO_EFFECT})
    code, out, err = tidings_check(str(tmp_path))
    assert (code, out.count("warning["), err) == (0, 1, "4 files read: 0 errors, 1 warning\n")


def test_problems_are_printed_as_data(tmp_path: Path) -> None:
    code, out, err = tidings_check(str(write_wrong(tmp_path)), "--format", "json")
    assert (code, err) == (1, "4 files read: 1 error, 1 warning\n")
    assert json.loads(out)["problems"][1] == {
        "file": "rules.yaml",
        "line": 5,
        "column": 43,
        "code": "number-without-backticks",
        "severity": "error",
        "message": "the number 100 lacks its backticks",
        "hint": "write `100`",
    }


def test_problems_are_printed_for_code_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wrong(tmp_path / "our rules")
    monkeypatch.chdir(tmp_path)
    code, out, _ = tidings_check("our rules", "--format", "sarif")
    log = json.loads(out)
    (run,) = log["runs"]
    assert (code, log["version"], run["columnKind"]) == (1, "2.1.0", "unicodeCodePoints")
    assert [_plain(each) for each in run["results"]] == [
        (
            ("no-effect", "warning", "our%20rules/brands/all.yaml"),
            {"startLine": 10, "startColumn": 5, "endColumn": 16},
            "quiet hours that begin when they end are none\nhint: leave it out, or make it say something",
        ),
        (
            ("number-without-backticks", "error", "our%20rules/rules.yaml"),
            {"startLine": 5, "startColumn": 43, "endColumn": 46},
            "the number 100 lacks its backticks\nhint: write `100`",
        ),
    ]
    rules = run["tool"]["driver"]["rules"]
    assert [(rules[each["ruleIndex"]]["id"], each["ruleId"]) for each in run["results"]] == [
        ("no-effect", "no-effect"),
        ("number-without-backticks", "number-without-backticks"),
    ]
    assert rules[1] == {
        "id": "number-without-backticks",
        "shortDescription": {"text": "A number stands in the expression as it is; numbers are written in backticks."},
        "help": {
            "text": (
                "A number stands in the expression as it is; numbers are written in backticks. "
                "A wrong and a right example stand in rules/PROBLEMS.md."
            ),
            "markdown": (
                "A number stands in the expression as it is; numbers are written in backticks. "
                "A wrong and a right example stand in `rules/PROBLEMS.md` under `number-without-backticks`."
            ),
        },
        "defaultConfiguration": {"level": "error"},
    }


def _plain(result: Mapping[str, Any]) -> tuple[tuple[str, str, str], dict[str, int], str]:
    (location,) = result["locations"]
    place = location["physicalLocation"]
    assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    named = (result["ruleId"], result["level"], place["artifactLocation"]["uri"])
    return named, place["region"], result["message"]["text"]


def test_files_outside_the_current_directory_are_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wrong(tmp_path / "rules")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    _, out, _ = tidings_check("../rules", "--format", "sarif")
    places = [each["locations"][0]["physicalLocation"] for each in json.loads(out)["runs"][0]["results"]]
    assert places[1]["artifactLocation"] == {"uri": (tmp_path / "rules" / "rules.yaml").as_uri()}


def test_a_place_behind_the_last_character_is_an_empty_region(tmp_path: Path) -> None:
    write(tmp_path, {"rules.yaml": WRONG.replace(" 100\n", "\n")})
    _, out, _ = tidings_check(str(tmp_path), "--format", "sarif")
    (result,) = json.loads(out)["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 5, "startColumn": 42, "endColumn": 42}


def test_secrets_are_looked_for_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {})
    monkeypatch.delenv("EXAMPLE_CRM_SECRET", raising=False)
    assert tidings_check(str(tmp_path))[0] == 0
    code, out, _ = tidings_check(str(tmp_path), "--secrets")
    assert (code, out.count("error[missing-secret]: there is no secret env:EXAMPLE_CRM_SECRET")) == (1, 2)
    monkeypatch.setenv("EXAMPLE_CRM_SECRET", "whsec_bWFkZSB1cCBmb3IgdGVzdHMgb25seQ==")
    assert tidings_check(str(tmp_path), "--secrets")[0] == 0


def test_tests_are_checked_beside_rules_that_are_wrong(tmp_path: Path) -> None:
    tests = "version: 1\ncases:\n  - {name: one, event: pointExpired, expect: []}\n"
    _, out, _ = tidings_check(str(write(tmp_path, {"rules.yaml": WRONG, "rules_test.yaml": tests})))
    assert "rules.yaml:5:43: error[number-without-backticks]" in out
    assert "rules_test.yaml:3:24: error[unknown-event]" in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "{} cannot be read: {} is not a folder\n"),
        ("file.yaml", "{} cannot be read: {} is not a folder\n"),
        ("empty", "{} holds no rulebook: there is no *.yaml in it\n"),
    ],
)
def test_what_is_no_rulebook_is_wrong_use(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file.yaml").write_text("version: 1\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.md").write_text("nothing here\n")
    folder = str(tmp_path / name)
    code, out, err = tidings_check(folder)
    assert (code, out, err.replace("\n", "")) == (2, "", said.replace("{}", folder).replace("\n", ""))


# The line and the carets below it.


def shown(line: str, column: int, length: int = 1, *, code: str = "a-code") -> list[str]:
    problem = Problem(file="a.yaml", line=1, column=column, length=length, code=code, message="text")
    (text,) = render([problem], [Source(path="a.yaml", data=line.encode("utf-8", "surrogatepass"))])
    return text.splitlines()[1:]


LINES = [
    ("when: a > 1", 11, 1, ["  when: a > 1", "            ^"]),
    ("when: a >", 10, 1, ["  when: a >", "           ^"]),
    ("when: a > 1", 7, 99, ["  when: a > 1", "        ^^^^^"]),
    ("\tkey: 1", 2, 3, ["  \tkey: 1", "  \t^^^"]),
    ("会员: [金卡, 1]", 6, 2, ["  会员: [金卡, 1]", "         ^^^^"]),
    ("會員: 金卡 1", 8, 1, ["  會員: 金卡 1", "             ^"]),
    ("cafe\u0301: x", 8, 1, ["  cafe\u0301: x", "        ^"]),
    ("a\x1b[31m: \u202ex", 9, 1, ["  a\ufffd[31m: \ufffdx", "          ^"]),
    ("\ufeffkey: 1", 1, 3, ["  key: 1", "  ^^^"]),
    ("", 1, 1, ["  ", "  ^"]),
    ("k: 1\u2028", 4, 1, ["  k: 1\ufffd", "     ^"]),
]


@pytest.mark.parametrize(("line", "column", "length", "lines"), LINES)
def test_the_carets_stand_under_what_is_meant(line: str, column: int, length: int, lines: list[str]) -> None:
    assert shown(line, column, length) == lines


@pytest.mark.parametrize("column", [1, 39, 40, 41, 500, 960, 1000])
@pytest.mark.parametrize("filler", ["x", "金"])
def test_a_very_long_line_is_cut_around_the_caret(column: int, filler: str) -> None:
    line = filler * (column - 1) + "Q" + filler * (1000 - column)
    text, carets = shown(line, column)
    cells = "".join(each * (2 if each == "金" else 1) for each in text)
    assert (cells[carets.index("^")], carets.strip()) == ("Q", "^")
    assert len(cells) <= WIDEST + len("  ……")
    part = text.strip(" …")
    assert part in line
    assert (text.startswith("  …"), text.endswith("…")) == (not line.startswith(part), not line.endswith(part))


def test_lines_are_counted_as_editors_count_them() -> None:
    problem = Problem(file="a.yaml", line=3, column=1, code="a-code", message="text")
    (text,) = render([problem], [Source(path="a.yaml", data="one\r\ntwo\u2028\x0c\rthree\n".encode())])
    assert text.splitlines()[1:] == ["  three", "  ^"]


def test_names_that_steer_a_terminal_are_spelt_out() -> None:
    problem = Problem(file="a\nb.yaml", line=1, column=1, code="a-code", message="no \x1b[2J\tfield", hint="\x07")
    assert "".join(render([problem], [])) == "a\\nb.yaml:1:1: error[a-code]: no \\x1b[2J\\tfield\n  hint: \\x07\n"


def test_a_secret_in_a_rulebook_is_not_printed() -> None:
    """The reports of build servers are read by many."""
    line = '- {name: crm, url: crm, secrets: ["whsec_bWFkZSB1cA==", "another one"]}'
    source = Source(path="a.yaml", data=line.encode())
    place = {"file": "a.yaml", "line": 1, "message": "text"}
    wrong_url = Problem(column=20, length=3, code="invalid-url", **place)  # type: ignore[arg-type]  # a str and an int
    secret = Problem(column=56, length=13, code="secret-value", **place)  # type: ignore[arg-type]  # the same
    assert "".join(render([wrong_url], [source])).splitlines()[1] == "  " + line.replace("bWFkZSB1cA==", "*" * 12)
    both = "".join(render([wrong_url, secret], [source]))
    assert both == "a.yaml:1:20: error[invalid-url]: text\na.yaml:1:56: error[secret-value]: text\n"


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_and_can_be_declined(
    tmp_path: Path, variables: Mapping[str, str], *, coloured: bool
) -> None:
    """On a terminal the text is the same but for its colours."""
    folder = write_wrong(tmp_path)
    ours, theirs = os.openpty()
    env = {key: value for key, value in environment({}).items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    with os.fdopen(ours, "rb", buffering=0) as screen:
        arguments = [TIDINGS, "check", str(folder)]
        ran = subprocess.run(
            arguments, stdout=theirs, stderr=subprocess.PIPE, env={**env, **variables}, timeout=60, check=False
        )
        printed = screen.read(100_000).replace(b"\r\n", b"\n").decode()
        os.close(theirs)
    plain = "".join(
        part if not number else part.partition("m")[2] for number, part in enumerate(printed.split("\x1b["))
    )
    assert (ran.returncode, plain) == (1, TEXT)
    assert ("\x1b[1;31merror" in printed, "\x1b[1;33mwarning" in printed) == (coloured, coloured)
    assert ("\x1b" in printed) == coloured
