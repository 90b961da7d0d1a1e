"""What a template can do to a value. Only these filters and tests exist; none reads a clock, a file or a setting.

What writes dates and numbers stands in ``formats``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from jinja2 import pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.filters import do_round
from jinja2.runtime import Context
from jinja2.tests import TESTS as JINJA_TESTS
from markupsafe import Markup

from tidings.render.absence import Missing, is_nothing, is_something
from tidings.render.formats import (
    MOST_DECIMALS,
    currency_text,
    date_text,
    datetime_text,
    exact_number,
    number_text,
    percent_text,
    plural,
    relative_text,
    time_text,
)
from tidings.render.limits import BUDGET, check_length

SAFE_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
"""What a link in a message may lead to."""

_SCHEME: Final = re.compile(r"([^/?#:]*):")


def url(value: Any) -> str:
    """Let through a link to the web, an address or a telephone; raise ValueError on any other scheme."""
    text = "".join(character for character in str(value).strip() if character > " " and character != "\x7f")
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in SAFE_SCHEMES:
        raise ValueError(f"a link may begin with {', '.join(sorted(SAFE_SCHEMES))}, not with {scheme[1][:20]!r}")
    return text


def lookup(entries: Iterable[Any], key: str, wanted: Any) -> Any:
    """Return the first entry of a list whose ``key`` equals a value, or what stands for an absent field."""
    for entry in entries:
        if isinstance(entry, Mapping) and entry.get(key) == wanted and not is_nothing(wanted):
            return entry
    return Missing(name=f"entry with {key} = {_shown(wanted)}")


def default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:  # noqa: FBT001, FBT002 (the signature of Jinja's own filter)
    """Return the fallback for a value that is absent or null; with ``boolean``, for an empty one too."""
    return fallback if is_nothing(value) or (boolean and not value) else value


@pass_context
def replace(context: Context, text: Any, old: str, new: str) -> Any:
    """Replace every ``old`` by ``new``, escaping as the surroundings ask."""
    whole = str(text)
    length = len(whole) + (whole.count(str(old)) * len(str(new))) * 6
    check_length(length)
    context[BUDGET].spend(characters=length)
    return text.replace(old, new) if isinstance(text, Markup) else whole.replace(str(old), str(new))


def round_number(value: Any, precision: int = 0) -> float | int:
    """Round to so many decimals."""
    places = min(max(int(precision), 0), MOST_DECIMALS)
    exact = float(exact_number(value))
    return do_round(exact, places) if places else int(do_round(exact))


@pass_context
def join(context: Context, entries: Iterable[Any], between: str = "") -> Any:
    """Join the texts of a list."""
    texts = [entry if isinstance(entry, Markup) else str(entry) for entry in entries]
    length = sum(map(len, texts)) + len(texts) * len(str(between))
    check_length(length)
    context[BUDGET].spend(characters=length)
    return between.join(texts)


def _shown(value: Any) -> str:
    return "nothing" if is_nothing(value) else repr(value)[:40]


_KEPT_FILTERS: Final = (
    "abs", "capitalize", "count", "dictsort", "e", "escape", "first", "float", "groupby", "int", "items", "last",
    "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort",
    "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode",
)  # fmt: skip
_KEPT_TESTS: Final = (
    "!=", "<", "<=", "==", ">", ">=", "boolean", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt",
    "greaterthan", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "number", "odd",
    "sequence", "string", "true", "upper",
)  # fmt: skip


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: cast("Callable[..., Any]", JINJA_FILTERS[name]) for name in _KEPT_FILTERS},
    "currency": currency_text,
    "d": default,
    "date": date_text,
    "datetime": datetime_text,
    "default": default,
    "join": join,
    "lookup": lookup,
    "number": number_text,
    "percent": percent_text,
    "plural": plural,
    "relative": relative_text,
    "replace": replace,
    "round": round_number,
    "time": time_text,
    "url": url,
}
"""Every filter there is, by name. What escapes escaping (``safe``) or the sandbox (``attr``) is left out."""

TESTS: Final[dict[str, Callable[..., Any]]] = {
    name: cast("Callable[..., Any]", JINJA_TESTS[name]) for name in _KEPT_TESTS
}
"""Every test there is, by name. Null and absent are the same."""
TESTS.update(defined=is_something, none=is_nothing, undefined=is_nothing)
