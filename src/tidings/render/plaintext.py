"""The text part of a message, made from its HTML or MJML.

Links read ``text (address)``, once where the text is the address; items of lists get a mark and an indentation; tables
of data get aligned columns, those that arrange things vanish; what is hidden (preheader, styles, scripts, head) is left
out. Lines are wrapped; an address is never broken.
"""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Final

from tidings.render.lines import KEPT, laid_out
from tidings.render.markup import VOID
from tidings.render.tabletext import Cell, Table

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
_LISTS: Final = frozenset({"ul", "ol"})
_TABLES: Final = frozenset({"table", "mj-table"})
_CELLS: Final = frozenset({"td", "th"})
_BUFFERED: Final = frozenset({"li", "td", "th", "blockquote"})
"""Elements whose whole text is needed before it can be written."""

_TOLD: Final = _PARAGRAPHS | _LINES | _LISTS | _TABLES | _BUFFERED | {"br", "hr", "img", "pre", "tr"}
"""Elements that do more to the text than to stand round it."""

_ENDS: Final = {
    "li": (frozenset({"li"}), _LISTS),
    "td": (_CELLS, _TABLES),
    "th": (_CELLS, _TABLES),
    "tr": (_CELLS | {"tr"}, _TABLES),
}
"""What an element ends that is still open, up to which element round both."""

_HIDDEN: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])", re.IGNORECASE
)
_PLAIN: Final = re.compile(
    r"<([a-zA-Z][a-zA-Z0-9-]*)((?:[ \t\n\r\f]+[a-zA-Z][a-zA-Z0-9_:.-]*=\"[^\"<>]*\")*)[ \t\n\r\f]*(/?)>"
    r"|</([a-zA-Z][a-zA-Z0-9-]*)[ \t\n\r\f]*>|([^<]+)|(<)"
)
"""Start tags whose attributes all have values in double quotes, end tags, text; and a ``<`` that is none of them."""

_ATTRIBUTE: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9_:.-]*)=\"([^\"]*)\"")
_TELLING: Final = re.compile(r"\b(?:hidden|style|role|href|alt|start)=", re.IGNORECASE)
_RAW: Final = frozenset({
    "iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp",
})  # fmt: skip
"""Elements whose inside a parser may read by rules of its own."""

_HEAD_END: Final = re.compile(r"</(?:mj-)?head\s*>", re.IGNORECASE)
INVISIBLE: Final = re.compile("[\u00ad\u034f\u200b\u2060\ufeff\ue001]")
BLANKS: Final = re.compile("[ \t\n\r\f\u00a0\u2007\u202f]+")
_SHORTENED: Final = re.compile(r"^https?://(www\.)?|/$", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"^(?:mailto:([^?]*).*|tel:(.*))$")
_NO_PAGES: Final = frozenset({"mail", "tel:"})

_RULE: Final = "-" * 20
_DEEPEST: Final = 256
"""How many open elements are told apart; no message has more, and looking through them must not take for ever."""


def text_of(markup: str) -> str:
    """Return the markup as readable plain text that ends with one newline."""
    return laid_out(_read(body_of(markup)).text())


def body_of(markup: str) -> str:
    """Return what stands behind the head."""
    head = _HEAD_END.search(markup)
    return markup[head.end() :] if head else markup


def _read(body: str) -> "Writer":
    """Return a writer that was told of every element and text.

    Markup that is written plainly, as that of templates is, needs no parser to be read as one would read it; anything
    else goes to Python's.
    """
    writer = Writer()
    return writer if read_plainly(body, writer) else _parsed(body)


def read_plainly(body: str, writer: "Writer") -> bool:
    """Tell a writer of every element and text; return False where the markup is not written plainly."""
    for name, attributes, alone, end, text, odd in _PLAIN.findall(body):
        if text:
            writer.handle_data(unescape(text) if "&" in text else text)
        elif end:
            writer.handle_endtag(end.lower())
        elif odd or (tag := name.lower()) in _RAW:
            return False
        else:
            writer.begin(tag, _given(attributes) if attributes else {})
            if alone and tag not in VOID:
                writer.handle_endtag(tag)
    return True


def _parsed(body: str) -> "Writer":
    writer = Writer()
    writer.feed(body)
    writer.close()
    return writer


def _given(attributes: str) -> dict[str, str]:
    """Return attributes by name; none where there is none that plain text depends on."""
    if not _TELLING.search(attributes):
        return {}
    return {name.lower(): unescape(value) for name, value in _ATTRIBUTE.findall(attributes)}


def address_in(href: str) -> str:
    """Return what a reader has to know of where a link leads."""
    return _ADDRESS.sub(r"\1\2", href) if href[:4] in _NO_PAGES else href


def is_told(shown: str, address: str, told: set[str]) -> bool:
    """Say whether a link's address is written out, and note it among those that were."""
    may_be_equal = not shown or shown[-1] == address[-1:] or "/" in {shown[-1], address[-1:]}
    if address.startswith("#") or (may_be_equal and _SHORTENED.sub("", shown) == _SHORTENED.sub("", address)):
        return False
    if not shown and address in told:
        return False
    told.add(address)
    return True


class _Element:
    """An open element: what it hides, and for a link where it leads and what its text is so far."""

    __slots__ = ("dropped", "href", "start", "tag")

    def __init__(self, tag: str, *, dropped: bool, href: str, start: int) -> None:
        self.tag = tag
        self.dropped = dropped
        self.href = href
        self.start = start
        """How many pieces had been written when the element opened."""


class _Buffer:
    """Text under way: of the whole message, or of an element that is written once it is complete."""

    __slots__ = ("blank", "breaks", "lead", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.breaks = 0
        self.blank = False
        self.lead = 0
        """How many line breaks were asked for before the first piece."""

    def part(self, breaks: int) -> None:
        """Ask for so many line breaks before what is written next."""
        self.breaks = max(self.breaks, breaks)
        self.blank = False

    def write(self, text: str) -> None:
        if not self.pieces:
            self.lead = self.breaks
        elif self.breaks:
            self.pieces.append("\n" * self.breaks)
        elif self.blank and not self.pieces[-1].endswith((" ", "\n")):
            self.pieces.append(" ")
        self.breaks = 0
        self.blank = False
        self.pieces.append(text)

    def lines(self) -> list[str]:
        """Return what has been written, without empty lines at the ends or two of them in a row."""
        return re.sub(r"\n[ \n]*\n", "\n\n", "".join(self.pieces).strip("\n ")).split("\n") if self.pieces else []


class Writer(HTMLParser):
    """Writes plain text as it is told of elements and texts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._buffers = [_Buffer()]
        self._open: list[_Element] = []
        self._lists: list[int | None] = []
        """For each open list its next number, None for a list of points."""
        self._tables: list[Table] = []
        self._pre = 0
        self._addresses: set[str] = set()
        """Every address written so far."""
        self.is_rigid = False
        """Whether the length of words counts for more than where lines break."""

    def updatepos(self, i: int, j: int) -> int:  # noqa: ARG002 (the parser's own method)
        """Count no lines: nobody asks for them, and counting takes a tenth of the time."""
        return j

    def text(self) -> str:
        """Return what has been written, once everything has been fed."""
        while self._open:
            self._leave(self._open.pop())
        return "".join(self._buffers[0].pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element that the parser found."""
        self.begin(tag, {name: value or "" for name, value in attrs})

    def begin(self, tag: str, given: dict[str, str]) -> None:
        """Open an element."""
        if tag in _ENDS:
            self._end_open(*_ENDS[tag])
        dropped = (bool(self._open) and self._open[-1].dropped) or _is_hidden(tag, given)
        start = len(self._buffers[-1].pieces)
        if not dropped and tag in _TOLD:
            self._enter(tag, given)
        if tag not in VOID and len(self._open) < _DEEPEST:
            href = given.get("href", "").strip() if tag in _LINKING else ""
            self._open.append(_Element(tag, dropped=dropped, href=href, start=start))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element and close it, unless it is one without an end."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element and all that stand open in it; nothing where it is not open."""
        if not (self._open and self._open[-1].tag == tag) and all(each.tag != tag for each in self._open):
            return
        while self._open:
            element = self._open.pop()
            self._leave(element)
            if element.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        """Write text as its surroundings have it."""
        if self._open and self._open[-1].dropped:
            return
        buffer = self._buffers[-1]
        if data.isspace() and not self._pre:
            buffer.blank = True
            return
        text = data if data.isascii() else INVISIBLE.sub("", data)
        if self._pre:
            buffer.write(KEPT + text.replace("\n", f"\n{KEPT}"))
            return
        text = BLANKS.sub(" ", text)
        bare = text.strip(" ")
        if text.startswith(" "):
            buffer.blank = True
        if bare:
            buffer.write(bare)
            buffer.blank = text.endswith(" ")

    def _end_open(self, ended: frozenset[str], within: frozenset[str]) -> None:
        """End elements whose end tag may be left out."""
        while True:
            near = next((each.tag for each in reversed(self._open) if each.tag in ended or each.tag in within), "")
            if near not in ended:
                return
            self.handle_endtag(near)

    def _enter(self, tag: str, given: dict[str, str]) -> None:
        buffer = self._buffers[-1]
        if tag == "br":
            buffer.pieces.append("\n")
            buffer.blank = False
        elif tag in _PARAGRAPHS:
            buffer.part(1 if self._lists and tag in _LISTS else 2)
        elif tag in _LINES:
            buffer.part(1)
        self._begin(tag, given)
        if tag in _BUFFERED and len(self._open) < _DEEPEST:
            self._buffers.append(_Buffer())

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        """Write or note what an element begins with, once its line stands."""
        if tag in _LISTS:
            start = given.get("start", "")
            self._lists.append((int(start) if re.fullmatch(r"\d{1,6}", start) else 1) if tag == "ol" else None)
        elif tag in _TABLES:
            self._open_table(given)
        elif tag == "tr" and self._tables:
            self._tables[-1].rows.append([])
        elif tag == "pre":
            self._pre += 1
            self.is_rigid = True
        elif tag in {"hr", "mj-divider"}:
            self._buffers[-1].write(_RULE)
            self._buffers[-1].part(2)
        elif tag in {"img", "mj-image"} and given.get("alt", "").strip():
            self._buffers[-1].write(BLANKS.sub(" ", given["alt"].strip()))

    def _open_table(self, given: dict[str, str]) -> None:
        for outer in self._tables:
            outer.layout = True
        self._tables.append(Table(layout=given.get("role", "") in {"presentation", "none"}))

    def _leave(self, element: _Element) -> None:
        if element.dropped:
            return
        if element.href:
            self._link(element)
        tag = element.tag
        if tag not in _TOLD:
            return
        if tag in _BUFFERED:
            self._write_buffered(tag, self._buffers.pop())
        if tag in _LISTS:
            self._lists.pop()
            self._buffers[-1].part(1 if self._lists else 2)
        elif tag in _TABLES:
            self._write_table(self._tables.pop())
            self._buffers[-1].part(2)
        elif tag in _PARAGRAPHS:
            self._pre -= tag == "pre"
            self._buffers[-1].part(2)
        elif tag in _LINES:
            self._buffers[-1].part(1)

    def _write_buffered(self, tag: str, inner: _Buffer) -> None:
        lines = inner.lines()
        if tag in _CELLS and self._tables:
            cell = Cell(text="\n".join(lines), heading=tag == "th", before=inner.lead, after=inner.breaks)
            self._tables[-1].add(cell)
            return
        mark = "> " if tag == "blockquote" else self._mark() if tag == "li" else ""
        indent = mark if tag == "blockquote" else " " * len(mark)
        if lines:
            outer = self._buffers[-1]
            outer.part(inner.lead if tag == "td" else 1)
            outer.write("\n".join([mark + lines[0], *[(indent + line).rstrip() for line in lines[1:]]]))
            outer.part(2 if inner.breaks > 1 else 1)

    def _mark(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _write_table(self, table: Table) -> None:
        outer = self._buffers[-1]
        if not table.arranges:
            self.is_rigid = True
            outer.write("\n".join(KEPT + line for line in table.lines()))
            return
        for cell in (cell for row in table.rows for cell in row if cell.text):
            outer.part(max(1, cell.before))
            outer.write(cell.text)
            outer.part(max(1, cell.after))

    def _link(self, element: _Element) -> None:
        address = address_in(element.href)
        buffer = self._buffers[-1]
        shown = "".join(buffer.pieces[element.start :]).strip()
        if self.tells(shown, address):
            buffer.blank = buffer.blank or bool(shown)
            buffer.write(f"({address})" if shown else address)

    def tells(self, shown: str, address: str) -> bool:
        """Say whether a link's address is to be written out."""
        return is_told(shown, address, self._addresses)


def _is_hidden(tag: str, given: dict[str, str]) -> bool:
    return tag in _DROPPED or "hidden" in given or ("style" in given and bool(_HIDDEN.search(given["style"])))
