"""The circuit breaker: when it opens, how it probes, what closes it."""

from hypothesis import given
from hypothesis import strategies as st

from tidings.dispatch import BreakerSettings, BreakerState, CircuitBreaker

NOW = 1_700_000_000_000
SETTINGS = BreakerSettings()


def tripped(settings: BreakerSettings = SETTINGS) -> CircuitBreaker:
    breaker = CircuitBreaker(settings)
    for _ in range(settings.minimum):
        breaker.failed(NOW, probe=False)
    return breaker


def test_a_run_of_failures_opens_it_whatever_went_before() -> None:
    breaker = CircuitBreaker(SETTINGS)
    for _ in range(1000):
        breaker.succeeded(NOW)
    for _ in range(9):
        breaker.failed(NOW, probe=False)
    assert (breaker.state, breaker.wait_until(NOW)) == (BreakerState.CLOSED, None)
    breaker.failed(NOW, probe=False)
    assert (breaker.state, breaker.wait_until(NOW)) == (BreakerState.OPEN, NOW + 30_000)


def test_seven_in_ten_within_the_window_open_it() -> None:
    breaker = CircuitBreaker(SETTINGS)
    for number in range(9):
        (breaker.succeeded(NOW) if number % 3 == 0 else breaker.failed(NOW, probe=False))
    assert breaker.wait_until(NOW) is None
    breaker.failed(NOW, probe=False)
    assert breaker.state is BreakerState.OPEN


def test_failures_that_have_left_the_window_do_not_count() -> None:
    breaker = CircuitBreaker(SETTINGS)
    breaker.succeeded(NOW)
    for _ in range(7):
        breaker.failed(NOW, probe=False)
    breaker.succeeded(NOW + 60_000)
    for _ in range(2):
        breaker.failed(NOW + 60_000, probe=False)
    assert breaker.state is BreakerState.CLOSED


def test_one_delivery_probes_and_its_success_closes() -> None:
    breaker = tripped()
    later = NOW + 30_000
    assert breaker.wait_until(later) is None
    assert breaker.start()
    assert breaker.wait_until(later) == later + 5_000
    breaker.succeeded(later + 10)
    assert (breaker.state, breaker.wait_until(later + 10), breaker.start()) == (BreakerState.CLOSED, None, False)


def test_each_failed_probe_doubles_the_pause_to_its_longest() -> None:
    breaker = tripped()
    now, pauses = NOW, []
    for _ in range(6):
        again = breaker.wait_until(now)
        assert again is not None
        pauses.append((again - now) // 1000)
        now = again
        breaker.start()
        breaker.failed(now, probe=True)
    assert pauses == [30, 60, 120, 240, 300, 300]


def test_stragglers_neither_prolong_the_pause_nor_end_the_probe() -> None:
    breaker = tripped()
    breaker.failed(NOW + 29_000, probe=False)
    assert breaker.wait_until(NOW + 30_000) is None
    breaker.start()
    breaker.failed(NOW + 30_001, probe=False)
    assert breaker.state is BreakerState.PROBING


def test_a_probe_that_was_never_sent_makes_way_for_another() -> None:
    breaker = tripped()
    breaker.start()
    breaker.abandon_probe()
    assert (breaker.state, breaker.wait_until(NOW + 30_000)) == (BreakerState.OPEN, None)


@given(st.lists(st.tuples(st.integers(0, 40_000), st.booleans()), max_size=200))
def test_it_never_keeps_back_for_longer_than_its_longest_pause(steps: list[tuple[int, bool]]) -> None:
    """Whatever comes, a closed breaker lets go, an open one names a near time, and one probe is under way at most."""
    breaker = CircuitBreaker(SETTINGS)
    now, probes = NOW, 0
    for gap, works in steps:
        now += gap
        again = breaker.wait_until(now)
        if again is not None:
            assert now < again <= now + 300_000
            continue
        probe = breaker.start()
        probes += probe
        assert probes <= 1
        if works:
            breaker.succeeded(now)
        else:
            breaker.failed(now, probe=probe)
        probes -= probe
        assert len(breaker._buckets) == 10
