"""Keeps what an endpoint was told in confidence out of what is kept of its answer.

Some far sides echo the request they refuse, headers and all, in JSON, HTML or a URL.
"""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote, unquote_plus, urlsplit

REDACTED: Final = "[redacted]"

_LONGEST_READ: Final = 4_000
"""Characters of a text that are looked at."""
_SHORTEST_PART: Final = 8
"""A shorter part of a secret is left, as is "Bearer": it would blot out words that only look like it."""
_SHORTEST_TOKEN: Final = 16
"""A part of a url that is shorter than this is a word rather than a token."""
_LONGEST_SPELLING: Final = 12
"""Characters that one may become when it is escaped, twice over."""
_ESCAPED: Final = re.compile(r"\\+u(?P<code>[0-9A-Fa-f]{4})|\\+(?P<sign>[\"'/])|\\(?P<backslash>\\)")
_UNESCAPED: Final = re.compile(r"[A-Za-z0-9]+")
"""What every spelling leaves as it is."""


class Redactor:
    """Blots secrets out of texts, whether they stand there as they are or escaped."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        parts = {part for secret in secrets for part in _parts(secret)}
        self._secrets = tuple(sorted(parts, key=lambda each: (-len(each), each)))
        self._cores = tuple({_core(secret) for secret in self._secrets})
        self._reach = _LONGEST_SPELLING * len(self._secrets[0]) if self._secrets else 0

    def __call__(self, text: str) -> str:
        """Return the beginning of the text without the secrets, nor a piece of one that the cut went through."""
        if not self._secrets:
            return text[:_LONGEST_READ]
        longest = _LONGEST_READ + self._reach
        kept = self._blot(text[:longest])
        return kept if len(text) <= longest or not self._reach else kept[: -self._reach]

    def _blot(self, text: str) -> str:
        text = self._replace(text)
        if any(core in text for core in self._cores):
            for unquoting in (unquote, unquote_plus):
                plain = _unescape(unquoting(text))
                if any(secret in plain for secret in self._secrets):
                    text = self._replace(plain)
        return text

    def _replace(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text


def url_tokens(url: str) -> list[str]:
    """Return the parts of a url that may well be tokens: some vendors put them into the path or the query."""
    parts = urlsplit(url)
    return [word for word in re.split(r"[/?&=]", f"{parts.path}?{parts.query}") if len(word) >= _SHORTEST_TOKEN]


def _parts(secret: str) -> Iterator[str]:
    """Yield a secret and its words: of ``Bearer TOKEN`` the token alone is one too."""
    if secret:
        yield secret
    yield from (word for word in secret.split() if len(word) >= _SHORTEST_PART)


def _core(secret: str) -> str:
    """Return the longest piece that stands in every spelling of a secret, so that most texts need not be unescaped."""
    return max(_UNESCAPED.findall(secret), key=len, default="")


def _unescape(text: str) -> str:
    return _ESCAPED.sub(_sign, html.unescape(text))


def _sign(match: re.Match[str]) -> str:
    return chr(int(match["code"], 16)) if match["code"] else match["sign"] or match["backslash"]
