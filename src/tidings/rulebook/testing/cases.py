"""From the tests files of a rulebook to cases, or to all that is wrong with them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError

from tidings.documents import Document, Path, Report, did_you_mean, read, validate
from tidings.events.v1.event_pb2 import Event
from tidings.model import Problem, Severity, Source
from tidings.rulebook.testing.payloads import PayloadFault, build
from tidings.rulebook.testing.shapes import CasesFile, CaseShape, ContactShape, Expectation
from tidings.rules import EmailAction, Rule, RuleSet

SUFFIX: Final = "_test.yaml"
_LARGEST_FILE: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One event, and what must come of it."""

    name: str
    file: str
    line: int
    event: Event | None
    """None when it cannot be had; ``problems`` say why."""
    now: int | str | None
    """Epoch milliseconds, or ISO 8601; None: when the event was created."""
    contact: ContactShape | None
    expect: tuple[Expectation, ...]
    problems: tuple[Problem, ...] = ()
    """What is wrong with the case itself; with an error among them it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The cases of a rulebook, in order of file and place."""

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the files, apart from the problems of each case."""
    files: tuple[str, ...]
    """Paths of the tests files."""


def read_tests(sources: Sequence[Source], rules: RuleSet) -> Suite:
    """Read the cases of every ``*_test.yaml`` at the top of a rulebook.

    Args:
        sources: files of the rulebook, those that events come from among them (``read_event_files``).
        rules: what the rulebook says; rules that did not compile are looked for in the sources.
    """
    problems: list[Problem] = []
    cases: list[Case] = []
    ordered = sorted((each for each in sources if is_test(each.path)), key=lambda each: each.path)
    reader = _Reader(sources, rules)
    for source in ordered:
        if "/" in source.path:
            problems.append(_misplaced(source.path))
            continue
        document = read(source, problems.append)
        if document is not None:
            cases += reader.read(document, problems.append)
    files = tuple(each.path for each in ordered if "/" not in each.path)
    return Suite(cases=tuple(cases), problems=tuple(sorted(problems)), files=files)


def is_test(path: str) -> bool:
    """Say whether a file of a rulebook holds tests, to go by its name."""
    return path.endswith(SUFFIX) and not path.startswith("templates/")


def read_event_files(folder: FilePath, sources: Sequence[Source]) -> tuple[Source, ...]:
    """Read the files that cases take their events from and that are not among the sources.

    A file that is not there, is too large, or lies outside the folder is left out; ``read_tests`` then says so.
    """
    had = {source.path for source in sources}
    contents = {path: _content(folder, path) for path in sorted(_named_files(sources) - had)}
    return tuple(Source(path=path, data=data) for path, data in contents.items() if data is not None)


def _content(folder: FilePath, path: str) -> bytes | None:
    try:
        file = (folder / path).resolve()
        if not file.is_relative_to(folder.resolve()) or file.stat().st_size > _LARGEST_FILE:
            return None
        return file.read_bytes()
    except (OSError, ValueError):
        return None  # not there, not readable, or no path at all


def _named_files(sources: Sequence[Source]) -> set[str]:
    found: set[str] = set()
    for source in sources:
        document = read(source, lambda problem: None) if is_test(source.path) else None  # noqa: ARG005 (told by read_tests)
        items = document.value(("cases",)) if document is not None else None
        for item in items if isinstance(items, list) else ():
            named = item.get("event") if isinstance(item, dict) else None
            if isinstance(named, str) and named.endswith(".json"):
                found.add(named)
    return found


def _misplaced(path: str) -> Problem:
    return Problem(
        file=path,
        line=1,
        column=1,
        code="ignored-file",
        message="the file is not read: tests stand at the top of the rulebook",
        hint="move it up, beside the rules",
        severity=Severity.WARNING,
    )


class _Reader:
    """Reads the cases of one file after the other."""

    def __init__(self, sources: Sequence[Source], rules: RuleSet) -> None:
        self._rules = rules
        self._sources = sources
        self._files: Mapping[str, bytes] = {source.path: source.data for source in sources}
        self._written_ids: Collection[str] | None = None

    def read(self, document: Document, report: Report) -> Iterator[Case]:
        shape = validate(document, CasesFile, report)
        if shape is not None:
            for position, case in enumerate(shape.cases):
                yield self._case(document, ("cases", position), case)
            return
        items = document.value(("cases",))
        for position, raw in enumerate(items if isinstance(items, list) else ()):
            try:
                case = CaseShape.model_validate(raw)
            except ValidationError:
                continue  # reported with the whole file
            yield self._case(document, ("cases", position), case)

    def _case(self, document: Document, path: Path, shape: CaseShape) -> Case:
        problems: list[Problem] = []
        event = self._event(document, path, shape, problems.append)
        if event is not None and shape.now is None and not event.HasField("created_at"):
            message, hint = "the event has no createdAt, so the case must say when it is decided", "add now:"
            problems.append(document.problem(path, code="missing-now", message=message, hint=hint))
        for position, expectation in enumerate(shape.expect):
            self._check_expectation(document, (*path, "expect", position), expectation, problems.append)
        return Case(
            name=shape.name,
            file=document.source.path,
            line=document.place(path).line,
            event=event,
            now=shape.now,
            contact=shape.contact,
            expect=shape.expect,
            problems=tuple(problems),
        )

    def _event(self, document: Document, path: Path, shape: CaseShape, report: Report) -> Event | None:
        try:
            payload = build(shape.event, shape.changes, self._files)
        except PayloadFault as fault:
            at: Path = (*path, "event") if fault.change is None else (*path, "set", fault.change)
            on_key = fault.change is not None
            report(document.problem(at, code=fault.code, message=fault.message, hint=fault.hint, key=on_key))
            return None
        for change, text in payload.oddities:
            report(
                document.problem(
                    (*path, "set", change),
                    key=True,
                    code="odd-value",
                    message=f"{change}: {text}",
                    hint="mind the spelling of the path and the type of the value; tidings catalog lists the fields",
                    severity=Severity.WARNING,
                )
            )
        return payload.event

    def _check_expectation(self, document: Document, path: Path, expected: Expectation, report: Report) -> None:
        rule = self._rules.rule(expected.rule)
        if rule is None:
            if expected.rule not in self._ids():
                message = f"there is no rule {expected.rule!r}"
                hint = did_you_mean(expected.rule, self._ids()) or "write the id of a rule of this rulebook"
                report(document.problem((*path, "rule"), code="unknown-rule", message=message, hint=hint))
            return
        channel = "webhook" if expected.email is None else "email"
        if channel not in _channels(rule):
            message = f"the rule {rule.id!r} never sends {'an e-mail' if channel == 'email' else 'a webhook'}"
            hint = f"it is at {rule.file}:{rule.line}"
            report(document.problem((*path, channel), key=True, code="unknown-action", message=message, hint=hint))

    def _ids(self) -> Collection[str]:
        """Return every id that stands in a rules file, be its rule sound or not."""
        if self._written_ids is None:
            self._written_ids = {*(rule.id for rule in self._rules.rules), *_written_ids(self._sources)}
        return self._written_ids


def _channels(rule: Rule) -> frozenset[str]:
    return frozenset("email" if isinstance(action, EmailAction) else "webhook" for action in rule.actions)


def _written_ids(sources: Sequence[Source]) -> Iterator[str]:
    for document in rules_documents(sources, lambda path: True):  # noqa: ARG005 (every file)
        items: Any = document.value(("rules",))
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                yield item["id"]


def rules_documents(sources: Sequence[Source], wanted: Callable[[str], bool]) -> Iterator[Document]:
    """Read again the rules files whose path is wanted; what is wrong with them is told elsewhere."""
    for source in sources:
        path = source.path
        if "/" not in path and path.endswith(".yaml") and not is_test(path) and wanted(path):
            document = read(source, lambda problem: None)  # noqa: ARG005 (told when the rules are compiled)
            if document is not None:
                yield document
