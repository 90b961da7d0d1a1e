"""Every code that the source can report, read off the source itself.

A code is a constant that reaches something called ``code``: an argument, a parameter's default, a variable, a class
attribute, or an element of a tuple that is unpacked into such a variable, be it returned by a function or kept in a
table. ``PydanticCustomError`` takes the code of a shape's finding first. Codes that only evaluating an expression
can raise are left out: they are told by ``explain``, not by ``check``.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[1] / "src" / "tidings"
PACKAGES: Final = ("documents", "expressions", "rules", "render", "rulebook", "authoring", "cli/check.py")
CODE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAMES: Final = frozenset({"code", "default_code"})
_EVALUATION: Final = "EvaluationError"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def emitted_codes() -> frozenset[str]:
    """Return every code; one that is put together is a pattern, such as ``unknown-*``."""
    files = sorted(file for each in PACKAGES for file in _files(SOURCE / each))
    return codes_in({file.relative_to(SOURCE).as_posix(): file.read_text(encoding="utf-8") for file in files})


def codes_in(texts: Mapping[str, str]) -> frozenset[str]:
    """Return the codes in modules by path."""
    scans = [_Scan(ast.parse(text)) for text in texts.values()]
    positions: dict[str, set[int]] = {"PydanticCustomError": {0}}
    for scan in scans:
        for name, at in scan.parameters():
            positions.setdefault(name, set()).add(at)
    evaluation = _descendants({name: bases for scan in scans for name, bases in scan.classes()}, _EVALUATION)
    found = {code for scan in scans for code in scan.codes(positions, evaluation)}
    return frozenset(code for code in found if CODE.fullmatch(code.replace("*", "x")))


def _files(path: Path) -> Iterator[Path]:
    yield from path.rglob("*.py") if path.is_dir() else (path,)


def _descendants(bases: Mapping[str, Sequence[str]], root: str) -> frozenset[str]:
    found = {root}
    while more := {name for name, parents in bases.items() if name not in found and found.intersection(parents)}:
        found |= more
    return frozenset(found)


class _Scan:
    """One module."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._nodes = list(ast.walk(tree))

    def classes(self) -> Iterator[tuple[str, list[str]]]:
        for node in self._nodes:
            if isinstance(node, ast.ClassDef):
                yield node.name, [ast.unparse(base).rpartition(".")[2] for base in node.bases]

    def parameters(self) -> Iterator[tuple[str, int]]:
        """Yield functions and classes that take a code by position, and the position."""
        for node in self._nodes:
            if isinstance(node, ast.ClassDef):
                fields = [
                    each.target.id
                    for each in node.body
                    if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
                ]
                if "code" in fields:
                    yield node.name, fields.index("code")
                for each in node.body:
                    if isinstance(each, Function) and each.name == "__init__":
                        yield from ((node.name, at) for at in _position(each))
            elif isinstance(node, Function):
                yield from ((node.name, at) for at in _position(node))

    def codes(self, positions: Mapping[str, set[int]], evaluation: frozenset[str]) -> Iterator[str]:
        """Yield constants in the places of codes."""
        passed_over = {
            id(each)
            for node in self._nodes
            if isinstance(node, ast.ClassDef) and node.name in evaluation
            for each in node.body
        }
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._in_call(node, positions)
            elif isinstance(node, Function):
                yield from self._in_defaults(node)
            elif (
                isinstance(node, ast.Assign | ast.AnnAssign) and id(node) not in passed_over and node.value is not None
            ):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    yield from self._in_assignment(target, node.value)

    def _in_call(self, node: ast.Call, positions: Mapping[str, set[int]]) -> Iterator[str]:
        name = ast.unparse(node.func).rpartition(".")[2]
        for at in positions.get(name, ()):
            yield from _constants(node.args[at]) if at < len(node.args) else ()
        for keyword in node.keywords:
            if keyword.arg == "code":
                yield from _constants(keyword.value)

    def _in_defaults(self, node: Function) -> Iterator[str]:
        arguments = [*node.args.posonlyargs, *node.args.args]
        pairs = [*zip(reversed(arguments), reversed(node.args.defaults), strict=False)]
        pairs += [
            (each, value) for each, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value
        ]
        for argument, default in pairs:
            if argument.arg == "code":
                yield from _constants(default)

    def _in_assignment(self, target: ast.expr, value: ast.expr) -> Iterator[str]:
        if isinstance(target, ast.Name) and target.id in _NAMES:
            yield from _constants(value)
        if not isinstance(target, ast.Tuple):
            return
        names = [each.id if isinstance(each, ast.Name) else "" for each in target.elts]
        if "code" in names:
            for each in self._tuples(value):
                yield from _constants(each.elts[names.index("code")])

    def _tuples(self, value: ast.expr) -> Iterator[ast.Tuple]:
        """Yield the tuples that a value may be: written out, returned by a function here, or kept in a table here."""
        if isinstance(value, ast.Tuple):
            yield value
        elif isinstance(value, ast.IfExp):
            yield from (*self._tuples(value.body), *self._tuples(value.orelse))
        elif isinstance(value, ast.Subscript):
            yield from self._in_table(ast.unparse(value.value))
        elif isinstance(value, ast.Call):
            function = ast.unparse(value.func)
            if function.endswith(".get"):
                yield from self._in_table(function.removesuffix(".get"))
            yield from self._returned(function.rpartition(".")[2])

    def _in_table(self, name: str) -> Iterator[ast.Tuple]:
        for node in self._tree.body:
            target = node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict) and isinstance(target, ast.Name):
                yield from (each for each in node.value.values if target.id == name and isinstance(each, ast.Tuple))

    def _returned(self, name: str) -> Iterator[ast.Tuple]:
        for node in self._nodes:
            if isinstance(node, Function) and node.name == name:
                yield from (
                    each.value
                    for each in ast.walk(node)
                    if isinstance(each, ast.Return) and isinstance(each.value, ast.Tuple)
                )


def _position(function: Function) -> Iterator[int]:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    bound = [name for name in names if name not in ("self", "cls")]
    if "code" in bound:
        yield bound.index("code")


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_constants(node.body), *_constants(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for each in node.values:
            yield from _constants(each)
