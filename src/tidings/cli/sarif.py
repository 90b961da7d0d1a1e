"""Problems as SARIF 2.1.0, the form that code reviews and editors read."""

import importlib.metadata
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tidings.cli.codes import MEANINGS
from tidings.cli.excerpt import lines_of
from tidings.model import Problem, Severity, Source

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_HERE: Final = "%SRCROOT%"
"""Stands for the directory the command ran in, by the convention of those who read SARIF."""


def as_sarif(problems: Sequence[Problem], sources: Iterable[Source], *, folder: Path) -> dict[str, Any]:
    """Return a SARIF log of one run.

    Args:
        problems: what was found.
        sources: the files it was found in; they tell where a region ends.
        folder: the rulebook's. Files below the current directory are named from there, others in full.
    """
    codes = sorted({each.code for each in problems})
    lines = {each.path: lines_of(each) for each in sources if each.path in {one.file for one in problems}}
    driver = {
        "name": "tidings",
        "semanticVersion": importlib.metadata.version("tidings"),
        "rules": [_rule(code, problems) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code), lines, folder) for each in problems],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, problems: Iterable[Problem]) -> dict[str, Any]:
    errs = any(each.code == code and each.severity is Severity.ERROR for each in problems)
    meaning = MEANINGS.get(code, "")
    return {
        "id": code,
        "shortDescription": {"text": meaning or code},
        "help": {
            "text": f"{meaning} A wrong and a right example stand in rules/PROBLEMS.md.".lstrip(),
            "markdown": f"{meaning} A wrong and a right example stand in `rules/PROBLEMS.md` under `{code}`.".lstrip(),
        },
        "defaultConfiguration": {"level": "error" if errs else "warning"},
    }


def _result(problem: Problem, rule: int, lines: Mapping[str, Sequence[str]], folder: Path) -> dict[str, Any]:
    hint = f"\nhint: {problem.hint}" if problem.hint else ""
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity.value,
        "message": {"text": problem.message + hint},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(folder, problem.file),
                    "region": _region(problem, lines.get(problem.file, ())),
                }
            }
        ],
    }


def _region(problem: Problem, lines: Sequence[str]) -> dict[str, int]:
    """Return the characters meant; a place behind the last character of a line is an empty region."""
    width = len(lines[problem.line - 1]) if 0 < problem.line <= len(lines) else 0
    end = min(problem.column + problem.length, max(width + 1, problem.column))
    return {"startLine": problem.line, "startColumn": problem.column, "endColumn": end}


def _artifact(folder: Path, file: str) -> dict[str, str]:
    path = Path(os.path.abspath(folder / file))  # noqa: PTH100 (resolve() would follow links away from the repository)
    here = Path.cwd()
    if path.is_relative_to(here):
        return {"uri": quote(path.relative_to(here).as_posix()), "uriBaseId": _HERE}
    return {"uri": path.as_uri()}
