"""What a template can do to a value. Only these filters and tests exist; none reads a clock, a file or a setting.

Dates and numbers are written in one fixed English form for now, whatever the locale.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.filters import do_round
from jinja2.runtime import Context
from jinja2.tests import TESTS as JINJA_TESTS
from markupsafe import Markup

from tidings.render.absence import Missing, is_nothing, is_something
from tidings.render.limits import check_length

SAFE_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
"""What a link in a message may lead to."""

_SCHEME: Final = re.compile(r"([^/?#:]*):")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_GREATEST: Final = Decimal(10) ** 24
_MOST_DECIMALS: Final = 12


def number(value: Any, decimals: int | None = None) -> str:
    """Write a number, or a text that holds one, with thousands: ``1,234.5``.

    Without ``decimals`` up to two are shown, as many as it takes; with it, exactly that many. Halves round up.
    """
    exact = _decimal(value)
    places = 2 if decimals is None else min(max(int(decimals), 0), _MOST_DECIMALS)
    text = f"{exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):,f}"
    if decimals is None and "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@pass_context
def date_text(context: Context, value: Any, style: str = "long") -> str:
    """Write the date of epoch milliseconds or of a text: ``19 June 2023``; see ``_DATE_STYLES`` for the styles.

    A date or time without a zone is taken as it stands; an instant is shown in the contact's zone, then the brand's.
    """
    if style not in _DATE_STYLES:
        raise ValueError(f"date knows {', '.join(_DATE_STYLES)}, not {style!r}")
    return _DATE_STYLES[style](_moment(context, value))


@pass_context
def time_text(context: Context, value: Any) -> str:
    """Write the time of day: ``14:05``, in the zone that ``date`` uses."""
    return f"{_moment(context, value):%H:%M}"


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


def replace(text: Any, old: str, new: str) -> Any:
    """Replace every ``old`` by ``new``, escaping as the surroundings ask."""
    whole = str(text)
    check_length(len(whole) + (whole.count(str(old)) * len(str(new))) * 6)
    return text.replace(old, new) if isinstance(text, Markup) else whole.replace(str(old), str(new))


def round_number(value: Any, precision: int = 0) -> float | int:
    """Round to so many decimals."""
    places = min(max(int(precision), 0), _MOST_DECIMALS)
    return do_round(float(_decimal(value)), places) if places else int(do_round(float(_decimal(value))))


def join(entries: Iterable[Any], between: str = "") -> Any:
    """Join the texts of a list."""
    texts = [entry if isinstance(entry, Markup) else str(entry) for entry in entries]
    check_length(sum(map(len, texts)) + len(texts) * len(str(between)))
    return between.join(texts)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004 (every refusal of a value is one type)
    text = str(value).strip()
    try:
        exact = Decimal(text)
    except DecimalException:
        raise ValueError(f"{text[:40]!r} is not a number") from None
    if not exact.is_finite() or abs(exact) >= _GREATEST:
        raise ValueError(f"{text[:40]!r} is not a number that can be written out")
    return exact


def _moment(context: Context, value: Any) -> datetime:
    """Return the local moment that a value tells of; a bare date is its midnight."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _epoch(value).astimezone(_zone(context))
    text = str(value).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is not a date (YYYY-MM-DD, with or without a time, or epoch milliseconds)"
        ) from None
    return moment.astimezone(_zone(context)) if moment.tzinfo else moment


def _epoch(milliseconds: float) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        raise ValueError(f"{milliseconds!r} is not a time in epoch milliseconds") from None


def _zone(context: Context) -> ZoneInfo:
    """Return the contact's time zone, then the brand's, then UTC; a name that is no zone counts as none."""
    for holder in (context.get("contact"), context.get("brand")):
        name = holder.get("time_zone") if isinstance(holder, Mapping) else None
        if isinstance(name, str) and name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return ZoneInfo("UTC")


def _shown(value: Any) -> str:
    return "nothing" if is_nothing(value) else repr(value)[:40]


def _iso(moment: date) -> str:
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"


def _medium(moment: date) -> str:
    return f"{moment.day} {_MONTHS[moment.month - 1][:3]} {moment.year}"


def _long(moment: date) -> str:
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def _full(moment: date) -> str:
    return f"{_DAYS[moment.weekday()]}, {_long(moment)}"


_DATE_STYLES: Final[Mapping[str, Callable[[date], str]]] = {
    "iso": _iso,
    "medium": _medium,
    "long": _long,
    "full": _full,
}

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
    "d": default,
    "date": date_text,
    "default": default,
    "join": join,
    "lookup": lookup,
    "number": number,
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
