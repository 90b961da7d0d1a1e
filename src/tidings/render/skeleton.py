"""MJML that differs from MJML compiled before in its words alone is not compiled again.

The compiler hands on what stands between tags as it is, and links of printable ASCII as well (``finishing`` tells what
it does to others). So both are taken out, what is left, the skeleton, is compiled once, and they are put back into its
HTML. Messages of one template to customers of one brand mostly share a skeleton.
"""

import re
from functools import lru_cache
from typing import Final

from tidings.render.finishing import BadMarkup, compile_mjml

_MARK: Final = "~tidings~"
"""Stands before the number of what was taken out; MJML that has it is compiled as it is."""

_WORDS: Final = re.compile(
    r"<!--(?s:.*?)-->"
    # Between tags, without the blanks at either end, and without what XML cannot hold.
    r"|>(\s*)([^<>\s\x00-\x1f\ufffe\uffff](?:[^<>\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*[^<>\s\x00-\x1f\ufffe\uffff])?)(?=\s*<)"
    r"| href=\"([!#-;=?-\[\]-~]+)(?=\")"
)
_PUT_BACK: Final = re.compile(_MARK + r"(\d+)~")
_KEPT: Final = 256
"""How many skeletons are remembered: 15 kB or so each."""


def compile_shared(text: str, *, right_to_left: bool) -> str:
    """Return what ``compile_mjml`` would, in less time where only words are new; raise BadMarkup as it does."""
    head = text.find("</mj-head>")
    if head < 0 or _MARK in text:
        return compile_mjml(text, right_to_left=right_to_left)
    words: list[str] = []

    def take_out(found: re.Match[str]) -> str:
        blanks, word, address = found.groups()
        if word:
            words.append(word)
            return f">{blanks}{_MARK}{len(words) - 1}~"
        if address:
            words.append(address)
            return f' href="{_MARK}{len(words) - 1}~'
        return found[0]

    skeleton = text[:head] + _WORDS.sub(take_out, text[head:])
    try:
        pieces, numbers = _compiled(skeleton, right_to_left)
    except BadMarkup:
        return compile_mjml(text, right_to_left=right_to_left)  # whose complaint has the places of the text
    return "".join([pieces[0], *(words[number] + piece for number, piece in zip(numbers, pieces[1:], strict=True))])


@lru_cache(maxsize=_KEPT)
def _compiled(skeleton: str, right_to_left: bool) -> tuple[list[str], list[int]]:  # noqa: FBT001 (a key of the memory)
    """Return the HTML in pieces, and which words stand between them."""
    parts = _PUT_BACK.split(compile_mjml(skeleton, right_to_left=right_to_left))
    return parts[::2], [int(number) for number in parts[1::2]]
