"""``tidings check``: everything wrong with a rulebook, for a person, a program, or a code review."""

import enum
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tidings.cli.excerpt import excerpts, render
from tidings.cli.sarif import as_sarif
from tidings.cli.terminal import PROBLEMS, err, fail, out, print_json
from tidings.config import read_secret
from tidings.model import Problem, Severity, Source
from tidings.rulebook import check as find_problems
from tidings.rulebook import read_folder
from tidings.rulebook.testing import read_event_files

__all__ = ["check", "render"]

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".mjml", ".html", ".txt"})


class Format(enum.StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def check(
    rules: Annotated[Path, typer.Argument(help="The rulebook's folder.")],
    form: Annotated[
        Format, typer.Option("--format", help="How to print the problems; sarif is what code reviews read.")
    ] = Format.TEXT,
    secrets: Annotated[bool, typer.Option(help="Check that every secret named is present on this machine.")] = False,
) -> None:
    """Report every problem of a rulebook at once, each with its place and its cure.

    Exits with 1 when there is an error; warnings alone are fine. Each code is explained in rules/PROBLEMS.md.

    Example: tidings check rules
    """
    try:
        sources = read_folder(rules, strict=False)
    except OSError as error:
        fail(f"{error.filename or rules} cannot be read: {error.strerror or error}")
    stray = tuple(_stray(rules))
    if not (sources or stray):
        fail(f"{rules} holds no rulebook: there is no *.yaml in it")
    fixtures = read_event_files(rules, sources)
    found = find_problems(sources, secrets=read_secret if secrets else None, fixtures=fixtures)
    problems = tuple(sorted({*found, *stray}))
    _print(problems, sources, form, folder=rules)
    err.print(_summary(problems, len(sources)), highlight=False)
    if any(each.severity is Severity.ERROR for each in problems):
        raise typer.Exit(PROBLEMS)


def _stray(folder: Path) -> Iterator[Problem]:
    """Yield what has the name of a rulebook's file and is none: links that lead nowhere, folders, pipes."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix not in _SUFFIXES or any(part.startswith(".") for part in name.parts):
            continue
        if not _is_utf8(name.as_posix()):
            yield _of_file(
                name, code="not-utf-8", message="the name of the file is not UTF-8", hint="name it otherwise"
            )
        elif path.is_symlink() and not path.exists():
            message = f"this is a link to {_spelt(str(path.readlink()))}, which is not there"
            yield _of_file(name, code="unreadable", message=message, hint="mend the link, or remove it")
        elif not path.is_file():
            message = f"this is {'a folder' if path.is_dir() else 'no file'}, and not read"
            hint = "name it otherwise, or put a file in its place"
            yield _of_file(name, code="ignored-file", message=message, hint=hint, severity=Severity.WARNING)


def _of_file(name: Path, *, code: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Problem:
    file = _spelt(name.as_posix())
    return Problem(file=file, line=1, column=1, code=code, message=message, hint=hint, severity=severity)


def _is_utf8(name: str) -> bool:
    """Say whether a file's name can be written; Python keeps other bytes as lone surrogates."""
    return _spelt(name) == name


def _spelt(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _print(problems: Sequence[Problem], sources: Iterable[Source], form: Format, *, folder: Path) -> None:
    if form is Format.JSON:
        print_json({"problems": [_as_json(each) for each in problems]})
    elif form is Format.SARIF:
        print_json(as_sarif(problems, sources, folder=folder))
    elif out.is_terminal and not out.no_color:
        for pieces in excerpts(problems, sources):
            out.print(Text.assemble(*pieces), end="", soft_wrap=True, highlight=False)
    else:
        sys.stdout.write("".join(render(problems, sources)))


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "hint": problem.hint,
    }


def _summary(problems: Sequence[Problem], files: int) -> str:
    errors = sum(each.severity is Severity.ERROR for each in problems)
    return f"{_count(files, 'file')} read: {_count(errors, 'error')}, {_count(len(problems) - errors, 'warning')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
