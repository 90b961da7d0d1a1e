"""The text part of a message, made from its HTML or MJML.

Links read ``text (address)``, list items and table rows get a line each, paragraphs a blank line between them;
what is hidden (preheader, styles, scripts, head) is left out.
"""

import re
from html.parser import HTMLParser
from typing import Final

from tidings.render.markup import VOID

_DROPPED: Final = frozenset({
    "head", "mj-head", "style", "mj-style", "script", "title", "template", "noscript", "mj-preview", "svg",
})  # fmt: skip
_PARAGRAPHS: Final = frozenset({
    "address", "article", "blockquote", "dl", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "main", "mj-button", "mj-divider", "mj-hero", "mj-image", "mj-navbar", "mj-section", "mj-social", "mj-table",
    "mj-text", "nav", "ol", "p", "pre", "section", "table", "ul",
})  # fmt: skip
_LINES: Final = frozenset({
    "caption", "dd", "div", "dt", "figcaption", "li", "mj-column", "mj-social-element", "tbody", "tfoot", "thead",
    "tr",
})  # fmt: skip
_LINKING: Final = frozenset({"a", "mj-button", "mj-navbar-link", "mj-image", "mj-social-element"})
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HEAD_END: Final = re.compile(r"</(?:mj-)?head\s*>", re.IGNORECASE)
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")
_BLANKS: Final = re.compile("[ \t\n\r\f\u00a0\u2007]+")
_RULE: Final = "-" * 20


def text_of(markup: str) -> str:
    """Return the markup as readable plain text that ends with one newline."""
    writer = _Writer()
    head = _HEAD_END.search(markup)
    writer.feed(markup[head.end() :] if head else markup)
    writer.close()
    return writer.text()


def tidy(text: str) -> str:
    """Return plain text with no blanks at line ends, at most one empty line in a row, and one newline at the end."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"


class _Element:
    """An open element: what it hides, and for a link where it leads and what its text is so far."""

    __slots__ = ("dropped", "href", "start", "tag")

    def __init__(self, tag: str, *, dropped: bool, href: str, start: int) -> None:
        self.tag = tag
        self.dropped = dropped
        self.href = href
        self.start = start
        """How many pieces had been written when the element opened."""


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._open: list[_Element] = []
        self._lists: list[int | None] = []
        """For each open list its next number, None for a list of points."""
        self._breaks = 0
        self._blank = False
        self._cells = False
        self._marked = False
        """Whether the mark of a list item is all that stands on the line."""
        self._layout: list[bool] = []
        """For each open table whether it only arranges things."""

    def updatepos(self, i: int, j: int) -> int:  # noqa: ARG002 (the parser's own method)
        """Count no lines: nobody asks for them, and counting takes a tenth of the time."""
        return j

    def text(self) -> str:
        return tidy("".join(self._pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        dropped = self._dropping() or _is_hidden(tag, given)
        start = len(self._pieces)
        if not dropped:
            self._enter(tag, given)
        if tag not in VOID:
            href = given.get("href", "") if tag in _LINKING else ""
            self._open.append(_Element(tag, dropped=dropped, href=href.strip(), start=start))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not any(element.tag == tag for element in self._open):
            return
        while self._open:
            element = self._open.pop()
            if not element.dropped:
                self._leave(element)
            if element.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._dropping():
            return
        text = _INVISIBLE.sub("", data)
        if any(element.tag == "pre" for element in self._open):
            self._write(text)
            return
        text = _BLANKS.sub(" ", text)
        if text.startswith(" "):
            self._blank = True
        if text.strip(" "):
            self._write(text.strip(" "))
            self._blank = text.endswith(" ")

    def _dropping(self) -> bool:
        return bool(self._open) and self._open[-1].dropped

    def _enter(self, tag: str, given: dict[str, str]) -> None:
        if tag == "br":
            self._pieces.append("\n")
            self._blank = False
        elif tag in {"td", "th"}:
            self._enter_cell()
        elif tag in _PARAGRAPHS:
            self._part(1 if self._lists and tag in {"ul", "ol"} else 2)
        elif tag in _LINES:
            self._part(1)
        self._begin(tag, given)

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        """Write or note what an element begins with, once its line stands."""
        if tag in {"ul", "ol"}:
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "table":
            self._layout.append(given.get("role") == "presentation")
        elif tag == "tr":
            self._cells = False
        elif tag == "li":
            self._enter_item()
        elif tag in {"hr", "mj-divider"}:
            self._write(_RULE)
            self._part(2)
        elif tag in {"img", "mj-image"} and given.get("alt", "").strip():
            self._write(_BLANKS.sub(" ", given["alt"].strip()))

    def _enter_cell(self) -> None:
        if self._layout and self._layout[-1]:
            self._part(1)
        elif self._cells:
            self._blank = False
            self._write(" | ")
        self._cells = True

    def _enter_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        mark = "- " if number is None else f"{number}. "
        self._write("  " * (len(self._lists) - 1) + mark)
        self._marked = True
        if number is not None:
            self._lists[-1] = number + 1

    def _leave(self, element: _Element) -> None:
        if element.href:
            self._link(element)
        if element.tag in {"ul", "ol"} and self._lists:
            self._lists.pop()
            self._part(1 if self._lists else 2)
        elif element.tag == "table" and self._layout:
            self._layout.pop()
            self._part(2)
        elif element.tag in _PARAGRAPHS:
            self._part(2)
        elif element.tag in _LINES:
            self._part(1)

    def _link(self, element: _Element) -> None:
        address = element.href.removeprefix("mailto:").removeprefix("tel:")
        shown = "".join(self._pieces[element.start :]).strip()
        if address.startswith("#") or shown == address:
            return
        self._blank = self._blank or bool(shown)
        self._write(f"({address})" if shown else address)

    def _part(self, breaks: int) -> None:
        """Ask for so many line breaks before what is written next."""
        if not self._marked:
            self._breaks = max(self._breaks, breaks)
        self._blank = False

    def _write(self, text: str) -> None:
        if self._breaks and self._pieces:
            self._pieces.append("\n" * self._breaks)
        elif self._blank and self._pieces and not self._pieces[-1].endswith((" ", "\n")):
            self._pieces.append(" ")
        self._breaks = 0
        self._blank = False
        self._marked = False
        self._pieces.append(text)


def _is_hidden(tag: str, given: dict[str, str]) -> bool:
    return tag in _DROPPED or "hidden" in given or bool(_HIDDEN.search(given.get("style", "")))
