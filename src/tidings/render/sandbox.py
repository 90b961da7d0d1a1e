"""The environment that templates run in: no attribute but fields of data, no call but macros, and a budget.

Data is mappings, lists, texts, numbers; a dot reads a field and nothing else, so ``data.items`` is the field.
Everything printed in markup is escaped and cannot opt out.
"""

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from types import CodeType
from typing import Any, Final, cast

from jinja2 import BaseLoader, Environment, Template, TemplateNotFound, TemplateRuntimeError, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.meta import TrackingCodeGenerator
from jinja2.optimizer import Optimizer
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context
from jinja2.visitor import NodeTransformer

from tidings.render.absence import Missing
from tidings.render.filters import FILTERS, TESTS
from tidings.render.limits import BUDGET, Budget, LimitReached, bounded_range, check_length
from tidings.render.printing import printed, printed_in_markup
from tidings.render.remembering import READ, remembering

GLOBALS: Final[Mapping[str, Any]] = {"range": bounded_range, "namespace": Namespace}
"""The functions a template may call, besides its macros and ``loop.cycle``."""

METERS: Final = frozenset({"_metered", "_weighed"})
"""Filters that are put between others; what goes in comes out."""

_METERED: Final = "_metered"
_WEIGHED: Final = "_weighed"
_SIZED: Final = "_sized"
_FREE: Final = frozenset({"d", "default", "first", "length", "count", _METERED, _SIZED})
"""Filters that take no longer on a longer value."""
_MAX_BITS: Final = 128


class _Generator(TrackingCodeGenerator):
    """Jinja's, which notes the variables that a template looks up while it writes its code: once, not twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        CodeGenerator.__init__(self, *args, **kwargs)
        self.undeclared_identifiers = set()

    def write(self, x: str) -> None:
        """Write, as the class between does not."""
        CodeGenerator.write(self, x)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        """Print by one call instead of one for what a value reads as and another that escapes it."""
        if frame.eval_ctx.volatile:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.printed(context, ")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        """Close what was opened before the value."""
        if frame.eval_ctx.volatile:
            super()._output_child_post(node, frame, finalize)
        else:
            self.write(")")

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 (Jinja's name)
        """Write the code of a template, and leave what it looks up with its environment."""
        super().visit_Template(node, frame)
        looked_up = cast("Sandbox", self.environment).looked_up
        looked_up[self.name or ""] = frozenset(self.undeclared_identifiers)


class _Context(Context):
    """Jinja's, made in half the time: of a message's passages each has one, and so has all that they include."""

    def __init__(
        self,
        environment: Environment,
        parent: dict[str, Any],
        name: str | None,
        blocks: dict[str, Any],  # noqa: ARG002 (Jinja's signature; no template has any)
        globals: Any = None,  # noqa: A002 (Jinja's own name)
    ) -> None:
        self.parent = parent
        self.vars = {}
        self.environment = environment
        self.eval_ctx = cast("Sandbox", environment).evaluation
        self.exported_vars = set()
        self.name = name
        self.globals_keys = globals.keys()
        self.blocks = {}


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment for templates of a rulebook in one language, "" for any.

    ``markup`` says whether what is printed gets escaped.
    """

    code_generator_class = _Generator
    context_class = _Context
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *, markup: bool, sources: Mapping[str, str], resolve: Callable[[str], str]) -> None:
        super().__init__(
            autoescape=markup,
            undefined=Missing,
            finalize=printed,
            loader=Library(sources, resolve),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self._known: dict[str | Template, Template] = {}
        self.read: dict[str, nodes.Template] = {}
        """Templates that have been parsed and are about to be compiled, by name."""
        self.looked_up: dict[str, frozenset[str]] = {}
        """By name of a compiled template, the variables that it looks up."""
        self.filters = {**FILTERS, _METERED: _metered, _SIZED: _sized, _WEIGHED: _weighed}
        self.tests = dict(TESTS)
        self.globals = dict(GLOBALS)
        self.evaluation = nodes.EvalContext(self)
        """How everything is escaped; no template may change it."""
        self.printed = printed_in_markup if markup else printed
        """What templates print a value by."""

    def get_template(
        self,
        name: str | Template,
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 (Jinja's own name)
    ) -> Template:
        """Return a template, from memory if it was asked for before: in an environment its name is always the same."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = super().get_template(name, parent, globals)
        return found

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read a field of data; of Jinja's own objects, what Jinja's sandbox allows."""
        # What nearly every reading is comes first: a field of an object, and a macro of an imported file.
        kind = type(obj)
        if kind is dict:
            value = obj.get(attribute)
            return Missing(name=attribute) if value is None else value
        if kind is TemplateModule and type(macro := obj.__dict__.get(attribute)) is Macro and attribute[0] != "_":
            return macro
        if isinstance(obj, (LoopContext, Macro, Namespace, TemplateModule)):
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
        budget = __context.parent[BUDGET]
        budget.spend()
        if type(__obj) is Macro:
            # As Jinja would after a dozen checks, all of which a macro passes; what it tells of loops is not for them.
            kwargs.pop("_loop_vars", None)
            kwargs.pop("_block_vars", None)
            made = __obj(__context.eval_ctx, *args, **kwargs)
            budget.spend(steps=0, characters=len(made))
            return made
        if isinstance(__obj, Undefined):
            str(__obj)
        made = super().call(__context, __obj, *args, **kwargs)
        if isinstance(made, str):
            budget.spend(steps=0, characters=len(made))
        return made

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate, with numbers of bearable size and texts of bearable length."""
        if not isinstance(left, Undefined) and not isinstance(right, Undefined):
            _check_operands(operator, left, right, context.parent[BUDGET])
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
        sandbox = cast("Sandbox", environment)
        code, is_alone = _compiled(sandbox, name, self._sources[name])
        template = Template.from_code(environment, code, dict(globals or {}), None)
        if is_alone and sandbox.looked_up[name] <= READ:
            template.root_render_func = remembering(template.root_render_func)
        return template

    def list_templates(self) -> list[str]:
        """Return every path."""
        return sorted(self._sources)


class _Folding(Optimizer):
    """Jinja's, which leaves a template's own text: as a constant it would be printed as values are, by a call."""

    def visit_TemplateData(self, node: nodes.TemplateData, *_: Any) -> nodes.Node:  # noqa: N802 (named by Jinja's visitor)
        return node


def folded(tree: nodes.Template, environment: Environment) -> nodes.Template:
    """Return a tree with what is constant in it worked out, in place."""
    return cast("nodes.Template", _Folding(environment).visit(tree))


_REMEMBERED: Final = 20_000
_COMPILED: Final[dict[tuple[str, str, bool], tuple[CodeType, frozenset[str], bool]]] = {}
"""Code, what it looks up, and whether it stands alone, by name, text and escaping: in any language and rulebook."""

_OTHERS: Final[tuple[type[nodes.Node], ...]] = (
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Macro,
    nodes.CallBlock,
)


def _compiled(environment: Sandbox, name: str, text: str) -> tuple[CodeType, bool]:
    """Compile a template, from its tree if it has been parsed; or take its code from memory.

    Say too whether it stands alone: includes nothing, and defines nothing that others may call.
    """
    tree = environment.read.pop(name, None)
    key = (name, text, bool(environment.autoescape))
    known = _COMPILED.get(key)
    if known is None:
        tree = tree or folded(environment.parse(text, name, name), environment)
        _Meters().visit(tree)
        tree.set_environment(environment)
        code = environment.compile(tree, name, name)
        if len(_COMPILED) >= _REMEMBERED:
            _COMPILED.clear()
        known = _COMPILED[key] = (code, environment.looked_up[name], next(tree.find_all(_OTHERS), None) is None)
    environment.looked_up[name] = known[1]
    return known[0], known[2]


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
    context.parent[BUDGET].spend(steps=len(turns), characters=len(turns) * weight)
    return turns


@pass_context
def _sized(context: Context, text: Any) -> Any:
    """Charge for a text that was put together, printed or not."""
    context.parent[BUDGET].spend(characters=len(text))
    return text


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """Charge for what a filter is about to read, be its outcome printed or not."""
    if not isinstance(value, (int, float)) and isinstance(value, (str, Mapping, Sequence)):
        context.parent[BUDGET].spend(steps=0, characters=len(value))
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
