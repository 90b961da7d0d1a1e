"""Template files: what a file's name says, and its front matter apart from its body.

``templates/NAME.LOCALE.mjml`` (``.html``, ``.txt``) opens with front matter between two lines ``---``. A ``.txt``
beside an ``.mjml`` or ``.html`` of the same name and locale is that message's text part and has no front matter.
``templates/_partials/`` holds what templates include or import, ``NAME.mjml`` and, for messages in one language,
``NAME.LOCALE.mjml``; partials have no front matter either.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tidings.documents import Document, Report, did_you_mean, read
from tidings.model import Problem, Source
from tidings.render.passage import Passage, in_file

FOLDER: Final = "templates/"
PARTIALS: Final = "_partials/"
KEYS: Final = ("subject", "preheader", "text")
"""What front matter may hold; ``subject`` is required."""

_LOCALE: Final = r"(?P<locale>[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?)\."
_KIND: Final = r"(?P<kind>mjml|html|txt)"
_FILE_NAME: Final = re.compile(rf"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)\.{_LOCALE}{_KIND}")
_PARTIAL_NAME: Final = re.compile(rf"(?P<name>_partials/[a-z0-9]+(?:[-_][a-z0-9]+)*)\.(?:{_LOCALE})?{_KIND}")
_FENCE: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)
_BARE: Final = re.compile(r"^[ \t]*\w+:[ \t]+(\{[{%])", re.MULTILINE)
_MAX_BYTES: Final = 256_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """One template of one locale, or a partial."""

    name: str
    """Of a partial what it is included by: ``_partials/footer.mjml``, without its locale."""
    locale: str
    """Empty for a partial that is for every language."""
    kind: str
    """``mjml``, ``html`` or ``txt``."""
    body: Passage
    heads: Mapping[str, Passage]
    """The front matter's texts by key."""
    has_front_matter: bool

    @property
    def is_partial(self) -> bool:
        """Whether it is there to be included."""
        return self.name.startswith(PARTIALS)


def read_files(sources: Sequence[Source], report: Report) -> list[TemplateFile]:
    """Return the templates and partials among the sources, in order of path; report those that are not well named."""
    files = []
    for source in sorted(sources, key=lambda each: each.path):
        if source.path.startswith(FOLDER):
            file = _read_file(source, report)
            if file is not None:
                files.append(file)
    return files


def _read_file(source: Source, report: Report) -> TemplateFile | None:
    rest = source.path.removeprefix(FOLDER)
    partial = _PARTIAL_NAME.fullmatch(rest)
    named = partial or _FILE_NAME.fullmatch(rest)
    if named is None:
        report(_misnamed(source.path))
        return None
    text = _decode(source, report)
    if text is None:
        return None
    head_end, document = (0, None) if partial else _front_matter(source.path, text, report)
    return TemplateFile(
        name=f"{named['name']}.{named['kind']}" if partial else named["name"],
        locale=named["locale"] or "",
        kind=named["kind"],
        body=Passage(name=rest, file=source.path, text=_blank(text, head_end), locate=in_file(text)),
        heads=_heads(rest, document, report) if document else {},
        has_front_matter=head_end > 0,
    )


def _misnamed(path: str) -> Problem:
    partial = path.startswith(FOLDER + PARTIALS)
    message = "a partial is a file of templates/_partials/, named in small letters, digits and hyphens"
    if not partial:
        message = "a template's file is named templates/NAME.LOCALE.mjml, .html or .txt"
    hint = "such as templates/_partials/footer.mjml" if partial else "such as templates/points-expiring-soon.en.mjml"
    return Problem(file=path, line=1, column=1, code="template-name", message=message, hint=hint)


def _decode(source: Source, report: Report) -> str | None:
    if len(source.data) > _MAX_BYTES:
        message = f"the template has {len(source.data)} bytes, {_MAX_BYTES} are allowed"
        report(Problem(file=source.path, line=1, column=1, code="file-too-large", message=message))
        return None
    try:
        text = source.data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = source.data.count(b"\n", 0, error.start) + 1
        message = f"the byte {source.data[error.start]:#04x} is not UTF-8"
        report(
            Problem(
                file=source.path, line=line, column=1, code="not-utf-8", message=message, hint="save the file as UTF-8"
            )
        )
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _front_matter(path: str, text: str, report: Report) -> tuple[int, Document | None]:
    """Return where the front matter ends, 0 when there is none, and what it says."""
    first = _FENCE.match(text)
    if first is None:
        return 0, None
    last = _FENCE.search(text, first.end() + 1)
    if last is None:
        message = "the front matter that opens here is not closed"
        hint = "put a line --- after it"
        report(Problem(file=path, line=1, column=1, code="front-matter", message=message, hint=hint, length=3))
        return len(text), None
    bare = _BARE.search(text, first.end(), last.start())
    if bare is not None:
        line, column = in_file(text)(bare.start(1))
        message = "a text that begins with {{ or {% needs quotes round it"
        hint = 'write "{{ … }}", and single quotes inside'
        report(Problem(file=path, line=line, column=column, code="front-matter", message=message, hint=hint, length=2))
        return last.end(), None
    inside = "\n" + text[first.end() + 1 : last.start()]
    return last.end(), read(Source(path=path, data=inside.encode()), report)


def _heads(name: str, document: Document, report: Report) -> dict[str, Passage]:
    values = document.value()
    if values is None:
        return {}
    if not isinstance(values, dict):
        report(document.problem((), code="front-matter", message="front matter is keys and texts: subject: …"))
        return {}
    heads = {}
    for key, value in values.items():
        if key not in KEYS:
            hint = did_you_mean(key, KEYS) or f"front matter holds {', '.join(KEYS)}"
            report(document.problem((key,), key=True, code="unknown-key", message=f"unknown key {key!r}", hint=hint))
        elif not isinstance(value, str) or not value.strip():
            hint = "put quotes round a text that looks like a number"
            report(document.problem((key,), code="front-matter", message=f"{key} must be a text", hint=hint))
        else:
            heads[key] = _head(name, key, value, document)
    return heads


def _head(name: str, key: str, value: str, document: Document) -> Passage:
    def locate(offset: int) -> tuple[int, int]:
        place = document.place((key,), offset=offset)
        return place.line, place.column

    origin = document.source.data.decode()
    return Passage(name=f"{name}#{key}", file=document.source.path, text=value, locate=locate, origin=origin)


def _blank(text: str, end: int) -> str:
    """Return the text with all up to ``end`` blanked, so that offsets and lines stay what they are in the file."""
    return re.sub(r"[^\n]", " ", text[:end]) + text[end:]
