"""Running compiled templates, and saying in the writer's words why one failed."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Final

from jinja2.exceptions import SecurityError

from tidings.render.absence import Absent
from tidings.render.failure import RenderError
from tidings.render.limits import MAX_CHARACTERS, LimitReached
from tidings.render.partials import Partials
from tidings.render.passage import Passage
from tidings.render.sandbox import GLOBALS, Sandbox

_SOME: Final = 256
"""After how many pieces a message's length is looked at."""


class Sandboxes:
    """The environments of a rulebook, made when first asked for: by locale, and by whether markup is escaped.

    A name of a partial is another file in another language, so each locale has environments of its own.
    """

    def __init__(self, sources: Mapping[str, str], partials: Partials) -> None:
        self._sources = sources
        self._partials = partials
        self._made: dict[tuple[str, bool], Sandbox] = {}

    def get(self, locale: str, *, markup: bool) -> Sandbox:
        """Return the environment of a locale; that of "" knows the partials that are for every language."""
        key = (locale, markup)
        if key not in self._made:
            resolve = partial(self._partials.resolve, locale=locale)
            self._made[key] = Sandbox(markup=markup, sources=self._sources, resolve=resolve)
        return self._made[key]


class Programs:
    """The compiled passages of a rulebook, by name."""

    def __init__(self, sandboxes: Sandboxes, passages: Mapping[str, Passage]) -> None:
        self._sandboxes = sandboxes
        self._passages = passages

    def run(self, name: str, context: dict[str, Any], *, locale: str, markup: bool) -> str:
        """Return what a passage prints; raise RenderError when it fails or prints without end.

        ``context`` holds all that a template sees, ``GLOBALS`` too; it is only read.
        """
        sandbox = self._sandboxes.get(locale, markup=markup)
        template = sandbox.get_template(name)
        try:
            return _bounded(template.root_render_func(sandbox.context_class(sandbox, context, name, {}, GLOBALS)))
        except Exception:  # noqa: BLE001 (whatever it is, it is told in the writer's words)
            failed = _rewritten(sandbox)
        raise self._failure(name, failed) from failed

    def _failure(self, name: str, error: Exception) -> RenderError:
        passage, line = self._passages[name], 0
        for filename, number in _frames(error.__traceback__):
            if filename in self._passages:
                passage, line = self._passages[filename], number
        detail, hint = _words(error)
        return RenderError(detail, file=passage.file, line=passage.line(line) if line else 0, hint=hint)


def _bounded(pieces: Iterator[str]) -> str:
    written: list[str] = []
    length = 0
    while some := list(islice(pieces, _SOME)):
        length += sum(map(len, some))
        if length > MAX_CHARACTERS:
            raise LimitReached(f"the template writes more than {MAX_CHARACTERS} characters")
        written += some
        if len(some) < _SOME:
            break
    return "".join(written)


def _rewritten(sandbox: Sandbox) -> Exception:
    """Return the error being handled with the lines of templates in its traceback, not those of their code."""
    try:
        sandbox.handle_exception()
    except Exception as error:  # noqa: BLE001 (it is told by the caller)
        return error


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _words(error: Exception) -> tuple[str, str]:
    """Return what went wrong and the cure."""
    if isinstance(error, Absent):
        name = error.name or "a value"
        return f"{name} is missing from this event", "add | default(…), or guard it with {% if … %}"
    if isinstance(error, LimitReached):
        return str(error), "shorten its loops"
    if isinstance(error, RecursionError):
        return "a macro or include calls itself without end", ""
    if isinstance(error, SecurityError):
        return f"the template asks for what it may not have: {error}", ""
    return str(error) or type(error).__name__, ""
