"""The rate limiter, bookings and pace: laws over any sequence of arrivals."""

from hypothesis import given
from hypothesis import strategies as st

from tidings.dispatch import RateLimiter
from tidings.dispatch.limits import Bookings, Pace
from tidings.model import Rate

NOW = 1_700_000_000_000
RATES = st.builds(Rate, count=st.integers(1, 5_000), seconds=st.sampled_from([1.0, 60.0, 3600.0]))
GAPS = st.lists(st.integers(0, 3_000), min_size=1, max_size=300)


@given(RATES, GAPS)
def test_in_no_stretch_of_its_time_do_more_go_than_the_rate_says(rate: Rate, gaps: list[int]) -> None:
    limiter = RateLimiter(rate)
    sent: list[int] = []
    now = NOW
    for gap in gaps:
        now = limiter.next_slot(now + gap)
        limiter.take(now)
        sent.append(now)
    stretch = int(rate.seconds * 1000)
    for first, later in zip(sent, sent[rate.count :], strict=False):
        assert later - first >= stretch


@given(RATES)
def test_who_waits_for_each_slot_gets_the_whole_rate(rate: Rate) -> None:
    limiter = RateLimiter(rate)
    now = NOW
    for _ in range(rate.count):
        now = limiter.next_slot(now)
        limiter.take(now)
    # Rounding up costs less than a microsecond a send.
    assert now - NOW <= rate.seconds * 1000 + rate.count / 1000 + 1


@given(RATES)
def test_an_idle_limiter_lets_one_go_at_once(rate: Rate) -> None:
    limiter = RateLimiter(rate)
    limiter.take(limiter.next_slot(NOW))
    later = NOW + int(rate.seconds * 1000)
    assert limiter.next_slot(later) == later


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 10**7)), max_size=100))
def test_a_booked_time_is_never_early_and_spaced_from_the_one_before(wishes: list[tuple[int, int]]) -> None:
    bookings = Bookings()
    given_: list[tuple[int, int]] = []
    for earliest, interval in wishes:
        at = bookings.book(earliest=NOW + earliest, interval=interval)
        assert at >= NOW + earliest
        if given_:
            before, spacing = given_[-1]
            assert at >= before + spacing // 1000 - 1
        given_.append((at, interval))
    if given_:
        assert bookings.reach_beyond(NOW)
    bookings.clear()
    assert not bookings.reach_beyond(NOW)


def test_the_pace_follows_answers_and_what_hangs() -> None:
    pace = Pace()
    for _ in range(100):
        pace.record(200)
    assert 199 < pace.milliseconds() <= 200
    assert pace.milliseconds(waited=900) == pace.milliseconds()
    assert pace.milliseconds(waited=15_000) == 15_000
