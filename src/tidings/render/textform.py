"""The plain text of messages that differ in words and links alone: read once, then filled in.

A mark reads as the word does for which it stands. Whether a link's address is written out depends on what it reads
itself: a message for which that comes out otherwise than for the first is read by itself.
"""

from collections.abc import Sequence
from html import unescape
from typing import NamedTuple

from tidings.render.lines import laid_out
from tidings.render.marks import Form, form_of
from tidings.render.plaintext import BLANKS, INVISIBLE, Writer, address_in, body_of, is_told, read_plainly


def plain_word(word: str) -> str:
    """Return words that stand between tags as plain text has them; nothing if they would not begin and end with one."""
    if "&" in word:
        word = unescape(word)
    elif word.isascii() and word.isprintable() and "  " not in word:
        return word
    word = BLANKS.sub(" ", INVISIBLE.sub("", word))
    return word if word == word.strip() else ""


def plain_address(address: str) -> str:
    """Return where a link leads as plain text has it, which is as it reads; nothing if it has it otherwise."""
    if "&" in address:
        address = unescape(address)
        if not address.isprintable() or " " in address or INVISIBLE.search(address):
            return ""
    return address if address_in(address) == address else ""


class _Link(NamedTuple):
    """A link: what it reads, where it leads, and whether its address was written out."""

    shown: Form
    address: Form
    is_told: bool


class TextForm(NamedTuple):
    """The plain text of a skeleton."""

    form: Form
    links: Sequence[_Link]

    def filled(self, words: Sequence[str]) -> str | None:
        """Return the text with these words; None where an address is to be told that was not, or not to that was."""
        told: set[str] = set()
        for shown, address, was_told in self.links:
            if is_told(shown.filled(words), address.filled(words), told) is not was_told:
                return None
        return laid_out(self.form.filled(words))


def text_form(skeleton: str, words: Sequence[str]) -> TextForm | None:
    """Read a skeleton, its links as they come out for these words.

    Return None where the text does not stand in lines that are filled one by one: tables of data, preformatted text.
    """
    writer = _FormWriter(words)
    if not read_plainly(body_of(skeleton), writer):
        return None
    text = writer.text()
    return None if writer.is_rigid else TextForm(form_of(text), writer.links)


class _FormWriter(Writer):
    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.links: list[_Link] = []
        self._words = words

    def tells(self, shown: str, address: str) -> bool:
        """Go by the words that the marks stand for."""
        forms = form_of(shown), form_of(address)
        told = super().tells(*(each.filled(self._words) for each in forms))
        self.links.append(_Link(*forms, told))
        return told
