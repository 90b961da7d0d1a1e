"""What can be said of a template before any event comes: unknown filters, includes, names, and what it reads."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from jinja2 import TemplateSyntaxError, meta, nodes

from tidings.documents import did_you_mean, nearest
from tidings.model import Problem
from tidings.render.arguments import argument_faults
from tidings.render.filters import FILTERS, TESTS
from tidings.render.passage import Passage
from tidings.render.sandbox import GLOBALS, METERS, Sandbox, folded

Report = Callable[[Problem], None]

ENVELOPE: Final = frozenset({
    "apiRequestId", "createdAt", "data", "eventId", "eventLogId", "eventName", "eventSearchKey", "loyaltyEventId",
    "orgId", "refId", "traceAttributes",
})  # fmt: skip
"""What a template sees of the event, by its publisher's names."""

HOLDERS: Final[Mapping[str, frozenset[str]]] = {
    "brand": frozenset({"name", "org", "locale", "time_zone", "logo", "colours", "address"}),
    "contact": frozenset({"attributes", "customer_id", "email", "name", "locale", "time_zone"}),
}
"""What a template sees beside the event, and the fields of each."""

LINKS: Final = frozenset({"preferences_url", "unsubscribe_url"})
"""Where the reader says what they want; empty texts in messages that cannot be unsubscribed from."""

GATHERED: Final = frozenset({"events", "more"})
"""What a template sees of a digest: its events, and how many more there are; of one event, that one and none."""

_COLOURS: Final = frozenset({"primary", "text", "background", "link"})

_CURES: Final[Mapping[str, str]] = {
    "safe": "values are always escaped; put markup into the template itself",
    "format": "use number or date",
    "strftime": "use date",
}
_UNSUPPORTED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.ScopedEvalContextModifier: "autoescape",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VariableUse:
    """One reading of a field. ``path`` runs from the top: ``("data", "tiers", "[]", "tierName")``."""

    file: str
    line: int
    column: int
    path: tuple[str, ...]
    """Names; ``[]`` stands for any entry of a list."""

    def __str__(self) -> str:
        return ".".join(self.path).replace(".[]", "[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a passage reads and includes."""

    uses: tuple[VariableUse, ...] = ()
    partials: frozenset[str] = frozenset()


def inspect(passage: Passage, environment: Sandbox, *, partials: Collection[str], report: Report) -> Reading | None:
    """Return what the passage reads, or None when it cannot be compiled; report every problem in it."""
    try:
        tree = environment.parse(passage.text, passage.name, passage.name)
    except TemplateSyntaxError as error:
        report(_syntax_problem(passage, error))
        return None
    except RecursionError:
        report(passage.problem(0, code="template-syntax", message="the template is nested too deeply"))
        return None
    problems = list(_problems(passage, tree, partials))
    for problem in problems:
        report(problem)
    return None if problems else _read_compilable(passage, tree, environment, report)


def _read_compilable(passage: Passage, tree: nodes.Template, environment: Sandbox, report: Report) -> Reading | None:
    """Return what a passage reads once Python, too, has accepted what Jinja makes of it."""
    try:
        environment.read[passage.name] = folded(tree, environment)
        environment.get_template(passage.name)
        return _reading(passage, tree, environment.looked_up[passage.name], report)
    except TemplateSyntaxError as error:
        report(_syntax_problem(passage, error))
    except (SyntaxError, RecursionError) as error:
        report(passage.problem(0, code="template-syntax", message=f"the template cannot be compiled: {error}"))
        with suppress(RecursionError):
            tree = environment.parse(passage.text, passage.name, passage.name)
            _reading(passage, tree, meta.find_undeclared_variables(tree), report)
    return None


def _syntax_problem(passage: Passage, error: TemplateSyntaxError) -> Problem:
    text = error.message or "this is not a Jinja template"
    hint = ""
    still_open = re.search(r"innermost block that needs to be closed is '(\w+)'", text)
    if still_open and text.startswith("Unexpected end"):
        text = f"a tag {{% {still_open[1]} … %}} is not ended"
        hint = f"write {{% end{still_open[1]} %}} where it ends"
    elif "Encountered unknown tag" in text:
        hint = "tags are if, for, set, with, macro, call, filter, include, import, raw"
        if still_open and "unknown tag 'end" in text:
            hint = f"the tag {{% {still_open[1]} … %}} before it is not ended yet"
        text = text.partition(". ")[0]
    return passage.problem(
        _tag_offset(passage, error.lineno), code="template-syntax", message=_lowered(text), hint=hint
    )


def _tag_offset(passage: Passage, line: int) -> int:
    """Return where the first tag of a line begins, or else its first character."""
    start = passage.offset(line)
    end = passage.text.find("\n", start)
    found = re.compile(r"\{[{%#]").search(passage.text, start, end if end >= 0 else len(passage.text))
    return found.start() if found else start


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _problems(passage: Passage, tree: nodes.Template, partials: Collection[str]) -> Iterator[Problem]:
    for node in tree.find_all(nodes.Node):
        if isinstance(node, (nodes.Filter, nodes.Test)):
            yield from _wrong_filter(passage, node)
        elif isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport)):
            yield from _unknown_partial(passage, node, partials)
        elif isinstance(node, nodes.Call):
            yield from _forbidden_call(passage, node)
        elif isinstance(node, (nodes.Name, nodes.Getattr)):
            yield from _private(passage, node)
        yield from _unsupported(passage, node)


def _wrong_filter(passage: Passage, node: nodes.Filter | nodes.Test) -> Iterator[Problem]:
    kind, known = ("filter", FILTERS) if isinstance(node, nodes.Filter) else ("test", TESTS)
    if node.name not in known:
        hint = _CURES.get(node.name) or did_you_mean(node.name, known)
        hint = hint or (f"tests are {', '.join(sorted(TESTS))}" if kind == "test" else "README.md lists the filters")
        yield _at(passage, node, node.name, f"unknown-{kind}", f"there is no {kind} {node.name!r}", hint)
        return
    for message, cure in argument_faults(node):
        yield _at(passage, node, node.name, "filter-argument", message, cure)


def _unknown_partial(
    passage: Passage, node: nodes.Include | nodes.Import | nodes.FromImport, partials: Collection[str]
) -> Iterator[Problem]:
    name = node.template.value if isinstance(node.template, nodes.Const) else None
    if not isinstance(name, str):
        yield _at(passage, node, "", "dynamic-include", "the name of what is included must be written out")
    elif name not in partials:
        hint = did_you_mean(name, partials) or 'write {% include "_partials/NAME.mjml" %}'
        yield _at(passage, node, name, "unknown-partial", f"there is no partial {name!r}", hint)


def _forbidden_call(passage: Passage, node: nodes.Call) -> Iterator[Problem]:
    called = node.node
    if isinstance(called, nodes.Getattr) and not isinstance(called.node, nodes.Name):
        path = ".".join(_steps(called) or ())
        yield _at(passage, node, path, "unsupported-call", f"{called.attr}() cannot be called", "use a filter")


def _private(passage: Passage, node: nodes.Name | nodes.Getattr) -> Iterator[Problem]:
    name = node.name if isinstance(node, nodes.Name) else node.attr
    if name.startswith("_"):
        yield _at(
            passage, node, "", "private-name", f"a name may not begin with an underscore: {name!r}", "leave it out"
        )


def _unsupported(passage: Passage, node: nodes.Node) -> Iterator[Problem]:
    tag = _UNSUPPORTED.get(type(node))
    if isinstance(node, nodes.For) and node.recursive:
        tag = "for … recursive"
    if tag is not None:
        yield _at(passage, node, "", "unsupported-tag", f"{tag} is not available in a template", "use include or macro")


def _at(passage: Passage, node: nodes.Node, word: str, code: str, message: str, hint: str = "") -> Problem:
    offset = passage.offset(node.lineno, word) if word else _tag_offset(passage, node.lineno)
    return passage.problem(offset, code=code, message=message, hint=hint, length=len(word))


def _reading(passage: Passage, tree: nodes.Template, looked_up: AbstractSet[str], report: Report) -> Reading:
    undeclared = looked_up - set(GLOBALS)
    uses = tuple(sorted(_uses(passage, tree, undeclared)))
    for use in uses:
        problem = _unknown_variable(use)
        if problem is not None:
            report(problem)
    partials = {name for name in meta.find_referenced_templates(tree) if name}
    return Reading(uses=uses, partials=frozenset(partials))


def _unknown_variable(use: VariableUse) -> Problem | None:
    first = use.path[0]
    known: Collection[str] = ENVELOPE | GATHERED | set(HOLDERS) | LINKS
    if first not in known:
        wrong, hint = first, did_you_mean(first, known)
    elif use.path[:2] == ("brand", "colours"):
        if len(use.path) == len(("brand", "colours")) or use.path[2] in _COLOURS:
            return None
        wrong, known = ".".join(use.path[:3]), _COLOURS
        hint = did_you_mean(use.path[2], known) or f"brand.colours has {', '.join(sorted(known))}"
    elif first in HOLDERS and len(use.path) > 1 and use.path[1] not in HOLDERS[first]:
        wrong, known = f"{first}.{use.path[1]}", HOLDERS[first]
        near = nearest(use.path[1], known)
        hint = f"did you mean '{first}.{near}'?" if near else f"{first} has {', '.join(sorted(known))}"
    else:
        return None
    hint = hint or f"there are {', '.join(sorted(known))}"
    return Problem(
        file=use.file, line=use.line, column=use.column, code="unknown-variable",
        message=f"there is no variable {wrong!r}", hint=hint, length=len(wrong),
    )  # fmt: skip


def _uses(passage: Passage, tree: nodes.Template, undeclared: AbstractSet[str]) -> Iterator[VariableUse]:
    """Yield the longest path of each reading; loop variables and names set to a path stand for that path."""
    aliases = _aliases(tree, undeclared)
    inner: set[int] = set()
    for node in _outside_in(tree):
        steps = _steps(node)
        if steps is None or id(node) in inner:
            continue
        inner.update(id(each) for each in node.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)) if _steps(each))
        path = _resolved(steps, aliases, undeclared)
        if path is not None:
            line, column = passage.locate(_use_offset(passage, node.lineno, steps))
            yield VariableUse(file=passage.file, line=line, column=column, path=path)


def _use_offset(passage: Passage, line: int, steps: tuple[str, ...]) -> int:
    """Return where the path is read as it is mostly written, else where its first name stands."""
    path = ".".join(steps[: steps.index("[]")] if "[]" in steps else steps)
    offset = passage.offset(line, path)
    return offset if passage.text.startswith(path, offset) else passage.offset(line, steps[0])


def _outside_in(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _outside_in(child)


def _steps(node: nodes.Node) -> tuple[str, ...] | None:
    """Return the names of ``a.b[0]["c"]``, from left to right, or None for anything else."""
    if isinstance(node, nodes.Name):
        return (node.name,) if node.ctx == "load" else None
    if isinstance(node, nodes.Getattr):
        before = _steps(node.node)
        return (*before, node.attr) if before else None
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        before = _steps(node.node)
        step = node.arg.value if isinstance(node.arg.value, str) else "[]"
        return (*before, step) if before else None
    return None


def _resolved(
    steps: tuple[str, ...], aliases: Mapping[str, tuple[str, ...]], undeclared: Collection[str]
) -> tuple[str, ...] | None:
    if steps[0] in aliases:
        return aliases[steps[0]] + steps[1:]
    return steps if steps[0] in undeclared else None


def _aliases(tree: nodes.Template, undeclared: Collection[str]) -> dict[str, tuple[str, ...]]:
    aliases: dict[str, tuple[str, ...]] = {}
    entry: list[str]
    for node in _outside_in(tree):
        if isinstance(node, nodes.For) and isinstance(node.target, nodes.Name):
            value, entry = _unfiltered(node.iter), ["[]"]
        elif isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
            value, entry = node.node, []
        else:
            continue
        steps = _steps(value)
        path = _resolved(steps, aliases, undeclared) if steps else None
        if path is not None and node.target.name not in undeclared:
            aliases[node.target.name] = (*path, *entry)
    return aliases


_KEEPING: Final = frozenset({
    "d", "default", "list", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique",
})  # fmt: skip
"""Filters whose outcome holds the entries of the list they are given."""


def _unfiltered(node: nodes.Node) -> nodes.Node:
    """Return the list below filters that keep its entries."""
    while isinstance(node, nodes.Filter) and (node.name in _KEEPING or node.name in METERS) and node.node is not None:
        node = node.node
    return node
