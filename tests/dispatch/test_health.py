"""An endpoint's health over days, and what the store is told of it."""

from tidings.dispatch.health import EndpointHealth, url_digest
from tidings.store import EndpointState

NOW = 1_700_000_000_000
DAY = 86_400_000
URL = "https://crm.example.com/hooks?token=example"


def test_a_flicker_is_not_written_down() -> None:
    health = EndpointHealth(50750, "crm")
    health.failed(NOW)
    assert health.to_store(NOW + 59_999) is None
    health.succeeded()
    assert health.to_store(NOW + DAY) is None


def test_a_lasting_run_of_failures_is_written_once_and_so_is_its_end() -> None:
    health = EndpointHealth(50750, "crm")
    health.failed(NOW)
    state = health.to_store(NOW + 60_000)
    assert state == EndpointState(org_id=50750, name="crm", failing_since=NOW)
    health.kept(state)
    health.failed(NOW + 70_000)
    assert health.to_store(NOW + 70_000) is None
    health.succeeded()
    assert health.to_store(NOW + 80_000) == EndpointState(org_id=50750, name="crm")


def test_two_that_follow_one_endpoint_agree_on_how_long_it_has_failed() -> None:
    """Neither writes its own word over the other's again and again."""
    one, other = EndpointHealth(50750, "crm"), EndpointHealth(50750, "crm")
    other.failed(NOW + 5)
    one.failed(NOW)
    told = one.to_store(NOW + 70_000)
    assert told is not None
    one.kept(told)
    assert not other.follow(told)
    assert other.failing_since == NOW
    assert other.to_store(NOW + 70_000) is None
    other.succeeded()
    over = other.to_store(NOW + 70_000)
    assert over == EndpointState(org_id=50750, name="crm")
    other.kept(over)
    assert not one.follow(over)
    assert (one.failing_since, one.to_store(NOW + 80_000)) == (None, None)


def test_it_is_worn_out_after_days_of_nothing_but_failures() -> None:
    health = EndpointHealth(50750, "crm")
    for day in range(6):
        health.failed(NOW + day * DAY)
    assert not health.is_worn_out(NOW + 5 * DAY - 1, after=5 * DAY)
    assert health.is_worn_out(NOW + 5 * DAY, after=5 * DAY)
    health.succeeded()
    health.failed(NOW + 6 * DAY)
    assert not health.is_worn_out(NOW + 6 * DAY, after=5 * DAY)


def test_two_failures_far_apart_prove_nothing() -> None:
    health = EndpointHealth(50750, "crm")
    health.failed(NOW)
    health.failed(NOW + 30 * DAY)
    assert not health.is_worn_out(NOW + 30 * DAY, after=5 * DAY)


def test_it_is_disabled_for_one_url_and_survives_a_restart() -> None:
    health = EndpointHealth(50750, "crm")
    health.disable(NOW, "it answered 410 Gone", url=URL)
    state = health.to_store(NOW)
    assert state == EndpointState(
        org_id=50750, name="crm", disabled_at=NOW, reason="it answered 410 Gone", url_digest=url_digest(URL)
    )
    again = EndpointHealth(50750, "crm", state)
    assert (again.disabled_at, again.was_disabled_at(URL), again.was_disabled_at(URL + "2")) == (NOW, True, False)
    again.enable()
    assert again.to_store(NOW) == EndpointState(org_id=50750, name="crm")


def test_the_digest_of_a_url_gives_none_of_it_away() -> None:
    assert "token" not in url_digest(URL)
    assert url_digest(URL) != url_digest(URL + "2")
