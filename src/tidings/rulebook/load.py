"""From the files of a folder to a rulebook that can decide and compose, or to all that is wrong with it."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidings.errors import TidingsError
from tidings.model import Problem, Secrets, Severity, Source
from tidings.render import TemplateSet, compile_templates
from tidings.rules import RuleSet, compile_rules

_SUFFIXES = frozenset({".yaml", ".yml", ".mjml", ".html", ".txt"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip entry can carry; a constant keeps archives equal


class InvalidRulebook(TidingsError):
    """The rulebook cannot go live; ``problems`` holds every finding, warnings included, in file order."""

    reason = "INVALID_RULEBOOK"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = sum(each.severity is Severity.ERROR for each in self.problems)
        listing = "\n".join(str(each) for each in self.problems)
        super().__init__(f"the rulebook has {count} {'error' if count == 1 else 'errors'}:\n{listing}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Rules, brands and templates of one folder, compiled together."""

    revision: str
    """Hash of the sources: the same files always have the same revision."""
    sources: tuple[Source, ...]
    rules: RuleSet
    templates: TemplateSet
    problems: tuple[Problem, ...]
    """Warnings; a rulebook with an error is never built."""


def read_folder(folder: Path) -> tuple[Source, ...]:
    """Read a rulebook's files, sorted by path. Hidden files, editors' droppings and other kinds are left out.

    Raises:
        OSError: the folder or one of its files cannot be read.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    return tuple(
        Source(path=path.relative_to(folder).as_posix(), data=path.read_bytes()) for path in rulebook_files(folder)
    )


def rulebook_files(folder: Path, *, within: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files of a rulebook in path order, through linked folders too, as Kubernetes mounts them.

    ``within`` holds the folders being walked through, so that a link to one of them ends nowhere.
    """
    real = folder.resolve()
    for path in sorted(folder.iterdir()) if real not in within else ():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from rulebook_files(path, within=within | {real})
        elif path.suffix in _SUFFIXES and path.is_file():
            yield path


def revision_of(sources: Sequence[Source]) -> str:
    """Hash paths and contents, in path order, to 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda each: each.path):
        for part in (source.path.encode(), source.data):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def check(sources: Sequence[Source], *, secrets: Secrets | None = None) -> tuple[Problem, ...]:
    """Find every problem of a rulebook, in file order. Without ``secrets`` their presence is not checked."""
    return _compile(sources, secrets=secrets)[2]


def load(sources: Sequence[Source], *, secrets: Secrets | None = None) -> Rulebook:
    """Compile a rulebook.

    Raises:
        InvalidRulebook: with every problem, when at least one is an error.
    """
    rules, templates, problems = _compile(sources, secrets=secrets)
    if any(each.severity is Severity.ERROR for each in problems):
        raise InvalidRulebook(problems)
    _ = rules.index  # built at first use: here, rather than while the first event waits
    return Rulebook(
        revision=revision_of(sources),
        sources=tuple(sources),
        rules=rules,
        templates=templates,
        problems=problems,
    )


def _compile(sources: Sequence[Source], *, secrets: Secrets | None) -> tuple[RuleSet, TemplateSet, tuple[Problem, ...]]:
    problems: list[Problem] = []
    report: Callable[[Problem], None] = problems.append
    templates = compile_templates(sources, report=report)
    rules = compile_rules(sources, templates=templates.names, secrets=secrets, report=report)
    return rules, templates, tuple(sorted(problems))


def pack(sources: Sequence[Source]) -> bytes:
    """Pack sources into an archive from which ``unpack`` restores them; equal sources give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(sources, key=lambda each: each.path):
            archive.writestr(zipfile.ZipInfo(source.path, _EPOCH), source.data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unpack(archive: bytes) -> tuple[Source, ...]:
    """Restore the sources from ``pack``."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return tuple(Source(path=name, data=opened.read(name)) for name in opened.namelist())
