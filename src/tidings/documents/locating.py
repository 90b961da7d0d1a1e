"""Where each character of a decoded scalar stands in its source, for each of YAML's five ways of writing one.

These are the folding, escaping and chomping rules of YAML as libyaml applies them, run again with an eye on
positions. They run only when a problem has to be shown, and the result is held against what the parser decoded:
if the two ever differed, every character would be given the place of the scalar itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_PROPERTIES: Final = re.compile(r"(?:[&!][^\s,\[\]{}]*|#[^\r\n]*|\s)*")
_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_BLANKS: Final = re.compile(r"[ \t]*")
_HEADER: Final = re.compile(r"[|>](?:([+-])?([1-9])?|([1-9])?([+-])?)[ \t]*(?:#[^\r\n\x85\u2028\u2029]*)?$")
_BREAKS: Final = "\r\n\x85\u2028\u2029"
_BLANK: Final = " \t"
_HEX: Final = {"x": 2, "u": 4, "U": 8}
_ESCAPES: Final = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


@dataclass(slots=True)
class _Run:
    """Decoded characters, each with its position."""

    characters: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, character: str, place: int) -> None:
        self.characters.append(character)
        self.places.append(place)

    def take(self, other: "_Run") -> None:
        """Append another run and empty it."""
        self.characters += other.characters
        self.places += other.places
        other.clear()

    def clear(self) -> None:
        self.characters.clear()
        self.places.clear()

    def __bool__(self) -> bool:
        return bool(self.places)

    @property
    def text(self) -> str:
        return "".join(self.characters)


def positions(source: str, *, start: int, end: int, style: str, decoded: str) -> list[int]:
    """Return the index in ``source`` of each decoded character, and one more for the place after the last.

    ``start`` and ``end`` bound the scalar with its anchor; ``style`` is the parser's: one of ``' " | >`` or empty.
    """
    properties = _PROPERTIES.match(source, start, end)
    begin = properties.end() if properties else start
    for run, after in _readings(source, begin, end, style):
        if run.text == decoded:
            return [*run.places, after]
    return [begin] * (len(decoded) + 1)


def _readings(source: str, begin: int, end: int, style: str) -> Iterator[tuple[_Run, int]]:
    """Yield each way the scalar can be read; only an indentation indicator leaves more than one."""
    if style == "'":
        yield _flow(source, begin + 1, end - 1, quote="'"), end - 1
    elif style == '"':
        yield _flow(source, begin + 1, end - 1, quote='"'), end - 1
    elif style in ("|", ">"):
        yield from _blocks(source, begin, end, folded=style == ">")
    else:
        run = _flow(source, begin, end, quote="")
        yield run, run.places[-1] + 1 if run else begin


def _flow(source: str, at: int, end: int, *, quote: str) -> _Run:
    """Read a plain or quoted scalar between its quotes: line breaks fold, blanks round them go."""
    run = _Run()
    while at < end:
        character = source[at]
        if character in _BLANK or character in _BREAKS:
            at = _fold(source, at, end, run)
        elif character == "\\" and quote == '"':
            at = _escape(source, at, end, run)
        else:
            run.add(character, at)
            at += 2 if quote == "'" and character == "'" else 1
    return run


def _fold(source: str, at: int, end: int, run: _Run, *, escaped: bool = False) -> int:
    """Read blanks and breaks between two words; ``escaped`` when a backslash took the first break."""
    blanks, first, rest = _Run(), _Run(), _Run()
    while at < end and (source[at] in _BLANK or source[at] in _BREAKS):
        if source[at] in _BREAKS:
            at = _line_break(source, at, rest if first or escaped else first)
        else:
            if not first and not escaped:
                blanks.add(source[at], at)
            at += 1
    if not first and not escaped:
        run.take(blanks)
    elif first.text == "\n":
        run.take(rest) if rest else run.add(" ", first.places[0])
    else:
        run.take(first)
        run.take(rest)
    return at


def _line_break(source: str, at: int, into: _Run) -> int:
    found = _BREAK.match(source, at)
    length = len(found[0]) if found else 1
    into.add(source[at] if source[at] in "\u2028\u2029" else "\n", at)
    return at + length


def _escape(source: str, at: int, end: int, run: _Run) -> int:
    """Read one backslash escape of a double-quoted scalar."""
    kind = source[at + 1]
    if kind in _BREAKS:
        return _fold(source, _line_break(source, at + 1, _Run()), end, run, escaped=True)
    if kind in _HEX:
        after = at + 2 + _HEX[kind]
        run.add(chr(int(source[at + 2 : after], 16)), at)
        return after
    run.add(_ESCAPES.get(kind, kind), at)
    return at + 2


def _blocks(source: str, begin: int, end: int, *, folded: bool) -> Iterator[tuple[_Run, int]]:
    """Read a literal or folded block; with an indentation indicator, at each indentation it could mean."""
    line_end = _BREAK.search(source, begin, end)
    header = _HEADER.match(source[begin : line_end.start() if line_end else end])
    body = line_end.end() if line_end else end
    if header is None:
        return
    chomping = header[1] or header[4] or ""
    indents = range(end - body + 1) if header[2] or header[3] else (_detect_indent(source, body, end),)
    for indent in indents:
        run, after = _block(source, body, end, indent=indent, folded=folded, chomping=chomping)
        yield run, after if run else begin


def _detect_indent(source: str, at: int, end: int) -> int:
    """Return the indentation of the first line that is not blank."""
    while at < end:
        column = 0
        while at < end and source[at] == " ":
            at, column = at + 1, column + 1
        if at >= end or source[at] not in _BREAKS:
            return column
        at = _line_break(source, at, _Run())
    return 0


def _block(source: str, at: int, end: int, *, indent: int, folded: bool, chomping: str) -> tuple[_Run, int]:
    """Read the lines of a block at one indentation; return them and the place after the last of their text."""
    run, first, rest = _Run(), _Run(), _Run()
    after, leading_blank = at, False
    at, on_text = _skip_lines(source, at, end, indent, rest)
    while on_text:
        blank = source[at] in _BLANK
        if folded and first.text == "\n" and not leading_blank and not blank:
            if not rest:
                run.add(" ", first.places[0])
            first.clear()
        run.take(first)
        run.take(rest)
        leading_blank = blank
        while at < end and source[at] not in _BREAKS:
            run.add(source[at], at)
            at += 1
        after = at
        if at < end:
            at = _line_break(source, at, first)
        at, on_text = _skip_lines(source, at, end, indent, rest)
    if chomping != "-":
        run.take(first)
    if chomping == "+":
        run.take(rest)
    return run, after


def _skip_lines(source: str, at: int, end: int, indent: int, rest: _Run) -> tuple[int, bool]:
    """Read empty lines; return where the next begins past its indentation, and whether it belongs to the block."""
    while True:
        column = 0
        while at < end and column < indent and source[at] == " ":
            at, column = at + 1, column + 1
        if at >= end or source[at] not in _BREAKS:
            return at, at < end and column == indent
        at = _line_break(source, at, rest)
