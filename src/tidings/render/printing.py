"""What a printed value reads as, at its cost to the message's budget. Every value that a template prints comes here."""

import re
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import TemplateRuntimeError, Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from tidings.render.absence import Absent
from tidings.render.limits import BUDGET, Budget

_SPECIAL: Final = re.compile("[&<>\"']")


# What a value costs is charged here as ``Budget.spend`` would, without the call: a message prints dozens.


@pass_context
def printed(context: Context, value: Any) -> str:
    """Return a value as text."""
    text = value if type(value) is str else _text(value)
    budget: Budget = context.parent[BUDGET]
    budget.steps -= 1
    budget.characters -= len(text)
    if budget.steps < 0 or budget.characters < 0:
        budget.spend(steps=0)
    return text


@pass_context
def printed_in_markup(context: Context, value: Any) -> str:
    """Return a value as text that is no markup, but for what a macro or a filter has made as markup."""
    text = printed(context, value)
    if _SPECIAL.search(text) is None or isinstance(value, Markup):
        return text
    return str.__str__(escape(text))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return str(value)
    if value is None:
        raise Absent("the value")
    if isinstance(value, (Mapping, list, tuple)):
        kind = "an object" if isinstance(value, Mapping) else "a list"
        raise TemplateRuntimeError(f"the value is {kind} and cannot be printed; name a field of it, or use a loop")
    if not isinstance(value, Undefined):
        raise TemplateRuntimeError("the value is no text or number and cannot be printed; use join for a list")
    return str(value)
