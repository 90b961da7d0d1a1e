"""Has anything that could run, or lead anywhere but to the web, got into a finished message?"""

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Final

from tidings.render.filters import SAFE_SCHEMES
from tidings.render.markup import FORBIDDEN, LINKS


def hazards(html: str) -> Iterator[str]:
    """Yield what has no place in a message: elements and attributes that run scripts, links of other schemes."""
    yield from dict.fromkeys(_scanned(html).found)


def _scanned(html: str) -> "_Scanner":
    """Return a scanner that has seen every start tag; what is written plainly needs no parser."""
    scanner = _Scanner()
    for name, attributes, odd in _SIMPLE.findall(html):
        if odd:
            break
        if name:
            values = _ATTRIBUTE.findall(attributes) if attributes else ()
            scanner.handle_starttag(name.lower(), [(key.lower(), unescape(value)) for key, value in values])
    else:
        return scanner
    scanner = _Scanner()
    scanner.feed(html)
    scanner.close()
    return scanner


_SIMPLE: Final = re.compile(
    r"<!--(?:(?!--).)*-->|<!doctype html>|<style(?: type=\"text/css\")?>[^<]*</style>|</[a-z][a-z0-9-]*>|[^<]+"
    r"|<(?!(?:iframe|noembed|noframes|noscript|plaintext|script|style|textarea|title|xmp)\b)([a-z][a-z0-9-]*)"
    r"((?:[ \t\n\r\f]+[a-z][a-z0-9_:.-]*=\"[^\"<>]*\")*)[ \t\n\r\f]*/?>|<title>[^<]*</title>|(<)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
"""Comments, ends, text, styles; a start tag whose attributes have values in double quotes; a ``<`` that is none."""

_ATTRIBUTE: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9_:.-]*)=\"([^\"]*)\"")
_BLANKS: Final = dict.fromkeys(range(33))


_RUNNING: Final = frozenset({"expression(", "javascript:", "-moz-binding"})
"""What old programs run when it stands in a style."""


class _Scanner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FORBIDDEN:
            self.found.append(f"it has the element <{tag}>")
        for name, value in attrs:
            self._attribute(name, value or "")

    def _attribute(self, name: str, value: str) -> None:
        if name.startswith("on"):
            self.found.append(f"the attribute {name} runs a script")
        elif name not in LINKS and name != "style":
            return
        plain = value.translate(_BLANKS).lower()
        scheme, colon, _ = plain.partition(":")
        if name in LINKS and colon and scheme not in SAFE_SCHEMES and not set(scheme) & set("/?#"):
            self.found.append(f"{name} leads to {scheme[:20]}:")
        elif name == "style" and any(each in plain for each in _RUNNING):
            self.found.append("a style runs a script")
