"""From the files of a rulebook to its rules and brands, or to all that is wrong with them, at once."""

from collections.abc import Collection, Iterable, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from tidings.documents import Document, Path, Report, read, validate
from tidings.model import Problem, Secrets, Severity, Source
from tidings.rules.brands import Brands, read_brands
from tidings.rules.expressions import ExpressionReader, RuleExpressions
from tidings.rules.forms import read_pauses
from tidings.rules.pace import Pace, unhurried
from tidings.rules.reading_timing import TimingReader
from tidings.rules.references import References
from tidings.rules.ruleset import Action, CompiledBody, EmailAction, Rule, RuleSet, WebhookAction
from tidings.rules.shapes import ActionShape, Body, RulesFile, RuleShape

_BRANDS = "brands/"
_TEMPLATES = "templates/"


def compile_rules(
    sources: Sequence[Source],
    *,
    templates: Collection[str] | None,
    secrets: Secrets | None,
    report: Report,
    pace: Pace = unhurried,
) -> RuleSet:
    """Return the rules and brands that are sound; report every problem, in order of file and place.

    Args:
        sources: files of the rulebook. ``*.yaml`` holds rules, ``brands/*.yaml`` brands; tests (``*_test.yaml``) and
            templates are not looked at.
        templates: names that an e-mail may use; None leaves them unchecked.
        secrets: tells which secrets there are; None leaves them unchecked.
        report: takes the problems. A rule set of which an error was reported must not go live.
        pace: called between pieces of work.
    """
    problems: list[Problem] = []
    rule_files, brand_files = _sort_files(sources, problems.append)
    brands = read_brands((read(each, problems.append) for each in brand_files), secrets=secrets, report=problems.append)
    compiler = _Compiler(brands, templates, problems.append, pace)
    for source in rule_files:
        document = read(source, problems.append)
        pace()
        if document is not None:
            compiler.compile_file(document)
    if rule_files and brands.complete and not brands.named:
        message = "the rulebook has no brand, so no rule applies to anything"
        _report_file(problems.append, rule_files[0].path, "no-brands", message)
    for problem in sorted(dict.fromkeys(problems)):
        report(problem)
    return RuleSet(rules=tuple(compiler.rules), brands=MappingProxyType(dict(brands.valid)))


def _sort_files(sources: Iterable[Source], report: Report) -> tuple[list[Source], list[Source]]:
    """Return the rules files and the brands files, in order of path."""
    rules: list[Source] = []
    brands: list[Source] = []
    for source in sorted(sources, key=lambda each: each.path):
        path = source.path
        folder, _, name = path.rpartition("/")
        if path.startswith(_TEMPLATES) or name.endswith("_test.yaml") or not name.endswith((".yaml", ".yml")):
            continue
        if folder and f"{folder}/" != _BRANDS:
            _report_file(
                report, path, "ignored-file", "the file is not read: rules stand at the top, brands in brands/"
            )
        elif name.endswith(".yml"):
            _report_file(report, path, "wrong-extension", "the file is not read: its name must end in .yaml")
        else:
            (brands if folder else rules).append(source)
    return rules, brands


def _report_file(report: Report, path: str, code: str, message: str) -> None:
    severity = Severity.ERROR if code == "wrong-extension" else Severity.WARNING
    report(Problem(file=path, line=1, column=1, code=code, message=message, severity=severity))


class _Compiler:
    def __init__(self, brands: Brands, templates: Collection[str] | None, report: Report, pace: Pace) -> None:
        self.rules: list[Rule] = []
        self._first: dict[str, str] = {}
        """Where each rule id stands first."""
        self._report = report
        self._pace = pace
        self._references = References(brands, templates)
        self._expressions = ExpressionReader()

    def compile_file(self, document: Document) -> None:
        shape = validate(document, RulesFile, self._report)
        if shape is not None:
            for position, rule in enumerate(shape.rules):
                self._rule(document, ("rules", position), rule, sound=True)
            return
        items = document.value(("rules",))
        for position, raw in enumerate(items if isinstance(items, list) else ()):
            rule_shape, sound = _salvage(raw)
            self._rule(document, ("rules", position), rule_shape, sound=sound)

    def _rule(self, document: Document, path: Path, shape: RuleShape, *, sound: bool) -> None:
        self._pace()
        self._check_id(document, path, shape)
        found: list[Problem] = []
        self._references.check(document, path, shape, found.append)
        reader = self._expressions.on(document, shape.events, found.append)
        when = reader.condition((*path, "when"), shape.when)
        expires_at = reader.value((*path, "expires_at"), shape.expires_at)
        actions = [
            _action(reader, (*path, "notify", position), action, gathered=shape.digest is not None)
            if action is not None
            else None
            for position, action in enumerate(shape.notify)
        ]
        timing = TimingReader(self._expressions, document, path, found.append).read(shape)
        for problem in found:
            self._report(problem)
        if sound and not any(problem.severity is Severity.ERROR for problem in found):
            self.rules.append(
                Rule(
                    id=shape.id,
                    description=shape.description,
                    events=shape.events,
                    orgs=None if shape.orgs is None else frozenset(shape.orgs),
                    when=when,
                    mode=shape.mode,
                    category=shape.category,
                    expires_at=expires_at,
                    actions=tuple(action for action in actions if action is not None),
                    file=document.source.path,
                    line=document.place(path).line,
                    retry=read_pauses(shape.retry),
                    timing=timing,
                )
            )

    def _check_id(self, document: Document, path: Path, shape: RuleShape) -> None:
        if not shape.id:
            return
        place = document.place((*path, "id"))
        here = f"{document.source.path}:{place.line}:{place.column}"
        first = self._first.setdefault(shape.id, here)
        if first != here:
            message = f"there is a rule {shape.id!r} already, at {first}"
            hint = "give each rule an id of its own"
            self._report(document.problem((*path, "id"), code="duplicate-rule", message=message, hint=hint))


def _action(reader: RuleExpressions, path: Path, shape: ActionShape, *, gathered: bool) -> Action | None:
    if shape.email is not None:
        to = shape.email.to
        at: Path = (*path, "email", "to", "path")
        recipient = to if isinstance(to, str) else reader.value(at, to.path)
        return None if recipient is None else EmailAction(to=recipient, template=shape.email.template)
    if shape.webhook is not None:
        body = shape.webhook.body
        compiled = None if body is None else _body(reader, (*path, "webhook", "body"), body, gathered=gathered)
        return WebhookAction(to=shape.webhook.to, type=shape.webhook.type, body=compiled)
    return None


def _body(reader: RuleExpressions, path: Path, body: Body, *, gathered: bool) -> CompiledBody:
    compiled: dict[str, Any] = {}
    for key, value in body.root.items():
        at: Path = (*path, key)
        if isinstance(value, Body):
            compiled[key] = _body(reader, at, value, gathered=gathered)
        else:
            compiled[key] = reader.told(at, value, gathered=gathered)
    return compiled


_STAND_IN = {"id": "x", "event": "x", "notify": [{"webhook": {"to": "all"}}]}


def _salvage(raw: Any) -> tuple[RuleShape, bool]:
    """Return what fits of a rule in a file with mistakes, and whether all of it does.

    What does not fit is reported already; the rest is still worth checking, so that one mistake hides no other.
    """
    try:
        return RuleShape.model_validate(raw), True
    except ValidationError:
        parts: dict[str, Any] = {"id": "", "event": (), "notify": ()}
    for key, value in raw.items() if isinstance(raw, dict) else ():
        if key == "notify" and isinstance(value, list):
            parts[key] = tuple(_salvage_action(each) for each in value)
        elif key in RuleShape.model_fields:
            try:
                parts[key] = getattr(RuleShape.model_validate({**_STAND_IN, key: value}), key)
            except ValidationError:
                continue
    return RuleShape.model_construct(**parts), False


def _salvage_action(raw: Any) -> ActionShape | None:
    try:
        return ActionShape.model_validate(raw)
    except ValidationError:
        return None
