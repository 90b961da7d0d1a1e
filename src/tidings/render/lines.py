"""Lines of plain text: no wider than mail programs show unbroken, and none that says nothing."""

import re
import textwrap
from collections.abc import Iterable
from typing import Final

from tidings.render.tabletext import WIDTH

KEPT: Final = "\ue001"
"""Begins a line that must not be wrapped; never in a finished text."""

_LEAD: Final = re.compile(r"(?:> )*\s*(?:(?:-|\d+\.) (?:\s*(?:-|\d+\.) )*)?")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")


def laid_out(text: str) -> str:
    """Return what a writer wrote in lines of the width."""
    lines = [line if len(line) <= WIDTH and KEPT not in line else _wrapped(line) for line in text.split("\n")]
    return tidy("\n".join(lines))


def tidy(text: str) -> str:
    """Return plain text with no blanks at line ends, at most one empty line in a row, and one newline at the end."""
    lines = "\n".join([line.rstrip() for line in text.splitlines()])
    if "\n\n\n" in lines:
        lines = _EMPTY_LINES.sub("\n\n", lines)
    return lines.strip("\n") + "\n"


def _wrapped(line: str) -> str:
    if KEPT in line:
        return line.replace(KEPT, "")
    if len(line) <= WIDTH:
        return line
    lead = _LEAD.match(line)
    first = lead[0] if lead else ""
    # An item goes on below its text, a quotation below its sign.
    following = re.sub(r"[^> ]", " ", first)
    if " " * 2 not in line and "\t" not in line:
        return _filled(line[len(first) :].split(" "), first, following)
    return textwrap.fill(
        line[len(first) :],
        WIDTH,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _filled(words: Iterable[str], first: str, following: str) -> str:
    """Return words with one blank between them in lines of the width, as ``textwrap`` breaks them."""
    lines: list[str] = []
    line = first
    begun = False
    for word in words:
        if begun and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line, begun = following, False
        line = f"{line} {word}" if begun else line + word
        begun = True
    return "\n".join([*lines, line])
