"""Are a filter's arguments right? As much of it as can be told before any event comes."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from jinja2 import nodes

from tidings.documents import did_you_mean
from tidings.render.filters import FILTERS, TESTS
from tidings.render.formats import (
    DATE_STYLES,
    DATETIME_STYLES,
    MOST_DECIMALS,
    PLURAL_FORMS,
    TIME_STYLES,
    check_style,
    currencies,
)

_NAMING: Final[Mapping[str, tuple[int, Mapping[str, Any]]]] = {
    "map": (0, FILTERS),
    "select": (0, TESTS),
    "reject": (0, TESTS),
    "selectattr": (1, TESTS),
    "rejectattr": (1, TESTS),
}
"""Filters with an argument, at this position, that is the name of a filter or test itself."""

_FIRST_NAMES: Final = {"number": "decimals", "percent": "decimals", "currency": "code"}


def argument_faults(node: nodes.Filter | nodes.Test) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the arguments of a filter or test that is known, with its cure."""
    signature = _signature(isinstance(node, nodes.Test), node.name)
    if signature is not None and node.dyn_args is None and node.dyn_kwargs is None:
        try:
            signature.bind(None, *node.args, **{str(each.key): each.value for each in node.kwargs})
        except TypeError as error:
            yield f"{node.name}: {error}", _taken(signature)
            return
    if isinstance(node, nodes.Filter):
        yield from _bad_values(node)


@cache
def _signature(test: bool, name: str) -> inspect.Signature | None:  # noqa: FBT001 (a key of the cache)
    """Return what a filter or test takes, its value first; None for one written in C."""
    function: Callable[..., Any] = (TESTS if test else FILTERS)[name]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    # What Jinja itself hands to a function stands before the value.
    parameters = list(signature.parameters.values())[1 if hasattr(inspect.unwrap(function), "jinja_pass_arg") else 0 :]
    return signature.replace(parameters=parameters)


def _taken(signature: inspect.Signature) -> str:
    names = list(signature.parameters)[1:]
    return f"it takes {', '.join(names)}" if names else "it takes none"


def _bad_values(node: nodes.Filter) -> Iterator[tuple[str, str]]:
    value = _constant(node, 0, _FIRST_NAMES.get(node.name, "style"))
    styles = {"date": DATE_STYLES, "datetime": DATETIME_STYLES, "time": TIME_STYLES}.get(node.name)
    if styles and value is not None:
        try:
            check_style(node.name, value, styles)
        except ValueError as error:
            yield str(error), did_you_mean(str(value), styles)
    elif node.name == "currency" and value is not None and value not in currencies():
        yield f"there is no currency {str(value)[:20]!r}", "write its three letters, such as INR"
    elif node.name in {"number", "percent"} and value is not None and not _is_places(value):
        yield f"{node.name} takes a number of decimals from 0 to {MOST_DECIMALS}", ""
    elif node.name == "plural":
        for name in (str(each.key) for each in node.kwargs):
            if name not in {*PLURAL_FORMS, "other"}:
                hint = did_you_mean(name, PLURAL_FORMS) or f"forms are {', '.join(PLURAL_FORMS)}, other"
                yield f"plural has no form {name!r}", hint
    elif node.name in _NAMING:
        position, known = _NAMING[node.name]
        named = _constant(node, position, "")
        if isinstance(named, str) and named not in known:
            kind = "filter" if known is FILTERS else "test"
            yield f"{node.name}: there is no {kind} {named!r}", did_you_mean(named, known)


def _is_places(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_DECIMALS


def _constant(node: nodes.Filter, position: int, name: str) -> Any:
    """Return the argument at a position, or of a name, when it is written out; else None."""
    given = node.args[position] if position < len(node.args) else None
    given = given or next((each.value for each in node.kwargs if each.key == name), None)
    return given.value if isinstance(given, nodes.Const) else None
