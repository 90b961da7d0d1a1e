"""Has anything that could run, or lead anywhere but to the web, got into a finished message?"""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final

from tidings.render.filters import SAFE_SCHEMES
from tidings.render.markup import FORBIDDEN, LINKS


def hazards(html: str) -> Iterator[str]:
    """Yield what has no place in a message: elements and attributes that run scripts, links of other schemes."""
    scanner = _Scanner()
    scanner.feed(html)
    scanner.close()
    yield from dict.fromkeys(scanner.found)


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
        plain = "".join(character for character in value if character > " ").lower()
        scheme, colon, _ = plain.partition(":")
        if name.startswith("on"):
            self.found.append(f"the attribute {name} runs a script")
        elif name in LINKS and colon and scheme not in SAFE_SCHEMES and not set(scheme) & set("/?#"):
            self.found.append(f"{name} leads to {scheme[:20]}:")
        elif name == "style" and any(each in plain for each in _RUNNING):
            self.found.append("a style runs a script")
