"""Reads the moments that events carry: epoch milliseconds, dates, and dates with a time.

Text without a zone of its own is taken in the zone given. A bare date means the end of that day there: the
last millisecond before the next day begins, however long the day is.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

from tidings.expressions.errors import Fault, InvalidValue
from tidings.expressions.functions import wrong_type
from tidings.expressions.values import NUMERIC

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?\ ?(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII
)
EXPECTED: Final = "write epoch milliseconds, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, or ISO 8601 with a zone"


def moment(function: str, value: Any, zone: tzinfo) -> int:
    """Return epoch milliseconds; raise Fault on anything that is no moment."""
    if value.__class__ in NUMERIC:
        return _whole(function, value)
    if value.__class__ is not str:
        raise wrong_type(function, value, "a number or text")
    try:
        return _from_text(value.strip(), zone)
    except (ValueError, OverflowError):
        raise Fault(InvalidValue, f"{function}() cannot read {value[:40]!r} as a time", hint=EXPECTED) from None


def _whole(function: str, value: float) -> int:
    if not math.isfinite(value):
        raise Fault(InvalidValue, f"{function}() takes a finite number of milliseconds", hint=EXPECTED)
    return math.floor(value)


def _from_text(text: str, zone: tzinfo) -> int:
    if DATE.fullmatch(text):
        return _end_of_day(text, zone)
    if not MOMENT.fullmatch(text):
        raise ValueError(text)
    read = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
    return _milliseconds(read if read.tzinfo else read.replace(tzinfo=zone))


@lru_cache(maxsize=1024)
def _end_of_day(text: str, zone: tzinfo) -> int:
    """Return the end of a day; the events of a campaign mostly carry one of a few."""
    following = date.fromisoformat(text) + timedelta(days=1)
    return _milliseconds(datetime(following.year, following.month, following.day, tzinfo=zone)) - 1


def _milliseconds(when: datetime) -> int:
    return (when.astimezone(UTC) - EPOCH) // MILLISECOND
