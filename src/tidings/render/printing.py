"""What a printed value reads as, at its cost to the message's budget. Every value that a template prints comes here."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from jinja2 import TemplateRuntimeError, Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from tidings.render.absence import Absent
from tidings.render.limits import BUDGET, Budget

_SPECIAL: Final = re.compile("[&<>\"']")


@pass_context
def printed(context: Context, value: Any) -> str:
    """Return a value as text."""
    text = value if type(value) is str else _text(value)
    _charge(context.parent[BUDGET], len(text))
    return text


@pass_context
def printed_in_markup(context: Context, value: Any) -> str:
    """Return a value as text that is no markup, but for what a macro or a filter has made as markup."""
    if type(value) is str:
        text = value
    elif type(value) is Markup:
        text = str.__str__(value)
        _charge(context.parent[BUDGET], len(text))
        return text
    else:
        text = _text(value)
    _charge(context.parent[BUDGET], len(text))
    return text if _SPECIAL.search(text) is None else str.__str__(escape(text))


def _text(value: Any) -> str:
    if isinstance(value, (str, int, float)):
        return str.__str__(value) if isinstance(value, str) else str(value)
    if value is None:
        raise Absent("the value")
    if isinstance(value, (Mapping, list, tuple)):
        kind = "an object" if isinstance(value, Mapping) else "a list"
        raise TemplateRuntimeError(f"the value is {kind} and cannot be printed; name a field of it, or use a loop")
    if not isinstance(value, Undefined):
        raise TemplateRuntimeError("the value is no text or number and cannot be printed; use join for a list")
    return str(value)


def _charge(budget: Any, characters: int) -> None:
    """Charge for one value, as ``Budget.spend`` would."""
    left = cast("Budget", budget)
    left.steps -= 1
    left.characters -= characters
    if left.steps < 0 or left.characters < 0:
        left.spend(steps=0)
