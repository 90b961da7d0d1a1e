"""From the files of a folder to a rulebook that can decide and compose, or to all that is wrong with it."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from errno import ENOENT
from pathlib import Path

from tidings.errors import TidingsError
from tidings.model import Problem, Secrets, Severity, Source
from tidings.render import TemplateSet, compile_templates
from tidings.rulebook.book import Rulebook
from tidings.rulebook.rehearsal import failing_templates
from tidings.rulebook.variables import unknown_variables
from tidings.rules import Pace, RuleSet, compile_rules, unhurried

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


def read_folder(folder: Path, *, strict: bool = True) -> tuple[Source, ...]:
    """Read a rulebook's files, sorted by path. Hidden files, editors' droppings and other kinds are left out.

    Raises:
        OSError: the folder or one of its files cannot be read; or, if ``strict``, a link to one leads nowhere.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    paths = tuple(rulebook_files(folder))
    broken = [path for path in paths if not path.exists()]
    if broken and strict:
        raise FileNotFoundError(ENOENT, f"this is a link to {broken[0].readlink()}, which is not there", str(broken[0]))
    return tuple(
        Source(path=path.relative_to(folder).as_posix(), data=path.read_bytes()) for path in paths if path.is_file()
    )


def rulebook_files(folder: Path, *, within: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files of a rulebook in path order, links that lead nowhere among them.

    Linked folders are walked through: Kubernetes mounts a rulebook that way.

    ``within`` holds the folders being walked through, so that a link to one of them ends nowhere.
    """
    real = folder.resolve()
    for path in sorted(folder.iterdir()) if real not in within else ():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from rulebook_files(path, within=within | {real})
        elif path.suffix in _SUFFIXES and (path.is_file() or path.is_symlink()):
            yield path


def revision_of(sources: Sequence[Source]) -> str:
    """Hash paths and contents, in path order, to 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda each: each.path):
        for part in (source.path.encode(), source.data):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def load(
    sources: Sequence[Source],
    *,
    secrets: Secrets | None = None,
    pace: Pace = unhurried,
    rehearse: bool = True,
) -> Rulebook:
    """Compile a rulebook.

    Args:
        sources: its files.
        secrets: looks secrets up; without it their presence is not checked.
        pace: called between pieces of work.
        rehearse: whether each template is rendered with the samples of its events. A past revision, which was live
            before, needs no rehearsal.

    Raises:
        InvalidRulebook: with every problem, when at least one is an error.
    """
    rules, templates, problems = compile_sources(sources, secrets=secrets, pace=pace, rehearse=rehearse)
    if any(each.severity is Severity.ERROR for each in problems):
        raise InvalidRulebook(problems)
    rules.arrange(pace)
    return Rulebook(
        revision=revision_of(sources),
        sources=tuple(sources),
        rules=rules,
        templates=templates,
        problems=problems,
    )


def compile_sources(
    sources: Sequence[Source],
    *,
    secrets: Secrets | None = None,
    pace: Pace = unhurried,
    rehearse: bool = True,
) -> tuple[RuleSet, TemplateSet, tuple[Problem, ...]]:
    """Compile what is sound of a rulebook, and return it with every problem there is, in file order."""
    problems: list[Problem] = []
    report: Callable[[Problem], None] = problems.append
    named = [source for source in sources if _has_a_name(source, report)]
    templates = compile_templates(named, report=report)
    pace()
    rules = compile_rules(named, templates=templates.names, secrets=secrets, report=report, pace=pace)
    unknown = tuple(unknown_variables(rules, templates))
    problems.extend(unknown)
    if rehearse:
        # What a variable that no event has leads to has been told.
        told = {(each.file, each.line) for each in unknown}
        failing = failing_templates(rules, templates, pace=pace)
        problems.extend(each for each in failing if (each.file, each.line) not in told)
    return rules, templates, tuple(sorted(set(problems)))


def _has_a_name(source: Source, report: Callable[[Problem], None]) -> bool:
    """Say whether a file's name is text; Python keeps other bytes as lone surrogates, which nothing can store."""
    spelt = source.path.encode("utf-8", "backslashreplace").decode()
    if spelt == source.path:
        return True
    message = "the name of the file is not UTF-8"
    report(Problem(file=spelt, line=1, column=1, code="not-utf-8", message=message, hint="name it otherwise"))
    return False


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
