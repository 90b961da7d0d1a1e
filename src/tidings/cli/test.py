"""``tidings test``."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tidings.cli.excerpt import render
from tidings.cli.terminal import PROBLEMS, Format, FormatOption, err, fail, out, print_json, progress
from tidings.model import Problem, Source
from tidings.rulebook import InvalidRulebook, Rulebook, load, read_folder
from tidings.rulebook.testing import (
    Coverage,
    Report,
    as_json,
    describe,
    junit_xml,
    measure,
    read_event_files,
    read_tests,
    run_suite,
    shown,
    summary,
)

_WHOLE = 100


def _percent(text: str) -> Fraction:
    """Read a percentage exactly: through a float, 99.9 would be a little more than it says."""
    try:
        percent = Fraction(text.removesuffix("%"))
    except (ValueError, ZeroDivisionError):
        percent = Fraction(-1)
    if not 0 <= percent <= _WHOLE:
        raise typer.BadParameter(f"{text!r} is not a percentage from 0 to 100")
    return percent


def run_cases(
    rules: Annotated[Path, typer.Argument(help="The rulebook's folder.")],
    coverage: Annotated[bool, typer.Option("--coverage", help="Show which rules and clauses are exercised.")] = False,
    min_coverage: Annotated[
        Fraction | None,
        typer.Option(parser=_percent, metavar="N", help="Fail below so many per cent of rules, or of clauses."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the outcome as JUnit XML, too.")] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Run the cases of a rulebook's *_test.yaml, and show each that fails with what was expected and what came.

    Nothing is sent. A line that begins with - was expected, one with + came instead.

    Example: tidings test rules --coverage --min-coverage 100
    """
    rulebook, sources = _load(rules, form)
    suite = read_tests(sources, rulebook.rules)
    if not suite.files:
        fail(f"{rules} has no tests; write some into a file such as {rules}/rules_test.yaml", code=PROBLEMS)
    with progress("testing", total=len(suite.cases)) as step:
        report = run_suite(rulebook, suite, step=step)
    measured = measure(rulebook.rules, report.results) if coverage or min_coverage is not None else None
    if junit is not None:
        _write(junit, junit_xml(report))
    if form is Format.JSON:
        print_json(as_json(report, measured))
    else:
        _print(report, measured, sources)
    enough = measured is None or min_coverage is None or measured.reaches(min_coverage)
    if not enough:
        err.print(f"coverage is below {float(min_coverage or 0)} %", style="red", highlight=False)
    if not (enough and report.passed):
        raise typer.Exit(PROBLEMS)


def _load(folder: Path, form: Format) -> tuple[Rulebook, tuple[Source, ...]]:
    """Return the rulebook and its files, with those that events come from."""
    try:
        sources = read_folder(folder)
        rulebook = load(sources)
        return rulebook, (*sources, *read_event_files(folder, sources))
    except OSError as error:
        fail(f"{folder} cannot be read: {error.strerror or error}")
    except InvalidRulebook as error:
        _print_problems(error.problems, sources, form)
        fail("the rulebook has errors, so its tests were not run", code=PROBLEMS)


def _print_problems(problems: tuple[Problem, ...], sources: tuple[Source, ...], form: Format) -> None:
    if form is Format.JSON:
        print_json(as_json(Report(results=(), problems=problems), None))
    else:
        sys.stdout.write("".join(render(problems, sources)))


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror or error}")


def _print(report: Report, measured: Coverage | None, sources: tuple[Source, ...]) -> None:
    sys.stdout.write("".join(render(report.problems, sources)))
    for result in report.failed:
        sys.stdout.write("".join(f"{line}\n" for line in describe(result)))
    if measured is not None:
        _print_coverage(measured)
    err.print(summary(report), highlight=False)


def _print_coverage(coverage: Coverage) -> None:
    table = Table("rule", "matched", "not matched", "clauses covered")
    for each in coverage.rules:
        covered = sum(clause.covered for clause in each.clauses)
        table.add_row(each.rule.id, str(each.matched), str(each.unmatched), f"{covered} of {len(each.clauses)}")
    out.print(table)
    for each in coverage.rules:
        for gap in each.gaps:
            sys.stdout.write(shown(f"{each.rule.file}:{each.rule.line}: {each.rule.id}: {gap}") + "\n")
    sys.stdout.write(f"rules covered: {coverage.of_rules}\nclauses covered: {coverage.of_clauses}\n")
