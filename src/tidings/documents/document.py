"""A document: plain data, and the place of each part of it."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tidings.documents.locating import positions
from tidings.model import Problem, Severity, Source

Path = tuple[str | int, ...]
"""The way from the root of a document to a value: keys and list positions."""

_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")


class Place(NamedTuple):
    """A line and a column, both from 1, in characters."""

    line: int
    column: int


class Span(NamedTuple):
    """A place and how many characters of its line are meant."""

    line: int
    column: int
    length: int


class Node:
    """A value with its bounds in the text; ``style`` is libyaml's, empty for plain scalars and collections."""

    __slots__ = ("end", "start", "style", "value")

    def __init__(self, value: Any, start: int, end: int, style: str) -> None:
        self.value = value
        self.start = start
        self.end = end
        self.style = style


class ScalarNode(Node):
    """A scalar; ``text`` is its decoded text, whatever ``value`` the text stands for."""

    __slots__ = ("text",)

    def __init__(self, value: Any, start: int, end: int, style: str, text: str) -> None:
        self.value = value  # not through super(): a file has thousands of scalars
        self.start = start
        self.end = end
        self.style = style
        self.text = text


class ListNode(Node):
    """A sequence; ``value`` is the list of its items' values."""

    __slots__ = ("items",)

    def __init__(self, start: int) -> None:
        super().__init__([], start, start, "")
        self.items: list[Node] = []


class MapNode(Node):
    """A mapping; ``value`` is a dict by key, ``entries`` holds the nodes of key and value."""

    __slots__ = ("entries",)

    def __init__(self, start: int) -> None:
        super().__init__({}, start, start, "")
        self.entries: dict[str, tuple[ScalarNode, Node]] = {}


class Text:
    """Decoded source text that knows its lines. A line ends where editors end it: LF, CRLF or CR."""

    __slots__ = ("_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._starts: list[int] = []

    def place(self, index: int) -> Place:
        """Return line and column of a character index."""
        if not self._starts:
            self._starts = [0, *(found.end() for found in _LINE_BREAK.finditer(self.text))]
        line = bisect_right(self._starts, index)
        return Place(line, index - self._starts[line - 1] + 1)

    def span(self, start: int, end: int) -> Span:
        """Return the place of ``start`` and the length up to ``end`` or the end of the line."""
        line_break = _LINE_BREAK.search(self.text, start, max(start, end))
        line, column = self.place(start)
        return Span(line, column, max(1, (line_break.start() if line_break else end) - start))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a YAML file holds. Treat its values as read-only: aliases share them."""

    source: Source
    text: Text = field(repr=False)
    root: Node = field(repr=False)

    def value(self, path: Path = ()) -> Any:
        """Return the plain data at a path: dict, list, str, int, float, bool or None; None when nothing is there."""
        value = self.root.value
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def place(self, path: Path = (), *, key: bool = False, offset: int | None = None) -> Place:
        """Return where a value begins, its key with ``key``, or the character at ``offset`` of its decoded text.

        A path that leads nowhere gives the place of the last part that exists. An offset that is the length of the
        text gives the place after its last character.
        """
        span = self.span(path, key=key, offset=offset)
        return Place(span.line, span.column)

    def span(self, path: Path = (), *, key: bool = False, offset: int | None = None, length: int | None = None) -> Span:
        """Return the place as ``place`` does and how many characters of that line it covers.

        ``length`` counts decoded characters from ``offset``; without it the span runs to the end of the scalar.
        """
        node = self._node(path, key=key)
        if not isinstance(node, ScalarNode):
            return self.text.span(node.start, node.start + 1)
        if offset is None and length is None:
            return self.text.span(node.start, node.end)
        return self._inside(node, offset or 0, length)

    def problem(  # noqa: PLR0913 (the parts of a problem, all by name)
        self,
        path: Path,
        *,
        code: str,
        message: str,
        hint: str = "",
        severity: Severity = Severity.ERROR,
        key: bool = False,
        offset: int | None = None,
        length: int | None = None,
    ) -> Problem:
        """Return a problem at a place of this document."""
        span = self.span(path, key=key, offset=offset, length=length)
        return Problem(
            file=self.source.path,
            line=span.line,
            column=span.column,
            length=span.length,
            code=code,
            message=message,
            hint=hint,
            severity=severity,
        )

    def has(self, path: Path) -> bool:
        """Say whether a path leads to a value."""
        return len(self._walk(path)[1]) == 0

    def _inside(self, node: ScalarNode, offset: int, length: int | None) -> Span:
        where = positions(self.text.text, start=node.start, end=node.end, style=node.style, decoded=node.text)
        first = min(max(offset, 0), len(node.text))
        last = len(node.text) if length is None else min(first + max(length, 1), len(node.text))
        start = where[first]
        if first == len(node.text) and node.text.endswith("\n"):
            start = where[len(node.text.rstrip("\n"))]
        return self.text.span(start, max(where[last], start + 1))

    def _node(self, path: Path, *, key: bool) -> Node:
        parent, rest = self._walk(path[:-1] if key else path)
        if key and not rest and path and isinstance(parent, MapNode) and path[-1] in parent.entries:
            return parent.entries[path[-1]][0]
        return parent

    def _walk(self, path: Path) -> tuple[Node, Path]:
        """Follow a path as far as it leads; return the node reached and what is left of the path."""
        node = self.root
        for index, step in enumerate(path):
            if isinstance(node, MapNode) and isinstance(step, str) and step in node.entries:
                node = node.entries[step][1]
            elif isinstance(node, ListNode) and isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
            else:
                return node, path[index:]
        return node, ()
