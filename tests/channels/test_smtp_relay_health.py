"""When a relay is set aside, hour by hour."""

import pytest

from tidings.channels.relay_health import HEALTHY, Health, HealthPolicy, after_failure, while_tried

POLICY = HealthPolicy(tolerated=3, first_pause=5.0, longest_pause=60.0, longest_try=30.0)


def test_single_failures_are_borne() -> None:
    health = after_failure(after_failure(HEALTHY, POLICY, now=100.0), POLICY, now=101.0)
    assert health == Health(failures=2)
    assert not health.is_aside(now=101.0)


@pytest.mark.parametrize(
    ("failures", "pause"), [(3, 5.0), (4, 10.0), (5, 20.0), (6, 40.0), (7, 60.0), (8, 60.0), (2_000, 60.0)]
)
def test_each_failed_try_doubles_the_pause_up_to_a_bound(failures: int, pause: float) -> None:
    before = Health(failures=failures - 1, aside_until=90.0)
    assert after_failure(before, POLICY, now=100.0) == Health(failures=failures, aside_until=100.0 + pause)


def test_messages_that_fail_together_count_once() -> None:
    aside = after_failure(Health(failures=2), POLICY, now=100.0)
    for now in (100.0, 101.5, 104.9):
        assert after_failure(aside, POLICY, now=now) == aside


def test_a_relay_is_used_again_when_its_pause_is_over() -> None:
    aside = after_failure(Health(failures=2), POLICY, now=100.0)
    assert [aside.is_aside(now=now) for now in (100.0, 104.9, 105.0)] == [True, True, False]


def test_one_message_tries_a_relay_again_and_the_others_stay_away() -> None:
    tried = while_tried(Health(failures=3, aside_until=105.0), POLICY, now=106.0)
    assert tried == Health(failures=3, aside_until=136.0, is_tried=True)
    assert tried.is_aside(now=107.0)
    assert after_failure(tried, POLICY, now=107.0) == Health(failures=4, aside_until=117.0)


def test_a_try_that_never_ends_does_not_keep_the_relay_aside_for_ever() -> None:
    tried = while_tried(Health(failures=3, aside_until=105.0), POLICY, now=106.0)
    assert not tried.is_aside(now=136.0)


def test_a_relay_in_good_health_is_used_by_all() -> None:
    assert while_tried(Health(failures=2), POLICY, now=100.0) == Health(failures=2)
