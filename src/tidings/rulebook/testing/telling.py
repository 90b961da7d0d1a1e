"""The outcome of cases in words for people, and as JSON for programs."""

import re
from collections.abc import Iterator
from typing import Any, Final

from tidings.model import Problem, Severity
from tidings.rulebook.testing.coverage import Coverage, Share
from tidings.rulebook.testing.running import Report, Result

_UNSHOWN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would steer a terminal, break a line or turn it round."""


def describe(result: Result) -> Iterator[str]:
    """Tell how a case failed: a line of its own, then every difference under its rule and channel.

    What an event brought along may be anything; what cannot be shown is replaced.
    """
    case = result.case
    yield shown(f"{case.file}:{case.line}: failed: {case.name}")
    for difference in result.differences:
        yield shown(f"  {difference.title}")
        yield from (shown(f"    {line}".rstrip()) for line in difference.lines)


def shown(text: str) -> str:
    """Replace every character that cannot be shown in a line, one for one."""
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", " "))


def summary(report: Report) -> str:
    """Count the cases in one line."""
    failed, errors = len(report.failed), sum(each.severity is Severity.ERROR for each in report.problems)
    counted = f"{_count(len(report.results), 'case')}: {len(report.results) - failed} passed, {failed} failed"
    return f"{counted}, {_count(errors, 'error')} in the files" if errors else counted


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(report: Report, coverage: Coverage | None) -> dict[str, Any]:
    """Return the whole outcome as a JSON value; ``coverage`` is there only when it was measured."""
    value: dict[str, Any] = {
        "passed": report.passed,
        "cases": [_result(each) for each in report.results],
        "problems": [_problem(each) for each in report.problems],
    }
    return value if coverage is None else {**value, "coverage": _coverage(coverage)}


def _result(result: Result) -> dict[str, Any]:
    case = result.case
    differences = [
        {"title": each.title, "rule": each.rule_id, "channel": each.channel, "diff": list(each.lines)}
        for each in result.differences
    ]
    return {
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "passed": result.passed,
        "differences": differences,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "hint": problem.hint,
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    rules = [
        {
            "rule": each.rule.id,
            "file": each.rule.file,
            "line": each.rule.line,
            "matched": each.matched,
            "unmatched": each.unmatched,
            "clauses": [
                {"text": clause.text, "seen_true": clause.seen_true, "seen_untrue": clause.seen_untrue}
                for clause in each.clauses
            ],
            "gaps": list(each.gaps),
        }
        for each in coverage.rules
    ]
    return {"rules": _share(coverage.of_rules), "clauses": _share(coverage.of_clauses), "by_rule": rules}


def _share(share: Share) -> dict[str, Any]:
    return {"covered": share.covered, "total": share.total, "percent": share.tenths / 10}
