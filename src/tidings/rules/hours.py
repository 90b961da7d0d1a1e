"""Wall clocks: until when a customer's night lasts, and when it is a time of day again. Times are epoch milliseconds.

Two days a year have no ordinary clock. A time that a day skips is the first moment after the gap. A time that a day
has twice begins something at its first and ends something at its second, so that quiet hours cover both. A day that a
zone skips altogether (as when it moves across the date line) has no times.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from tidings.model import QuietHours

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)
_SECOND_MS: Final = 1_000
_LONGEST_SEARCH: Final = 4
"""Days to look at for a time of day: more than any zone has skipped in a row."""
_REMEMBERED: Final = 4_096
"""How many times of day are worked out but once: messages come by the thousand for the same night."""


def quiet_until(now: int, quiet: QuietHours, zone: tzinfo) -> int | None:
    """Return when the quiet hours that ``now`` falls in are over, or None outside them.

    Hours that begin when they end are none. Nights that touch, as at a skipped day, are one.
    """
    end = now
    while (later := max(_ends(end, quiet, zone), default=None)) is not None:
        end = later
    return end if end > now else None


def next_time(after: int, clock: time, zone: tzinfo) -> int:
    """Return the first moment, not before ``after``, at which clocks in the zone show a time of day."""
    today = _local(after, zone).date()
    for offset in range(_LONGEST_SEARCH):
        day = today + offset * _DAY
        moment = _first(day, clock, zone)
        if moment >= after and _local(moment, zone).date() == day:
            return moment
    raise ValueError(f"{zone} shows no {clock} for {_LONGEST_SEARCH} days from {today}")


def zone_named(name: str | None) -> ZoneInfo | None:
    """Return a time zone by its IANA name, or None for no name and for what is no zone."""
    try:
        return ZoneInfo(name) if name else None
    except (LookupError, ValueError, OSError):
        return None


def clock_at(moment: int, zone: tzinfo) -> str:
    """Write the time of day at a moment, such as ``08:00``."""
    return f"{_local(moment, zone):%H:%M}"


def _ends(moment: int, quiet: QuietHours, zone: tzinfo) -> Iterator[int]:
    """Yield the ends of the nights that a moment falls in. Clocks that go back may repeat the end of a day."""
    today = _local(moment, zone).date()
    for day in (today - _DAY, today, today + _DAY):
        begin, end = _night(day, quiet, zone)
        if begin <= moment < end:
            yield end


@lru_cache(maxsize=_REMEMBERED)
def _night(day: date, quiet: QuietHours, zone: tzinfo) -> tuple[int, int]:
    """Return the begin and the end of the quiet hours that begin on a day."""
    last = day if quiet.start <= quiet.end else day + _DAY
    return _first(day, quiet.start, zone), _last(last, quiet.end, zone)


@lru_cache(maxsize=_REMEMBERED)
def _first(day: date, clock: time, zone: tzinfo) -> int:
    early, late = _both(day, clock, zone)
    return early if early <= late else _after_gap(late, early, zone)


def _last(day: date, clock: time, zone: tzinfo) -> int:
    early, late = _both(day, clock, zone)
    return late if early <= late else _after_gap(late, early, zone)


def _both(day: date, clock: time, zone: tzinfo) -> tuple[int, int]:
    """Return a wall time read by the offset before a change of clocks, and by the one after it; mostly the same.

    The first is the earlier one where the time is there twice, and the later one where it is skipped.
    """
    wall = datetime.combine(day, clock, tzinfo=zone)
    return _milliseconds(wall.replace(fold=0)), _milliseconds(wall.replace(fold=1))


def _after_gap(before: int, after: int, zone: tzinfo) -> int:
    """Return the moment between two at which the clocks go forward; they do so at whole seconds."""
    old = _local(before, zone).utcoffset()
    low, high = before // _SECOND_MS, -(-after // _SECOND_MS)
    while high - low > 1:
        middle = (low + high) // 2
        if _local(middle * _SECOND_MS, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high * _SECOND_MS


def _local(moment: int, zone: tzinfo) -> datetime:
    return (_EPOCH + moment * _MILLISECOND).astimezone(zone)


def _milliseconds(when: datetime) -> int:
    return (when.astimezone(UTC) - _EPOCH) // _MILLISECOND
