"""Quiet hours and times of day on ordinary days, and on those whose clocks go forward, go back, or skip a day."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.model import QuietHours
from tidings.rules.hours import next_time, quiet_until

BERLIN, NEW_YORK, KOLKATA = "Europe/Berlin", "America/New_York", "Asia/Kolkata"
LORD_HOWE, APIA = "Australia/Lord_Howe", "Pacific/Apia"
ZONES = (BERLIN, NEW_YORK, KOLKATA, LORD_HOWE, APIA, "UTC", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo")
MINUTE = 60_000


def ms(text: str) -> int:
    """Read a moment, in UTC unless it says otherwise."""
    read = datetime.fromisoformat(text)
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)


def clock(text: str) -> time:
    return time.fromisoformat(text)


def hours(text: str) -> QuietHours:
    start, _, end = text.partition("-")
    return QuietHours(start=clock(start), end=clock(end))


def iso(moment: int | None, zone: str) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).isoformat()


@pytest.mark.parametrize(
    ("zone", "quiet", "now", "until"),
    [
        pytest.param(KOLKATA, "21:00-08:00", "2026-06-01T20:59:59.999+05:30", None, id="just before"),
        pytest.param(KOLKATA, "21:00-08:00", "2026-06-01T21:00+05:30", "2026-06-02T08:00:00+05:30", id="first moment"),
        pytest.param(KOLKATA, "21:00-08:00", "2026-06-02T07:59:59.999+05:30", "2026-06-02T08:00:00+05:30", id="last"),
        pytest.param(KOLKATA, "21:00-08:00", "2026-06-02T08:00+05:30", None, id="just after"),
        pytest.param(KOLKATA, "12:00-14:00", "2026-06-02T13:00+05:30", "2026-06-02T14:00:00+05:30", id="by day"),
        pytest.param(KOLKATA, "09:00-09:00", "2026-06-02T09:00+05:30", None, id="none"),
        pytest.param(BERLIN, "21:00-02:30", "2026-03-29T01:30+01:00", "2026-03-29T03:00:00+02:00", id="end skipped"),
        pytest.param(BERLIN, "02:30-08:00", "2026-03-29T01:59+01:00", None, id="before a begin that is skipped"),
        pytest.param(BERLIN, "02:30-08:00", "2026-03-29T03:00+02:00", "2026-03-29T08:00:00+02:00", id="begin skipped"),
        pytest.param(BERLIN, "02:10-02:50", "2026-03-29T03:00+02:00", None, id="all skipped"),
        pytest.param(BERLIN, "21:00-02:30", "2026-10-25T02:15+02:00", "2026-10-25T02:30:00+01:00", id="end twice"),
        pytest.param(BERLIN, "21:00-02:30", "2026-10-25T02:45+02:00", "2026-10-25T02:30:00+01:00", id="between ends"),
        pytest.param(BERLIN, "21:00-02:30", "2026-10-25T02:30+01:00", None, id="after the second end"),
        pytest.param(BERLIN, "02:30-08:00", "2026-10-25T02:30+02:00", "2026-10-25T08:00:00+01:00", id="begin twice"),
        pytest.param(NEW_YORK, "22:00-02:30", "2026-03-08T01:00-05:00", "2026-03-08T03:00:00-04:00", id="New York"),
        pytest.param(
            LORD_HOWE, "22:00-02:15", "2026-10-04T01:00+10:30", "2026-10-04T02:30:00+11:00", id="half an hour"
        ),
        pytest.param(LORD_HOWE, "22:00-01:45", "2026-04-05T01:30+11:00", "2026-04-05T01:45:00+10:30", id="half back"),
        pytest.param(APIA, "21:00-08:00", "2011-12-29T22:00-10:00", "2011-12-31T08:00:00+14:00", id="a day skipped"),
    ],
)
def test_quiet_hours_end_when_the_clock_says(zone: str, quiet: str, now: str, until: str | None) -> None:
    assert iso(quiet_until(ms(now), hours(quiet), ZoneInfo(zone)), zone) == until


@pytest.mark.parametrize(
    ("zone", "at", "after", "moment"),
    [
        pytest.param(KOLKATA, "09:00", "2026-06-01T09:00+05:30", "2026-06-01T09:00:00+05:30", id="now"),
        pytest.param(KOLKATA, "09:00", "2026-06-01T09:00:00.001+05:30", "2026-06-02T09:00:00+05:30", id="tomorrow"),
        pytest.param(BERLIN, "02:30", "2026-03-29T00:00+01:00", "2026-03-29T03:00:00+02:00", id="skipped"),
        pytest.param(BERLIN, "02:30", "2026-10-25T00:00+02:00", "2026-10-25T02:30:00+02:00", id="the first of two"),
        pytest.param(BERLIN, "02:30", "2026-10-25T02:45+02:00", "2026-10-26T02:30:00+01:00", id="a day has one"),
        pytest.param(APIA, "09:00", "2011-12-29T10:00-10:00", "2011-12-31T09:00:00+14:00", id="a day skipped"),
    ],
)
def test_a_time_of_day_comes_once_a_day(zone: str, at: str, after: str, moment: str) -> None:
    assert iso(next_time(ms(after), clock(at), ZoneInfo(zone)), zone) == moment


MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)).map(lambda each: ms(each.isoformat()))  # noqa: DTZ001 (read as UTC)
CLOCKS = st.times().map(lambda each: each.replace(second=0, microsecond=0))


@given(MOMENTS, CLOCKS, CLOCKS, st.sampled_from(ZONES))
def test_whenever_the_clock_on_the_wall_is_within_quiet_hours_they_hold(
    now: int, start: time, end: time, zone: str
) -> None:
    """The wall's clock is the law: told here another way, without intervals."""
    quiet = QuietHours(start=start, end=end)
    wall = datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).time()
    on_the_wall = start <= wall < end if start <= end else wall >= start or wall < end
    until = quiet_until(now, quiet, ZoneInfo(zone))
    assert until is not None or not on_the_wall
    if until is not None:
        assert quiet_until(until, quiet, ZoneInfo(zone)) is None
        # A night ends when its clock shows the end; only clocks that change make it longer, by at most a day.
        assert now < until <= now + int(timedelta(days=2).total_seconds() * 1000)


@given(MOMENTS, CLOCKS, st.sampled_from(ZONES))
def test_the_next_time_is_not_before_and_within_two_days(after: int, at: time, zone: str) -> None:
    moment = next_time(after, at, ZoneInfo(zone))
    assert after <= moment <= after + 49 * 60 * MINUTE
