"""The environment that templates run in: no attribute but fields of data, no call but macros, and a budget.

Data is mappings, lists, texts, numbers; a dot reads a field and nothing else, so ``data.items`` is the field.
Everything printed in markup is escaped and cannot opt out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from jinja2 import BaseLoader, Environment, Template, TemplateNotFound, TemplateRuntimeError, Undefined, nodes
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context
from jinja2.visitor import NodeTransformer

from tidings.render.absence import Absent, Missing
from tidings.render.filters import FILTERS, TESTS
from tidings.render.limits import BUDGET, Budget, LimitReached, bounded_range, check_length

GLOBALS: Final[Mapping[str, Any]] = {"range": bounded_range, "namespace": Namespace}
"""The functions a template may call, besides its macros and ``loop.cycle``."""

_METERED: Final = "_metered"
_WEIGHED: Final = "_weighed"
_SIZED: Final = "_sized"
_FREE: Final = frozenset({"d", "default", "first", "length", "count", _METERED, _SIZED})
"""Filters that take no longer on a longer value."""
_MAX_BITS: Final = 128


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment for templates of a rulebook in one language, "" for any.

    ``markup`` says whether what is printed gets escaped.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *, markup: bool, sources: Mapping[str, str], resolve: Callable[[str], str]) -> None:
        super().__init__(
            autoescape=markup,
            undefined=Missing,
            finalize=_printed,
            loader=Library(sources, resolve),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.filters = {**FILTERS, _METERED: _metered, _SIZED: _sized, _WEIGHED: _weighed}
        self.tests = dict(TESTS)
        self.globals = dict(GLOBALS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read a field of data; of Jinja's own objects, what Jinja's sandbox allows."""
        if isinstance(obj, (LoopContext, Macro, Namespace)) or type(obj).__name__ == "TemplateModule":
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read a field or an entry; null is absent."""
        if isinstance(obj, Missing):
            return obj.beyond(argument)
        value = None
        if isinstance(obj, Mapping):
            value = obj.get(argument)
        elif isinstance(obj, Sequence) and isinstance(argument, (int, slice)):
            try:
                value = obj[argument]
            except IndexError:
                value = None
        return Missing(name=str(argument)) if value is None else value

    def is_safe_callable(self, obj: Any) -> bool:
        """Allow macros, the listed functions and ``loop.cycle``."""
        if isinstance(obj, Macro) or obj is bounded_range or obj is Namespace:
            return True
        return isinstance(getattr(obj, "__self__", None), LoopContext) and obj.__name__ == "cycle"

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 (keeps the names of keyword arguments free, as Jinja does)
        """Call what may be called, at the cost of a step."""
        __context[BUDGET].spend()
        if isinstance(__obj, Undefined):
            str(__obj)
        made = super().call(__context, __obj, *args, **kwargs)
        if isinstance(made, str):
            __context[BUDGET].spend(steps=0, characters=len(made))
        return made

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate, with numbers of bearable size and texts of bearable length."""
        if not isinstance(left, Undefined) and not isinstance(right, Undefined):
            _check_operands(operator, left, right, context[BUDGET])
        value = super().call_binop(context, operator, left, right)
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise LimitReached("a number grows too large")
        return value


class Library(BaseLoader):
    """The templates of one rulebook, in memory, by path; nothing else can be included or imported.

    ``resolve`` tells which file a name stands for in the language of the environment.
    """

    def __init__(self, sources: Mapping[str, str], resolve: Callable[[str], str]) -> None:
        self._sources = sources
        self._resolve = resolve

    def load(
        self,
        environment: Environment,
        name: str,
        globals: Any = None,  # noqa: A002 (Jinja's own name)
    ) -> Template:
        """Compile a template with its meters built in."""
        name = self._resolve(name)
        if name not in self._sources:
            raise TemplateNotFound(name)
        tree = environment.parse(self._sources[name], name, name)
        _Meters().visit(tree)
        tree.set_environment(environment)
        return Template.from_code(environment, environment.compile(tree, name, name), dict(globals or {}), None)

    def list_templates(self) -> list[str]:
        """Return every path."""
        return sorted(self._sources)


class _Meters(NodeTransformer):
    """Puts a meter on each loop, filter and joining of texts; hands the budget on to what is included or imported."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        self.generic_visit(node)
        weight = sum(len(data.data) for part in node.body for data in _template_data(part))
        node.iter = _filtered(node.iter, _METERED, weight)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        self.generic_visit(node)
        if node.node is not None and node.name not in _FREE:
            node.node = _filtered(node.node, _WEIGHED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        self.generic_visit(node)
        return _filtered(node, _SIZED)

    def visit_Include(self, node: nodes.Include) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        node.with_context = True
        return node

    def visit_Import(self, node: nodes.Import) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        node.with_context = True
        return node

    def visit_FromImport(self, node: nodes.FromImport) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        node.with_context = True
        return node


def _template_data(node: nodes.Node) -> list[nodes.TemplateData]:
    return [node] if isinstance(node, nodes.TemplateData) else list(node.find_all(nodes.TemplateData))


def _filtered(node: nodes.Node, name: str, *arguments: int) -> nodes.Filter:
    constants: list[nodes.Expr] = [nodes.Const(each, lineno=node.lineno) for each in arguments]
    return nodes.Filter(node, name, constants, [], None, None, lineno=node.lineno)


@pass_context
def _metered(context: Context, entries: Any, weight: int) -> Any:
    """Charge for every turn of a loop before the first."""
    turns: Collection[Any] = entries if isinstance(entries, Collection) else list(entries)
    context[BUDGET].spend(steps=len(turns), characters=len(turns) * weight)
    return turns


@pass_context
def _sized(context: Context, text: Any) -> Any:
    """Charge for a text that was put together, printed or not."""
    context[BUDGET].spend(characters=len(text))
    return text


@pass_context
def _printed(context: Context, value: Any) -> str:
    """Return what a printed value reads as, at its cost."""
    if value is None:
        raise Absent("the value")
    if isinstance(value, (Mapping, list, tuple)):
        kind = "an object" if isinstance(value, Mapping) else "a list"
        raise TemplateRuntimeError(f"the value is {kind} and cannot be printed; name a field of it, or use a loop")
    if not isinstance(value, (str, int, float, Undefined)):
        raise TemplateRuntimeError("the value is no text or number and cannot be printed; use join for a list")
    text = value if isinstance(value, str) else str(value)
    context[BUDGET].spend(characters=len(text))
    return text


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """Charge for what a filter is about to read, be its outcome printed or not."""
    if isinstance(value, (str, Mapping, Sequence)):
        context[BUDGET].spend(steps=0, characters=len(value))
    return value


def _check_operands(operator: str, left: Any, right: Any, budget: Budget) -> None:
    numbers = all(isinstance(each, (int, float)) for each in (left, right))
    if operator == "**":
        raise TemplateRuntimeError("** is not available in a template")
    if operator in {"*", "%"} and not numbers:
        raise TemplateRuntimeError(f"{operator} is for numbers")
    if operator == "+" and not numbers:
        check_length(len(left) + len(right))
        budget.spend(steps=0, characters=len(left) + len(right))
