"""Dates, times, numbers and plurals as the reader writes them, by Babel.

The words (names of months, plural forms) are those of the template's language, so that a message is in one language;
the region (order of a date, grouping of digits, 12 or 24 hours) is the reader's. A template ``en`` for a reader in
``hi-IN`` writes ``19 June 2023`` and ``12,34,567``. English without a region is international English, not American.
Digits are 0 to 9 in every language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from functools import cache, lru_cache
from typing import Any, Final, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, format_timedelta, get_datetime_format
from babel.numbers import NumberPattern, format_currency, parse_pattern
from jinja2 import pass_context
from jinja2.runtime import Context

FORMATS: Final = "_formats"
"""The name under which a rendering carries its `Formats`; templates may not use names that begin with ``_``."""

DATE_STYLES: Final = ("short", "medium", "long", "full", "iso")
DATETIME_STYLES: Final = ("short", "medium", "long", "full")
TIME_STYLES: Final = ("short", "medium")
"""``medium`` has seconds."""
PLURAL_FORMS: Final = ("zero", "one", "two", "few", "many")
MOST_DECIMALS: Final = 12
_SHORT: Final = 40
"""Characters of a text whose number is remembered."""

_WORLD_ENGLISH: Final = "en_001"
_GREATEST: Final = Decimal(10) ** 24
_NARROW_BLANK: Final = "\u202f"
"""Between a time and its ``pm``, or groups of digits. Old mail programs show a box for it: ``_plain_blanks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """How one reader writes dates and numbers."""

    locale: Locale
    zone: ZoneInfo


def formats_for(template_locale: str, *, reader: str, zones: tuple[str | None, ...]) -> Formats:
    """Return the formats of a template in one language for a reader of another; the first zone that is one counts."""
    return Formats(locale=_locale(template_locale, reader), zone=_zone(zones))


@lru_cache(maxsize=4096)
def _locale(template_locale: str, reader: str) -> Locale:
    language, *rest = template_locale.replace("_", "-").split("-")
    script = next((part.title() for part in rest if len(part) == len("Latn")), "")
    region = _region(reader) or _region(template_locale)
    regional = _known("_".join(filter(None, [language, script, region])))
    if region and regional is not None and regional.territory == region:
        return regional
    own = _known("_".join(filter(None, [language, script])))
    return own if own is not None and language != "en" else Locale.parse(_WORLD_ENGLISH)


def _region(locale: str) -> str:
    return next((part.upper() for part in locale.replace("_", "-").split("-")[1:] if len(part) in {2, 3}), "")


def _known(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag)
    except (UnknownLocaleError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _zone(names: tuple[str | None, ...]) -> ZoneInfo:
    for name in names:
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return ZoneInfo("UTC")


@pass_context
def date_text(context: Context, value: Any, style: str = "long") -> str:
    """Write the date of epoch milliseconds or of a text: ``19 June 2023``; ``iso`` is the same in every language.

    A date or time without a zone is taken as it stands; an instant is shown in the reader's zone.
    """
    check_style("date", style, DATE_STYLES)
    formats = _formats(context)
    moment = _moment(formats, value)
    if style == "iso":
        return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return _day(formats.locale, moment.date(), style)


@pass_context
def time_text(context: Context, value: Any, style: str = "short") -> str:
    """Write the time of day: ``14:05`` or ``2:05 pm``, in the zone that ``date`` uses."""
    check_style("time", style, TIME_STYLES)
    formats = _formats(context)
    return _clock(formats, _moment(formats, value), style)


@pass_context
def datetime_text(context: Context, value: Any, style: str = "long") -> str:
    """Write date and time of day: ``19 June 2023, 14:05``."""
    check_style("datetime", style, DATETIME_STYLES)
    formats = _formats(context)
    moment = _moment(formats, value)
    between = str(get_datetime_format(_style(style), locale=formats.locale)).replace("'", "")
    day = _day(formats.locale, moment.date(), style)
    return between.replace("{0}", _clock(formats, moment, "short")).replace("{1}", day)


@pass_context
def relative_text(context: Context, value: Any, since: Any) -> str:
    """Write how far a time lies from another: ``in 3 days``, ``2 hours ago``; whole days where either is a date."""
    formats = _formats(context)
    moments = [_moment(formats, each) for each in (value, since)]
    whole_days = any(_is_bare_date(each) for each in (value, since))
    later, earlier = (each.replace(tzinfo=None) for each in moments)
    away = later.date() - earlier.date() if whole_days else later - earlier
    granularity: Literal["day", "second"] = "day" if whole_days else "second"
    return format_timedelta(away, granularity=granularity, add_direction=True, locale=formats.locale)


@pass_context
def number_text(context: Context, value: Any, decimals: int | None = None) -> str:
    """Write a number, or a text that holds one: ``1,234.5``.

    Without ``decimals`` up to two are shown, as many as it takes; with it, exactly that many. Halves round up.
    """
    return _written(_formats(context).locale, "number", decimals, rounded(value, 2 if decimals is None else decimals))


@pass_context
def percent_text(context: Context, value: Any, decimals: int | None = None) -> str:
    """Write a share as a percentage: 0.125 is ``13%``, with one decimal ``12.5%``."""
    places = decimals or 0
    return _written(_formats(context).locale, "percent", places, rounded(value, places + 2))


@pass_context
def currency_text(context: Context, value: Any, code: str) -> str:
    """Write an amount of money with the sign of its currency (ISO 4217): ``₹1,234.50``."""
    if code not in currencies():
        raise ValueError(f"{str(code)[:20]!r} is not the code of a currency, such as INR")
    return _plain_blanks(format_currency(exact_number(value), code, locale=_formats(context).locale))


@pass_context
def plural(context: Context, value: Any, *, other: Any, **forms: Any) -> str:
    """Return the words that go with a number in the template's language; ``#`` in them stands for the number.

    ``forms`` are those of `PLURAL_FORMS`. ``zero`` goes with 0 in every language; a form that is not given, or that
    the language lacks, is ``other``.
    """
    if unknown := set(forms).difference(PLURAL_FORMS):
        raise ValueError(f"plural knows {', '.join(PLURAL_FORMS)} and other, not {min(unknown)}")
    exact = exact_number(value)
    form = _plural_form(_formats(context).locale, abs(_plain(exact)))
    words = str(forms.get("zero" if not exact and "zero" in forms else form, other))
    return words.replace("#", number_text(context, exact)) if "#" in words else words


def check_style(name: str, style: object, styles: tuple[str, ...]) -> None:
    """Raise ValueError for a style that a filter does not know."""
    if style not in styles:
        raise ValueError(f"{name} knows {', '.join(styles)}, not {str(style)[:20]!r}")


def exact_number(value: Any) -> Decimal:
    """Return a number, or what a text holds of one, below 10**24; raise ValueError on anything else."""
    if type(value) is int or (type(value) is str and len(value) <= _SHORT):
        return _known_number(value)
    return _number(value)


def _number(value: Any) -> Decimal:
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


def rounded(value: Any, decimals: int) -> Decimal:
    """Return a number with so many decimals, halves away from zero, never minus zero."""
    return _rounded(exact_number(value), min(max(int(decimals), 0), MOST_DECIMALS))


@cache
def currencies() -> frozenset[str]:
    """Return the codes of all currencies."""
    return frozenset(Locale("en").currencies)


# Campaigns write the same days and small numbers again and again, and Babel takes 10 to 30 µs for each.


@lru_cache(maxsize=4096)
def _day(locale: Locale, day: date, style: str) -> str:
    return format_date(day, _style(style), locale=locale)


@lru_cache(maxsize=4096, typed=True)
def _written(locale: Locale, kind: str, decimals: int | None, exact: Decimal) -> str:
    return _plain_blanks(_pattern(locale, kind, decimals).apply(exact, locale, decimal_quantization=False))


@lru_cache(maxsize=4096, typed=True)
def _known_number(value: int | str) -> Decimal:  # no floats: 0.0 and -0.0 are equal, and read differently
    return _number(value)


@lru_cache(maxsize=4096)
def _rounded(exact: Decimal, places: int) -> Decimal:
    """Return a number with so many decimals; those that are equal have equal roundings, never minus zero."""
    exact = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return exact or abs(exact)


@lru_cache(maxsize=4096)
def _plural_form(locale: Locale, exact: Decimal) -> str:
    return locale.plural_form(exact)


@lru_cache(maxsize=1024)
def _pattern(locale: Locale, kind: str, decimals: int | None) -> NumberPattern:
    """Return the locale's pattern with its decimals exchanged for so many, or for up to two."""
    usual = (locale.decimal_formats if kind == "number" else locale.percent_formats)[None].pattern.partition(";")[0]
    last = max(usual.rfind("0"), usual.rfind("#")) + 1
    whole = usual[:last].partition(".")[0]
    places = "##" if decimals is None else "0" * min(max(int(decimals), 0), MOST_DECIMALS)
    return parse_pattern(f"{whole}{'.' if places else ''}{places}{usual[last:]}")


def _plain(exact: Decimal) -> Decimal:
    """Return the number without zeros that say nothing: plural rules look at the decimals shown."""
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize()


def _clock(formats: Formats, moment: datetime, style: str) -> str:
    text = format_time(moment.replace(tzinfo=None), _style(style), locale=formats.locale)
    return _plain_blanks(text)


def _plain_blanks(text: Any) -> str:
    return str(text).replace(_NARROW_BLANK, "\u00a0")


def _style(style: str) -> Literal["full", "long", "medium", "short"]:
    return cast("Literal['full', 'long', 'medium', 'short']", style)


def _formats(context: Context) -> Formats:
    return cast("Formats", context[FORMATS])


def _is_bare_date(value: Any) -> bool:
    return isinstance(value, str) and len(value.strip()) == len("2023-06-19")


def _moment(formats: Formats, value: Any) -> datetime:
    """Return the local moment that a value tells of; a bare date is its midnight."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _epoch(value).astimezone(formats.zone)
    text = str(value).strip()
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(formats.zone) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:40]!r} is not a date (YYYY-MM-DD, with or without a time, or epoch milliseconds)"
        ) from None


def _epoch(milliseconds: float) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        raise ValueError(f"{milliseconds!r} is not a time in epoch milliseconds") from None


def zone_names(context: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the time zones of the contact and of the brand, as far as they are named."""
    holders = (context.get("contact"), context.get("brand"))
    names = [holder.get("time_zone") if isinstance(holder, Mapping) else None for holder in holders]
    return tuple(name if isinstance(name, str) else None for name in names)
