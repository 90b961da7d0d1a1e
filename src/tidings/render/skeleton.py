"""MJML that differs from MJML compiled before in its words alone is not compiled again.

The compiler hands on what stands between tags as it is, and links of printable ASCII as well (``finishing`` tells what
it does to others). So both are taken out; what is left, the skeleton, is compiled, finished and read as text once, and
they are put back. Messages of one template to customers of one brand mostly share a skeleton.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tidings.render.finishing import BadMarkup, compile_mjml, finish, framed, is_right_to_left, preview, title_of
from tidings.render.marks import MARK, Form, form_of, mark
from tidings.render.plaintext import text_of
from tidings.render.textform import TextForm, plain_address, plain_word, text_form

_BETWEEN: Final = re.compile(r">\s*([^<>\s][^<>]*)(?=<)")
_COMMENT: Final = re.compile(r"(<!--.*?-->)", re.DOTALL)
_ADDRESS: Final = re.compile(r" href=\"([!#-;=?-\[\]-~]+)(?=\")")
_HREF: Final = ' href="'
_TITLE: Final = 0
_PREVIEW: Final = 1
"""The first two words of a message are its title and what shows beside it."""
_KEPT: Final = 256
"""How many skeletons are remembered: 20 kB or so each."""


@dataclass(slots=True)
class _Plan:
    """What a skeleton makes."""

    html: Form
    text: TextForm | None = None
    is_read: bool = False
    """Whether its plain text was asked for; ``text`` is None still if that cannot be had of the skeleton alone."""


class Draft:
    """A message of rendered MJML that holds nothing unsendable, ready to be written out."""

    def __init__(self, markup: str, *, locale: str) -> None:
        self._markup = markup
        self._locale = locale
        self._words: list[str] = ["", ""]
        """What was taken out, as it stood there."""
        self._spoken: list[str] = ["", ""]
        """The same as plain text has it."""
        self._skeleton = self._without_words()

    def html(self, *, subject: str, preheader: str) -> str:
        """Return the HTML; raise BadMarkup where the compiler refuses the markup."""
        plan = self._plan()
        if plan is None:  # also for the compiler's complaint, which has the places of the text
            html = compile_mjml(self._markup, right_to_left=is_right_to_left(self._locale))
            return finish(html, subject=subject, preheader=preheader, locale=self._locale)
        self._words[_TITLE] = title_of(subject)
        self._words[_PREVIEW] = preview(preheader)
        return plan.html.filled(self._words)

    def text(self) -> str:
        """Return the plain text."""
        plan = self._plan()
        if plan is None:
            return text_of(self._markup)
        if not plan.is_read:
            plan.text = text_form(self._skeleton, self._spoken)
            plan.is_read = True
        text = None if plan.text is None else plan.text.filled(self._spoken)
        return text_of(self._markup) if text is None else text

    def _plan(self) -> _Plan | None:
        try:
            return _planned(self._skeleton, self._locale) if self._skeleton else None
        except BadMarkup:
            return None

    def _without_words(self) -> str:
        """Return the markup with marks for words and links; nothing where it must stay whole."""
        head = self._markup.find("</mj-head>")
        if head < 0 or MARK in self._markup:
            return ""
        body = self._markup[head:]
        parts = _COMMENT.split(body) if "<!--" in body else [body]
        parts[::2] = map(self._take_out, parts[::2])
        return "".join((self._markup[:head], *parts))

    def _take_out(self, markup: str) -> str:
        """Return markup without the words between its tags, but with the blanks round them, and without its links."""
        words, spoken = self._words, self._spoken
        kept: list[str] = []
        done = 0
        for found in _BETWEEN.finditer(markup):
            start = found.start(1)
            word = found[1].rstrip()
            if said := plain_word(word):
                kept += (markup[done:start], mark(len(words)))
                done = start + len(word)
                words.append(word)
                spoken.append(said)
        kept.append(markup[done:])
        markup = "".join(kept)
        return _ADDRESS.sub(self._take_address, markup) if _HREF in markup else markup

    def _take_address(self, found: re.Match[str]) -> str:
        spoken = plain_address(found[1])
        if not spoken:
            return found[0]
        self._words.append(found[1])
        self._spoken.append(spoken)
        return f"{_HREF}{mark(len(self._words) - 1)}"


@lru_cache(maxsize=_KEPT)
def _planned(skeleton: str, locale: str) -> _Plan:
    html = compile_mjml(skeleton, right_to_left=is_right_to_left(locale))
    html, opened = framed(html, title=mark(_TITLE), locale=locale)
    return _Plan(form_of(html[:opened] + mark(_PREVIEW) + html[opened:]))
