"""Rulebooks that callers bring along, to be checked or asked: bounded in size, and in what is done at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from tidings.errors import FieldViolation, InvalidRequest, Overloaded
from tidings.model import Problem, Severity, Source
from tidings.rulebook import InvalidRulebook, Rulebook, check, load

MAX_FILES: Final = 2_000
"""How many files a rulebook given with a request may have."""
MAX_PATH: Final = 200
"""How long a file's path may be, in characters."""
_AT_ONCE: Final = 2
"""Compiling keeps the interpreter busy: more at once would only make the events wait."""
_WAITING: Final = 16
_RETRY_AFTER: Final = 1.0
_TOLD_ERRORS: Final = 10
_TOLD_CHARACTERS: Final = 1_500
"""An error travels in headers, which hold 8 kB, as text and as details."""


class GivenRulebooks:
    """Checks and compiles rulebooks given with a request, off the event loop."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._inside = 0

    async def check(self, files: Sequence[Source]) -> tuple[Problem, ...]:
        """Find every problem; secrets are not looked up, for they are none of the caller's business.

        Raises:
            InvalidRequest: these are no files of a rulebook.
            Overloaded: too many rulebooks are waiting to be compiled.
        """
        check_files(files)
        async with self._place():
            return await asyncio.to_thread(check, files)

    async def load(self, files: Sequence[Source]) -> Rulebook:
        """Compile a rulebook; raise as ``check`` does, and InvalidRequest with the place of each of its errors."""
        check_files(files)
        async with self._place():
            try:
                return await asyncio.to_thread(load, files)
            except InvalidRulebook as error:
                raise InvalidRequest(_violations(error.problems)) from error

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._inside >= _AT_ONCE + _WAITING:
            raise Overloaded(f"{_WAITING} rulebooks are waiting to be compiled already", retry_after=_RETRY_AFTER)
        self._inside += 1
        try:
            async with self._places:
                yield
        finally:
            self._inside -= 1


def check_files(files: Sequence[Source]) -> None:
    """Raise InvalidRequest unless these can be the files of a rulebook's folder."""
    if not files:
        raise InvalidRequest([FieldViolation(field="files", description="give the rulebook's files")])
    if len(files) > MAX_FILES:
        description = f"at most {MAX_FILES} files are taken, got {len(files)}"
        raise InvalidRequest([FieldViolation(field="files", description=description)])
    if violations := list(_path_violations(files)):
        raise InvalidRequest(violations[:_TOLD_ERRORS])


def _path_violations(files: Sequence[Source]) -> Iterator[FieldViolation]:
    seen: set[str] = set()
    for position, file in enumerate(files):
        problem = _path_problem(file.path) or ("is given twice" if file.path in seen else "")
        seen.add(file.path)
        if problem:
            yield FieldViolation(field=f"files[{position}].path", description=problem)


def _path_problem(path: str) -> str:
    if not path:
        return "name the file by its path within the rulebook's folder"
    if len(path) > MAX_PATH or not path.isprintable():
        return f"must be at most {MAX_PATH} printable characters"
    if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        return "must be a path within the rulebook's folder, with forward slashes"
    return ""


def _violations(problems: Sequence[Problem]) -> Sequence[FieldViolation]:
    """Tell the first errors with their places; how many there are is always said."""
    errors = [each for each in problems if each.severity is Severity.ERROR]
    told: list[FieldViolation] = []
    room = _TOLD_CHARACTERS
    for each in errors[:_TOLD_ERRORS]:
        description = f"{each.message}; {each.hint}" if each.hint else each.message
        violation = FieldViolation(
            field=f"files[{each.file}]:{each.line}:{each.column}", description=f"[{each.code}] {description}"[:room]
        )
        room -= len(violation.field) + len(violation.description)
        told.append(violation)
        if room <= 0:
            break
    if len(told) < len(errors):
        rest = f"and {len(errors) - len(told)} more errors; CheckRules lists them all"
        told.append(FieldViolation(field="files", description=rest))
    return told
