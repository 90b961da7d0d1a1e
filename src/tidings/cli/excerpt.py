"""Problems as people read them: the line, carets under the place, the hint."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from rich.cells import cell_len

from tidings.model import Problem, Severity, Source

WIDEST: Final = 100
"""How many cells of a line are shown; a longer one is cut around the caret."""

_BEFORE: Final = 40
"""How many cells of a line that is cut are shown before the caret."""
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_UNSHOWN: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would move the caret, break the line or steer the terminal."""
_SECRET: Final = re.compile(r"(?<=whsec_)[A-Za-z0-9+/=]+")
_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def render(problems: Iterable[Problem], sources: Iterable[Source]) -> Iterator[str]:
    """Write each problem with the line it stands on, carets under its place, and the hint."""
    for pieces in excerpts(problems, sources):
        yield "".join(text for text, _ in pieces)


def excerpts(problems: Iterable[Problem], sources: Iterable[Source]) -> Iterator[list[tuple[str, str]]]:
    """Yield what is written of each problem, as pieces of text with their style on a terminal."""
    problems = tuple(problems)
    # What is printed ends up in the logs of build servers, where no secret may be read.
    secret = {(each.file, each.line) for each in problems if each.code == "secret-value"}
    files = {source.path: source for source in sources}
    lines: dict[str, list[str]] = {}
    for problem in problems:
        if problem.file in files and problem.file not in lines:
            lines[problem.file] = lines_of(files[problem.file])
        file = lines.get(problem.file, [])
        shown = 0 < problem.line <= len(file) and (problem.file, problem.line) not in secret
        yield list(_pieces(problem, _masked(file[problem.line - 1]) if shown else None))


def lines_of(source: Source) -> list[str]:
    """Split a file as problems count its lines."""
    return _LINE_BREAK.split(source.data.decode("utf-8", "replace").removeprefix("\ufeff"))


def _masked(line: str) -> str:
    return _SECRET.sub(lambda found: "*" * len(found[0]), line)


def _pieces(problem: Problem, line: str | None) -> Iterator[tuple[str, str]]:
    colour = _COLOURS[problem.severity]
    yield f"{_escaped(problem.file)}:{problem.line}:{problem.column}: ", "bold"
    yield f"{problem.severity.value}[{problem.code}]", f"bold {colour}"
    yield f": {_escaped(problem.message)}\n", ""
    if line is not None:
        shown, indent, carets = _cut(line, problem)
        yield f"  {shown}\n  {indent}", ""
        yield f"{carets}\n", f"bold {colour}"
    if problem.hint:
        yield "  hint:", "cyan"
        yield f" {_escaped(problem.hint)}\n", ""


def _cut(line: str, problem: Problem) -> tuple[str, str, str]:
    """Return as much of a line as is shown, the blanks before the carets, and the carets."""
    start = min(problem.column - 1, len(line))
    first, last = (0, len(line)) if _cells(line) <= WIDEST else _window(line, start)
    shown = f"{'…' if first else ''}{_plain(line[first:last])}{'…' if last < len(line) else ''}"
    # Tabs are kept in both lines, so that the carets stand right however wide a tab is shown.
    indent = "".join("\t" if each == "\t" else " " * cell_len(each) for each in _plain(line[first:start]))
    meant = _plain(line[start : min(start + problem.length, last)])
    return shown, " " * bool(first) + indent, "^" * max(1, cell_len(meant.replace("\t", " ")))


def _window(line: str, start: int) -> tuple[int, int]:
    first, room = start, _BEFORE
    while first > 0 and (room := room - _cells(line[first - 1])) >= 0:
        first -= 1
    last, room = first, WIDEST
    while last < len(line) and (room := room - _cells(line[last])) >= 0:
        last += 1
    return first, last


def _cells(text: str) -> int:
    return cell_len(_plain(text).expandtabs())


def _plain(text: str) -> str:
    """Replace, one for one, what cannot be shown."""
    return _UNSHOWN.sub("\ufffd", text)


def _escaped(text: str) -> str:
    """Spell out what cannot be shown: names that somebody wrote stand in messages."""
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text.replace("\t", "\\t"))
