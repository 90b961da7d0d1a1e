"""Shared pieces of templates, and which version of one a message in some language includes."""

from collections.abc import Iterable
from typing import Final

from tidings.render.locales import normal, widening
from tidings.render.reading import TemplateFile

_OTHERWISE: Final = "en"


class Partials:
    """The partials of a rulebook: ``_partials/footer.mjml``, and ``footer.ar.mjml`` for messages in Arabic.

    They are included by the name without a language. A message takes the version of its own locale, then of the
    wider ones (``ar-AE``, ``ar``), then the one without a language, then ``en``.
    """

    def __init__(self, files: Iterable[TemplateFile]) -> None:
        partials = [file for file in files if file.is_partial]
        self._files = {file.body.name.lower(): file.body.name for file in partials}
        self.names = frozenset(file.name for file in partials if normal(file.locale) in {"", _OTHERWISE})
        """What can be included whatever the language."""

    def resolve(self, name: str, locale: str) -> str:
        """Return the file that a name stands for in a message of that locale; any other name as it is."""
        stem, _, kind = name.rpartition(".")
        versions = [f"{stem}.{tag}.{kind}" for tag in widening(locale)]
        for version in (*versions, name, f"{stem}.{_OTHERWISE}.{kind}"):
            found = self._files.get(version.lower())
            if found is not None:
                return found
        return name
