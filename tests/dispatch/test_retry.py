"""When the next attempt is due: a pure function with laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.dispatch import SCHEDULES, RetryPolicy, next_attempt
from tidings.dispatch.retry import policy_for
from tidings.model import Channel, Endpoint

NOW = 1_700_000_000_000
JITTER = st.floats(0, 1)
ATTEMPTS = st.integers(1, 20)


def test_webhooks_follow_the_standard_webhooks_schedule() -> None:
    policy = SCHEDULES[Channel.WEBHOOK]
    waits = [next_attempt(policy, number, now=0, jitter=0) for number in range(1, 11)]
    assert waits == [
        5_000,
        300_000,
        1_800_000,
        7_200_000,
        18_000_000,
        36_000_000,
        50_400_000,
        72_000_000,
        86_400_000,
        None,
    ]


@pytest.mark.parametrize(
    ("rule", "endpoint", "pauses"),
    [(None, None, (7,)), (None, (2, 3), (2, 3)), ((1,), None, (1,)), ((1,), (2, 3), (1,))],
)
def test_a_rules_pauses_go_before_the_endpoints_and_these_before_the_channels(
    rule: tuple[int, ...] | None, endpoint: tuple[int, ...] | None, pauses: tuple[int, ...]
) -> None:
    channels = RetryPolicy(pauses=(7,), spread=0.5, longest_wait=9)
    crm = Endpoint(org_id=1, name="crm", url="https://crm.example.com/", secrets=(), retry=endpoint)
    assert policy_for(channels, crm, rule) == RetryPolicy(pauses=pauses, spread=0.5, longest_wait=9)
    assert policy_for(channels, None, rule).pauses == (rule or (7,))


@given(ATTEMPTS, JITTER, st.one_of(st.none(), st.integers(0, 10**9)))
def test_jitter_only_adds_and_a_wish_is_never_undercut(attempts: int, jitter: float, asked: int | None) -> None:
    policy = SCHEDULES[Channel.WEBHOOK]
    due = next_attempt(policy, attempts, now=NOW, jitter=jitter, retry_after_ms=asked)
    if attempts > len(policy.pauses):
        assert due is None
    else:
        assert due is not None
        assert due >= NOW + max(policy.pauses[attempts - 1], min(asked or 0, policy.longest_wait))


def test_a_wish_beyond_the_policy_is_cut_to_its_longest_wait() -> None:
    policy = RetryPolicy(pauses=(1_000,), longest_wait=60_000)
    assert next_attempt(policy, 1, now=NOW, jitter=0, retry_after_ms=10**12) == NOW + 60_000
