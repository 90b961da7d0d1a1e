"""A piece of Jinja text and where it stands: the body of a template, or one key of its front matter."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tidings.model import Problem

_NEAR: Final = 400
"""How far behind the line that Jinja names a word is looked for: an expression may span lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Jinja text with the way back to its file."""

    name: str
    """Under which Jinja knows it; tracebacks carry it."""
    file: str
    text: str
    locate: Callable[[int], tuple[int, int]]
    """Line and column in the file, of an offset in the text."""
    origin: str = ""
    """Of a text in the front matter, the whole of that: with it the places are the same."""

    def offset(self, line: int, word: str = "") -> int:
        """Return where ``word`` stands on a line of the text or soon after; without it the first thing there."""
        start = _line_start(self.text, line)
        pattern = rf"(?<![\w.]){re.escape(word)}(?!\w)" if word else r"\S"
        found = re.compile(pattern).search(self.text, start, start + _NEAR)
        return found.start() if found else start

    def problem(self, offset: int, *, code: str, message: str, hint: str = "", length: int = 1) -> Problem:
        """Return a problem at an offset of the text."""
        line, column = self.locate(offset)
        return Problem(
            file=self.file, line=line, column=column, code=code, message=message, hint=hint, length=max(1, length)
        )

    def line(self, line: int) -> int:
        """Return the file's line of a line of the text."""
        return self.locate(_line_start(self.text, line))[0]


def in_file(text: str) -> Callable[[int], tuple[int, int]]:
    """Return how to locate offsets in a text that is the whole file."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def locate(offset: int) -> tuple[int, int]:
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    return locate


def _line_start(text: str, line: int) -> int:
    start = 0
    for _ in range(line - 1):
        found = text.find("\n", start)
        if found < 0:
            break
        start = found + 1
    return start
