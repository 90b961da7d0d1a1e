"""Writes an expression as the source of a Python function, so that a search costs no walk over a tree.

The source never contains text of the expression's author except field names, as Python string constants;
literals are constants given by name. Thus rules that differ only in their literals share one code object.
Whatever goes wrong in such a function is told without a place: the caller evaluates again by ``trace``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from tidings.expressions.errors import Fault
from tidings.expressions.extensions import OF_TIME
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.operands import ARRAY, BOOLEAN, KIND_OF, NULL, NUMBER, TEXT, TRUTH, Kinds, Operand, joined
from tidings.expressions.patterns import compile_pattern
from tidings.expressions.runtime import RUNTIME
from tidings.expressions.signatures import SIGNATURES
from tidings.expressions.values import MIRRORED, ORDER

Run = Callable[[Any, int | None, tzinfo], Any]
"""A compiled expression: the value, the time of the decision or None, the zone of dates without one."""

INDENT_LIMIT: Final = 40
"""Python takes 100 levels of indentation."""
LOOP_LIMIT: Final = 10
"""Python takes 20 loops within each other."""


@lru_cache(maxsize=4096)
def _code(source: str) -> CodeType:
    return compile(source, "<expression>", "exec")


class SourceWriter:
    """Writes one expression. A subclass may read fields from something else than dictionaries."""

    def __init__(self) -> None:
        self._functions: list[str] = []
        self._lines: list[str] = []
        self._constants: dict[str, Any] = {}
        self._count = 0
        self._indent = 1
        self._loops = 0
        self._known: list[dict[tuple[str, str], Operand]] = [{}]

    def function(self, root: Node, value: Operand) -> Run:
        """Return the function that evaluates the tree on what ``value`` describes."""
        self._define("run", root, value)
        names = dict(RUNTIME) | self._constants
        exec(_code("\n".join(self._functions)), names)  # noqa: S102 - the source is written here, see the module
        run: Run = names["run"]
        return run

    # Writing lines.

    def line(self, text: str) -> None:
        """Write one line at the present indentation."""
        self._lines.append("    " * self._indent + text)

    def helper(self, name: str, function: Callable[..., Any]) -> str:
        """Let the code call a function of the writer's by that name."""
        self._constants[name] = function
        return name

    def fresh(self) -> str:
        """Return a name not used yet."""
        self._count += 1
        return f"t{self._count}"

    def assign(self, text: str, kinds: Kinds | None = None) -> Operand:
        """Write an assignment to a new name and return it."""
        name = self.fresh()
        self.line(f"{name} = {text}")
        return Operand(name, kinds)

    def constant(self, value: Any, kinds: Kinds | None = None) -> Operand:
        """Return an operand for a value known now."""
        if value is None or value is True or value is False:
            return Operand(repr(value), kinds, value, is_constant=True)
        name = f"k{len(self._constants)}"
        self._constants[name] = value
        return Operand(name, kinds, value, is_constant=True)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is written within; names first assigned there are not relied on after it."""
        self.line(head)
        self._indent += 1
        self._known.append({})
        yield
        self._known.pop()
        self._indent -= 1

    def remembered(self, owner: str, name: str) -> Operand | None:
        """Return the operand that already holds this field of that value here, or None."""
        return next((known[owner, name] for known in self._known if (owner, name) in known), None)

    def remember(self, owner: str, name: str, operand: Operand) -> Operand:
        """Note which operand holds this field of that value, until the block ends."""
        self._known[-1][owner, name] = operand
        return operand

    def _define(self, name: str, node: Node, value: Operand) -> Operand:
        """Write a function of its own for a part; the value is its first argument."""
        kept = (self._lines, self._indent, self._loops, self._known)
        self._lines, self._indent, self._loops, self._known = [f"def {name}({value.name}, n, z):"], 1, 0, [{}]
        conjunction = node.kind is Kind.AND
        result = self._conjunction(node, value) if conjunction else self.native(self.write(node, value))
        self.line(f"return {result.name}")
        self._functions.append("\n".join(self._lines))
        self._lines, self._indent, self._loops, self._known = kept
        return result

    def _conjunction(self, node: Node, value: Operand) -> Operand:
        """Write an ``&&`` that is all of a function: it returns at the first part that fails."""
        kinds: Kinds | None = frozenset()
        for child in node.children[:-1]:
            result = self.tested(self.write(child, value))
            self.line(f"if not ({self.truth(result)}): return {self.falsy(result)}")
            kinds = joined(kinds, result.kinds)
        last = self.native(self.write(node.children[-1], value))
        return Operand(last.name, joined(kinds, last.kinds))

    # Expressions.

    def write(self, node: Node, value: Operand) -> Operand:
        """Write the evaluation of a part on a value; return where its result is."""
        if self._indent > INDENT_LIMIT or self._loops > LOOP_LIMIT:
            name, argument = f"f{self.fresh()}", self.passed(value)
            result = self._define(name, node, Operand("v", argument.kinds, shape=argument.shape))
            return self.assign(f"{name}({argument.name}, n, z)", result.kinds)
        method: Callable[[Node, Operand], Operand] = getattr(self, f"_write_{node.kind.value}")
        return method(node, value)

    # What another writer may do in its own way, because its operands may be something else than JSON values.

    def native(self, operand: Operand) -> Operand:
        """Return the operand as a JSON value."""
        return operand

    def comparable(self, operand: Operand) -> Operand:
        """Return the operand as a value that compares like the JSON value."""
        return operand

    def tested(self, operand: Operand) -> Operand:
        """Return the operand as something that ``truth`` and ``falsy`` can tell of."""
        return operand

    def passed(self, operand: Operand) -> Operand:
        """Return the operand as something a function of its own can be given."""
        return operand

    def present(self, operand: Operand) -> str:
        """Return Python that is true when the operand is not null."""
        return f"{operand.name} is not None"

    def falsy(self, operand: Operand) -> str:
        """Return Python for the JSON value of a tested operand that turned out false."""
        return operand.name

    def truth(self, operand: Operand) -> str:
        """Return Python that is true exactly when the operand is true as a condition."""
        name = operand.name
        if operand.lacks("number"):
            return name
        if operand.within(NUMBER):
            return f"{name} is not None"
        return f"{name} or {name}.__class__ is int or {name}.__class__ is float"

    def read_field(self, value: Operand, name: str) -> Operand:
        """Write the reading of a field of a value."""
        if value.lacks("object"):
            return self.constant(None, NULL)
        return self.assign(f"{value.name}.get({name!r}) if {value.name}.__class__ is dict else None")

    def _write_field(self, node: Node, value: Operand) -> Operand:
        known = self.remembered(value.name, node.value)
        return known or self.remember(value.name, node.value, self.read_field(value, node.value))

    def _write_current(self, node: Node, value: Operand) -> Operand:
        del node
        return value

    _write_identity = _write_current

    def _write_literal(self, node: Node, value: Operand) -> Operand:
        del value
        return self.constant(node.value, frozenset({KIND_OF[type(node.value)]}))

    def _write_chain(self, node: Node, value: Operand) -> Operand:
        for child in node.children:
            value = self.write(child, value)
        return value

    _write_pipe = _write_chain

    def _write_index(self, node: Node, value: Operand) -> Operand:
        return self.read_element(value, node.value)

    def read_element(self, value: Operand, at: int) -> Operand:
        """Write the reading of an element."""
        if value.lacks("array"):
            return self.constant(None, NULL)
        name, least = value.name, at + 1 if at >= 0 else -at
        return self.assign(f"{name}[{at}] if {name}.__class__ is list and len({name}) >= {least} else None")

    def _write_slice(self, node: Node, value: Operand) -> Operand:
        return self.read_slice(value, self.constant(slice(*node.value)))

    def read_slice(self, value: Operand, part: Operand) -> Operand:
        """Write the reading of some elements."""
        if value.lacks("array"):
            return self.constant(None, NULL)
        return self.assign(f"{value.name}[{part.name}] if {value.name}.__class__ is list else None")

    def _write_or(self, node: Node, value: Operand) -> Operand:
        return self._shortcut(node, value, "if not ({}):")

    def _write_and(self, node: Node, value: Operand) -> Operand:
        return self._shortcut(node, value, "if {}:")

    def _shortcut(self, node: Node, value: Operand, head: str) -> Operand:
        result = self.native(self.write(node.children[0], value))
        name = self.fresh()
        self.line(f"{name} = {result.name}")
        kinds = result.kinds
        for child in node.children[1:]:
            with self.block(head.format(self.truth(Operand(name, kinds)))):
                result = self.native(self.write(child, value))
                self.line(f"{name} = {result.name}")
            kinds = joined(kinds, result.kinds)
        return Operand(name, kinds)

    def _write_not(self, node: Node, value: Operand) -> Operand:
        operand = self.tested(self.write(node.children[0], value))
        return self.assign(f"not ({self.truth(operand)})", BOOLEAN)

    # Comparisons.

    def _write_compare(self, node: Node, value: Operand) -> Operand:
        left, right = (self.write(child, value) for child in node.children)
        if node.value in ORDER:
            return self._ordering(node.value, self.comparable(left), self.comparable(right))
        test = self.equality_test(right, left) if left.is_constant else self.equality_test(left, right)
        return self.assign(test if node.value == "==" else f"not ({test})", BOOLEAN)

    def equality_test(self, left: Operand, right: Operand) -> str:
        """Return Python for ``==``; if one is a constant it is the right."""
        if right.is_constant and (right.constant is None or right.constant.__class__ is bool):
            return f"{left.name} is {right.name}"
        if right.is_constant and (left.lacks("boolean") or right.constant not in (0, 1)):
            return f"{left.name} == {right.name}"
        if right.is_constant:
            return f"{left.name} == {right.name} and {left.name}.__class__ is not bool"
        return f"equals({left.name}, {right.name})"

    def _ordering(self, operation: str, left: Operand, right: Operand) -> Operand:
        if left.is_constant and not right.is_constant:
            operation, left, right = MIRRORED[operation], right, left
        if right.is_constant and right.constant.__class__ in (int, float, str):
            return self._ordering_with(operation, left, right)
        return self.assign(f"ordered({operation!r}, {left.name}, {right.name})", TRUTH)

    def _ordering_with(self, operation: str, left: Operand, right: Operand) -> Operand:
        name, text = left.name, right.constant.__class__ is str
        compare = f"{name} {operation} {right.name}"
        if left.within(TEXT if text else NUMBER):
            return self.assign(f"{compare} if {name} is not None else None", TRUTH)
        test = f"{name}.__class__ is str" if text else f"{name}.__class__ is int or {name}.__class__ is float"
        return self.assign(f"{compare} if {test} else unordered({name}, {text})", TRUTH)

    # Projections.

    def elements(self, base: Operand) -> tuple[str, str, Operand]:
        """Return the test that there are elements, what to loop over, and the operand of one element."""
        return (f"{base.name}.__class__ is list", base.name, Operand(self.fresh()))

    def collected(self, name: str, result: Operand) -> Operand:
        """Write the appending of a result, unless it is null, to the list of that name; return the list."""
        self.line(f"if {result.name} is not None: {name}.append({result.name})")
        return Operand(name, ARRAY)

    def flattened(self, base: Operand) -> Operand:
        """Write the flattening of a list by one level."""
        return self.assign(f"flatten({base.name})")

    def _write_flatten(self, node: Node, value: Operand) -> Operand:
        return self.flattened(self.write(node.children[0], value))

    def _write_projection(self, node: Node, value: Operand) -> Operand:
        return self._collect(self.elements(self.write(node.children[0], value)), node.children[1], None)

    def _write_filter(self, node: Node, value: Operand) -> Operand:
        return self._collect(self.elements(self.write(node.children[0], value)), *node.children[1:])

    def _write_values(self, node: Node, value: Operand) -> Operand:
        base = self.native(self.write(node.children[0], value))
        over = (f"{base.name}.__class__ is dict", f"{base.name}.values()", Operand(self.fresh()))
        return self._collect(over, node.children[1], None)

    def _collect(self, over: tuple[str, str, Operand], each: Node, condition: Node | None) -> Operand:
        test, iterable, element = over
        name = self.fresh()
        self.line(f"{name} = None")
        with self.block(f"if {test}:"):
            self.line(f"{name} = []")
            self._loops += 1
            with self.block(f"for {element.name} in {iterable}:"):
                if condition is not None:
                    chosen = self.tested(self.write(condition, element))
                    self.line(f"if not ({self.truth(chosen)}): continue")
                collected = self.collected(name, self.write(each, element))
            self._loops -= 1
        return collected

    # Making values.

    def _write_list(self, node: Node, value: Operand) -> Operand:
        return self._make(node, value, lambda parts: f"[{', '.join(parts)}]")

    def _write_hash(self, node: Node, value: Operand) -> Operand:
        keys = [child.value for child in node.children]

        def text(parts: list[str]) -> str:
            return "{" + ", ".join(f"{key!r}: {part}" for key, part in zip(keys, parts, strict=True)) + "}"

        return self._make(node, value, text)

    def _make(self, node: Node, value: Operand, text: Callable[[list[str]], str]) -> Operand:
        name = self.fresh()
        self.line(f"{name} = None")
        with self.block(f"if {self.present(value)}:"):
            parts = [self.native(self.write(child, value)).name for child in node.children]
            self.line(f"{name} = {text(parts)}")
        return Operand(name)

    def _write_pair(self, node: Node, value: Operand) -> Operand:
        return self.write(node.children[0], value)

    # Functions.

    def _write_call(self, node: Node, value: Operand) -> Operand:
        return self.call(node.value, [self.write(child, value) for child in node.children])

    def call(self, name: str, operands: list[Operand]) -> Operand:
        """Write the call of a function."""
        operands = [self.native(operand) for operand in operands]
        names = [operand.name for operand in operands]
        signature = SIGNATURES.get(name)
        if signature is None or not signature.accepts(len(operands)):
            return self.assign(f"no_such_call({', '.join(names)})")
        if name == "matches" and operands[1].constant.__class__ is str and operands[0].within(TEXT):
            return self._matches(operands)
        names += ["n", "z"] if name in OF_TIME else []
        return self.assign(f"call_{name}({', '.join(names)})", signature.gives or None)

    def _matches(self, operands: list[Operand]) -> Operand:
        try:
            pattern = self.constant(compile_pattern(operands[1].constant))
        except Fault:
            return self.assign(f"call_matches({operands[0].name}, {operands[1].name})")
        return self.assign(f"matches_compiled({operands[0].name}, {pattern.name})", TRUTH)

    def _write_reference(self, node: Node, value: Operand) -> Operand:
        del value
        name = f"f{self.fresh()}"
        self._define(name, node.children[0], Operand("v"))
        return self.assign(f"Reference(lambda v: {name}(v, n, z))", frozenset({"expref"}))
