"""How many test messages may be sent: so many in any minute, each organisation for itself."""

import pytest

from tidings.authoring.trial import Allowance
from tidings.errors import Overloaded

MINUTE = 60_000


def wait_for(allowance: Allowance, count: int, *, now: int, org_id: int = 1) -> float:
    """Return how long to wait, seconds; 0 when they were let through."""
    try:
        allowance.take(org_id, count, now=now)
    except Overloaded as error:
        return error.retry_after
    return 0


def test_ten_may_go_in_any_minute_and_the_next_is_told_when() -> None:
    allowance = Allowance(10, period=MINUTE)
    assert [wait_for(allowance, 1, now=1_000 * each) for each in range(10)] == [0] * 10
    assert wait_for(allowance, 1, now=10_000) == 50
    assert wait_for(allowance, 2, now=10_000) == 51
    assert wait_for(allowance, 1, now=60_000) == 0
    assert wait_for(allowance, 1, now=60_999) == pytest.approx(0.001)


def test_those_that_do_not_all_fit_use_up_nothing() -> None:
    allowance = Allowance(10, period=MINUTE)
    assert wait_for(allowance, 11, now=0) > 0
    assert wait_for(allowance, 10, now=0) == 0


def test_organisations_do_not_share() -> None:
    allowance = Allowance(10, period=MINUTE)
    assert wait_for(allowance, 10, now=0) == 0
    assert wait_for(allowance, 10, now=0, org_id=2) == 0


def test_a_clock_that_was_put_back_locks_nobody_out() -> None:
    allowance = Allowance(10, period=MINUTE)
    assert wait_for(allowance, 10, now=10 * MINUTE) == 0
    assert wait_for(allowance, 10, now=0) == 0
