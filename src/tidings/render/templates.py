"""The templates of a rulebook: checked and compiled together, rendered one message at a time."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from tidings.documents import Report
from tidings.model import Problem, Source
from tidings.render.failure import RenderError
from tidings.render.finishing import BadMarkup, finish, inline_styles, sendable
from tidings.render.formats import FORMATS, Formats, formats_for, zone_names
from tidings.render.inspection import Reading, VariableUse, inspect
from tidings.render.limits import BUDGET, Budget
from tidings.render.lines import tidy
from tidings.render.locales import choose, normal
from tidings.render.markup import check_mjml, check_tags
from tidings.render.masking import Masked, mask
from tidings.render.partials import Partials
from tidings.render.passage import Passage
from tidings.render.plaintext import text_of
from tidings.render.program import Programs, Sandboxes
from tidings.render.reading import TemplateFile, read_files
from tidings.render.sandbox import GLOBALS
from tidings.render.skeleton import Draft

LAST_LOCALE: Final = "en"
"""Where every locale chain ends; each template has it."""

_LONGEST_SUBJECT: Final = 200
_LONGEST_PREHEADER: Final = 500
_CHOICES: Final = 4096
"""How many choices of a version are remembered."""


class Rendered(NamedTuple):
    """One message, ready for an envelope."""

    subject: str
    """One line, at most 200 characters."""
    preheader: str
    """What a mailbox shows beside the subject; empty when the template has none. The HTML holds it already."""
    text: str
    html: str | None
    """None for a template that is plain text alone."""
    locale: str
    """The locale chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One locale of a template."""

    main: TemplateFile
    text: Passage | None
    """Where the text part is written out; None when it is made from the markup."""
    uses: tuple[VariableUse, ...] = ()
    digest: str = ""
    """Hash of all that the version is made of, partials included."""


class TemplateSet:
    """Every template of a rulebook. Immutable; rendering is pure, and safe from several threads."""

    def __init__(
        self, versions: Mapping[str, Mapping[str, _Version]], programs: Programs, *, names: frozenset[str]
    ) -> None:
        self._versions = versions
        self._programs = programs
        self._chosen: dict[tuple[str, tuple[str, ...], tuple[str | None, ...]], tuple[_Version, Formats]] = {}
        self.names = names
        """The names of all templates there are, with problems or without."""

    def locales(self, name: str) -> tuple[str, ...]:
        """Return the locales of a template, sorted; none for an unknown name."""
        return tuple(sorted(version.main.locale for version in self._versions.get(name, {}).values()))

    def file(self, name: str, locale: str) -> str:
        """Return the path of a template in one of its locales; raise KeyError where there is none."""
        return self._versions[name][normal(locale)].main.body.file

    def digest(self, name: str, locale: str) -> str:
        """Return a hash of all that makes a template in one of its locales; raise KeyError where there is none."""
        return self._versions[name][normal(locale)].digest

    def variables(self, name: str) -> tuple[VariableUse, ...]:
        """Return what a template reads in all its locales, subject and partials, each reading with its place."""
        return tuple(sorted({use for version in self._versions.get(name, {}).values() for use in version.uses}))

    def render(
        self, name: str, *, locales: Sequence[str], context: Mapping[str, Any], zone: str | None = None
    ) -> Rendered:
        """Return the message in the first of the locales that the template has, ``en`` at the end.

        The first locale is the reader's: its region decides how dates and numbers are written, the words of both are
        in the template's language. ``zone`` is the reader's time zone; else that of the contact, of the brand, UTC.
        ``context`` is the native view of the event with ``brand`` and ``contact``, all plain data.
        Raise RenderError when there is no such template, or when it fails on this event.
        """
        version, formats = self._chosen_for(name, tuple(locales), (zone, *zone_names(context)))
        given = {**GLOBALS, **context, FORMATS: formats, BUDGET: Budget()}
        if None in context.values():
            given = {key: value for key, value in given.items() if value is not None}
        return self._render(version, given)

    def _chosen_for(
        self, name: str, locales: tuple[str, ...], zones: tuple[str | None, ...]
    ) -> tuple[_Version, Formats]:
        """Return the version that a reader gets and how it writes dates, from memory: most readers are alike in it."""
        key = (name, locales, zones)
        found = self._chosen.get(key)
        if found is None:
            if len(self._chosen) >= _CHOICES:
                self._chosen.clear()
            found = self._chosen[key] = self._choose(name, locales, zones)
        return found

    def _choose(self, name: str, locales: tuple[str, ...], zones: tuple[str | None, ...]) -> tuple[_Version, Formats]:
        versions = self._versions.get(name)
        if not versions:
            raise RenderError(f"there is no template {name!r}", file=f"templates/{name}")
        version = versions[choose(versions, [*locales, LAST_LOCALE], name=name)]
        reader = next(iter(locales), version.main.locale)
        return version, formats_for(version.main.locale, reader=reader, zones=zones)

    def _render(self, version: _Version, context: dict[str, Any]) -> Rendered:
        main = version.main
        subject = self._line(main, "subject", context)[:_LONGEST_SUBJECT]
        if not subject:
            raise RenderError("the subject came out empty", file=main.body.file)
        preheader = self._line(main, "preheader", context)[:_LONGEST_PREHEADER]
        markup = sendable(self._run(main, main.body, context, markup=main.kind != "txt"))
        text = sendable(self._run(main, version.text, context)) if version.text else None
        if main.kind == "txt":
            return Rendered(subject=subject, preheader=preheader, text=tidy(markup), html=None, locale=main.locale)
        html, spoken = self._pages(main, markup, subject=subject, preheader=preheader)
        return Rendered(
            subject=subject,
            preheader=preheader,
            text=tidy(text) if text is not None else spoken(),
            html=html,
            locale=main.locale,
        )

    def _line(self, main: TemplateFile, key: str, context: dict[str, Any]) -> str:
        """Return a text of the front matter as one line, whatever the event's values hold."""
        head = main.heads.get(key)
        return " ".join(sendable(self._run(main, head, context)).split()) if head else ""

    def _run(self, main: TemplateFile, passage: Passage, context: dict[str, Any], *, markup: bool = False) -> str:
        return self._programs.run(passage.name, context, locale=main.locale, markup=markup)

    def _pages(self, main: TemplateFile, markup: str, *, subject: str, preheader: str) -> tuple[str, Callable[[], str]]:
        """Return the HTML of a message, and what reads it as plain text."""
        try:
            if main.kind == "mjml":
                draft = Draft(markup.strip(), locale=main.locale)
                return draft.html(subject=subject, preheader=preheader), draft.text
            html = inline_styles(markup.strip() + "\n")
        except BadMarkup as error:
            kind = main.kind.upper()
            raise RenderError(f"this event makes {kind} that does not compile: {error}", file=main.body.file) from error
        # Its inlined form is read: a preheader may be hidden by a rule.
        return finish(html, subject=subject, preheader=preheader, locale=main.locale), partial(text_of, html)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was found in a passage by itself."""

    reading: Reading | None
    masked: Masked | None
    sound: bool


_REMEMBERED: Final = 20_000
_READ: Final[dict[tuple[str, str, str, str, str, frozenset[str]], _Read]] = {}
"""Passages without a problem: a rulebook that is loaded again reads those only that have changed."""


def compile_templates(sources: Sequence[Source], *, report: Report) -> TemplateSet:
    """Return the templates among the sources (those under ``templates/``); report every problem of all of them.

    A template with a problem is left out of the set, so that the caller may go on looking for further problems.
    """
    return _Compilation(sources, report).result()


class _Compilation:
    """One pass over the files of a rulebook."""

    def __init__(self, sources: Sequence[Source], report: Report) -> None:
        self._take = report
        self._faulty: set[str] = set()
        files = read_files(sources, self._report)
        self._templates = [file for file in files if not file.is_partial]
        self._pieces = [file for file in files if file.is_partial]
        self._partials = Partials(files)
        self._passages = {each.name: each for file in files for each in (file.body, *file.heads.values())}
        texts = {name: passage.text for name, passage in self._passages.items()}
        self._sandboxes = Sandboxes(texts, self._partials)
        self._masked: dict[str, Masked] = {}
        self._readings: dict[str, Reading] = {}
        """What each passage reads; those that cannot be parsed are left out."""

    def result(self) -> TemplateSet:
        for file in (*self._pieces, *self._templates):
            self._inspect(file)
        self._refuse_circles()
        self._check_mjml()
        versions: dict[str, dict[str, _Version]] = {}
        for main, text in self._pairs():
            self._check_pair(main, text)
            if not self._faulty.intersection(self._files(main, text)):
                versions.setdefault(main.name, {})[normal(main.locale)] = self._version(main, text)
        self._require_last_locale()
        names = frozenset(file.name for file in self._templates)
        return TemplateSet(versions, Programs(self._sandboxes, self._passages), names=names)

    def _inspect(self, file: TemplateFile) -> None:
        """Check the body and the front matter of a file."""
        for passage in (file.body, *file.heads.values()):
            kind = file.kind if passage is file.body else "txt"
            key = (passage.name, passage.file, passage.text, passage.origin, kind, self._partials.names)
            found = _READ.get(key) or self._read(file, passage, kind)
            if found.reading is not None:
                self._readings[passage.name] = found.reading
            if found.masked is not None:
                self._masked[passage.name] = found.masked
            if found.sound:
                if len(_READ) >= _REMEMBERED:
                    _READ.clear()
                _READ[key] = found

    def _read(self, file: TemplateFile, passage: Passage, kind: str) -> "_Read":
        found: list[Problem] = []
        sandbox = self._sandboxes.get("" if file.is_partial else file.locale, markup=kind != "txt")
        reading = inspect(passage, sandbox, partials=self._partials.names, report=found.append)
        masked = None
        if kind != "txt" and reading is not None:
            masked = mask(passage, sandbox)
            check_tags(passage, masked, kind=kind, report=found.append)
        for problem in found:
            self._report(problem)
        return _Read(reading=reading, masked=masked, sound=not found)

    def _check_mjml(self) -> None:
        """Compile each template that has nothing wrong so far, with all it includes."""
        for file in self._templates:
            if file.kind == "mjml" and not self._faulty.intersection(self._files(file, None)):
                masked = self._masked[file.body.name]
                names = {name: self._partials.resolve(name, file.locale) for name in self._partials.names}
                included = {name: self._masked[found] for name, found in names.items() if found in self._masked}
                check_mjml(file.body, masked, partials=included, report=self._report)

    def _pairs(self) -> list[tuple[TemplateFile, TemplateFile | None]]:
        """Return each locale's main file, with the text part that stands beside it."""
        found: dict[tuple[str, str], list[TemplateFile]] = {}
        for file in self._templates:
            found.setdefault((file.name, file.locale), []).append(file)
        pairs = []
        for files in found.values():
            mains = [file for file in files if file.kind != "txt"] or files
            texts = [file for file in files if file not in mains]
            for other in mains[1:]:
                self._find(other, "duplicate-template", f"{mains[0].body.file} is this template already", "keep one")
            pairs.append((mains[0], texts[0] if texts else None))
        return pairs

    def _check_pair(self, main: TemplateFile, text: TemplateFile | None) -> None:
        if not main.has_front_matter:
            self._find(main, "missing-subject", "the template has no subject", "begin with ---, subject: …, ---")
        elif "subject" not in main.heads and main.body.file not in self._faulty:
            self._find(main, "missing-subject", "the front matter has no subject", "add subject: …")
        if text is not None and text.has_front_matter:
            hint = f"the subject stands in {main.body.file}"
            self._find(text, "front-matter", "a text part beside another template has no front matter", hint)
        if text is not None and "text" in main.heads:
            self._find(text, "duplicate-text", "the front matter of the template gives a text part already", "keep one")

    def _version(self, main: TemplateFile, text: TemplateFile | None) -> _Version:
        names = sorted(self._passage_names(main, text))
        uses = tuple(use for name in names for use in self._readings[name].uses)
        digest = hashlib.sha256(repr([(name, self._passages[name].text) for name in names]).encode()).hexdigest()
        return _Version(main=main, text=text.body if text else main.heads.get("text"), uses=uses, digest=digest)

    def _files(self, main: TemplateFile, text: TemplateFile | None) -> set[str]:
        return {self._passages[name].file for name in self._passage_names(main, text)}

    def _passage_names(self, main: TemplateFile, text: TemplateFile | None) -> set[str]:
        """Return every passage that a version is made of, with all it includes."""
        own = [main.body, *main.heads.values(), *([text.body] if text else [])]
        return self._reached({passage.name for passage in own}, main.locale)

    def _reached(self, names: Collection[str], locale: str) -> set[str]:
        reached: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                reading = self._readings.get(name)
                waiting += [self._partials.resolve(each, locale) for each in reading.partials] if reading else ()
        return reached

    def _refuse_circles(self) -> None:
        locales = sorted({file.locale for file in self._templates} | {""})
        for piece in self._pieces:
            name = piece.body.name
            reading = self._readings.get(name)
            included = reading.partials if reading is not None else frozenset[str]()
            for locale in locales if included else ():
                first = {self._partials.resolve(each, locale) for each in included}
                if name in self._reached(first, locale):
                    self._find(piece, "include-circle", f"{name} includes itself", "break the circle")
                    break

    def _require_last_locale(self) -> None:
        by_name: dict[str, list[TemplateFile]] = {}
        for file in self._templates:
            by_name.setdefault(file.name, []).append(file)
        for name, files in by_name.items():
            if all(file.locale != LAST_LOCALE for file in files):
                hint = f"add templates/{name}.{LAST_LOCALE}.{files[0].kind}: every locale chain ends with it"
                self._find(files[0], "missing-locale", f"the template {name!r} has no {LAST_LOCALE!r} version", hint)

    def _find(self, file: TemplateFile, code: str, message: str, hint: str) -> None:
        self._report(Problem(file=file.body.file, line=1, column=1, code=code, message=message, hint=hint))

    def _report(self, problem: Problem) -> None:
        self._faulty.add(problem.file)
        self._take(problem)
