"""Mistakes that peers made in delivering, and the test that keeps each out of here; some of the tests are below."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from channels_kit import SECRET
from dispatch_kit import all_in, dispatching, open_desk, quick, rulebook
from gateway_kit import CRM_SECRET, eventually, open_test_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from sink_kit import Reply, http_sink
from tidings.dispatch import SCHEDULES
from tidings.events import convert_one, sample
from tidings.gateway.v1.delivery_service_pb2 import GetDeliveryResponse
from tidings.model import Channel, State

TESTS = Path(__file__).parent.parent

COVERED: Final[Mapping[str, Sequence[str]]] = {
    "a retry comes earlier than Retry-After asks": (
        "dispatch/test_dispatcher_limits.py::test_an_endpoint_that_asks_for_a_pause_gets_it_and_never_earlier",
        "dispatch/test_retry.py::test_jitter_only_adds_and_a_wish_is_never_undercut",
        "channels/test_answers.py::test_a_date_in_retry_after_is_never_early",
    ),
    "429 is not tried again": (
        "dispatch/test_dispatcher_limits.py::test_an_endpoint_that_asks_for_a_pause_gets_it_and_never_earlier",
    ),
    "4xx is tried again for ever": ("system/test_peer_mistakes.py::test_an_answer_that_is_final_ends_the_delivery",),
    "a redirect is followed to a private address": (
        "channels/test_webhook_channel.py::test_a_redirect_to_a_private_address_is_not_followed",
    ),
    "a private address is reached by a name": (
        "channels/test_webhook_channel.py::test_a_name_that_leads_inside_is_refused",
        "dispatch/test_names_that_move.py::test_a_name_that_leads_inside_at_the_second_attempt_is_refused",
    ),
    "3xx counts as success": ("system/test_peer_mistakes.py::test_an_answer_that_is_final_ends_the_delivery",),
    "410 does not end the endpoint": (
        "dispatch/test_dispatcher_endings.py::test_an_endpoint_that_is_gone_is_disabled_at_once_and_for_good",
    ),
    "a rate limit is stored and never enforced": (
        "dispatch/test_dispatcher_limits.py::test_a_rate_limit_is_enforced_not_only_stored",
        "system/test_endpoints.py::test_a_rate_in_the_rulebook_is_kept",
    ),
    "nothing can be done with what died": (
        "system/test_hands_on.py::test_a_dead_delivery_is_retried_by_name_and_arrives_under_its_id",
        "system/test_hands_on.py::test_all_that_died_are_retried_by_what_they_have_in_common",
    ),
    "the documented schedule is not the one that is kept": (
        "system/test_peer_mistakes.py::test_the_documented_schedule_is_the_one_that_is_kept",
        "dispatch/test_dispatcher_limits.py::test_an_endpoints_own_schedule_is_kept",
    ),
    "a new Message-ID with each attempt": (
        "channels/test_smtp_channel.py::test_every_attempt_carries_the_same_bytes",
        "system/test_chaos.py::test_kills_at_random_moments_lose_nothing_and_repeat_only_what_was_in_hand",
    ),
    "one bad recipient aborts the rest": ("channels/test_smtp_channel.py::test_one_refused_recipient_harms_no_other",),
    "a refusal by the relay is lost": (
        "channels/test_smtp_channel.py::test_an_answer_decides_what_becomes_of_the_message",
    ),
    "retries come in waves, for nothing spreads them": (
        "system/test_peer_mistakes.py::test_what_failed_together_comes_back_apart",
    ),
    "what waits is lost at a restart": (
        "system/test_kill.py::test_what_was_acknowledged_before_a_kill_is_delivered_after_it",
        "system/test_chaos.py::test_kills_at_random_moments_lose_nothing_and_repeat_only_what_was_in_hand",
    ),
    "one slow or dead receiver holds up the others": (
        "dispatch/test_dispatcher_limits.py::test_a_slow_endpoint_costs_a_fast_one_nothing",
        "system/test_endpoints.py::test_an_endpoint_that_never_answers_delays_no_other",
        "store/test_store_contract_fairness.py::test_a_long_backlog_does_not_delay_a_single_delivery",
    ),
    "the signed time is that of another time zone, or of the first attempt": (
        "channels/test_signature.py::test_the_reference_library_signs_the_same",
        "channels/test_webhook_channel.py::test_every_attempt_has_its_own_time_and_the_same_id",
    ),
    "payloads are kept for ever": (
        "system/test_hands_on.py::test_what_is_past_its_time_is_let_go",
        "store/test_sqlite_purge.py::test_nothing_is_left_of_what_is_past_its_time",
    ),
}
"""Each mistake, as ``folder/file::test``. Daily work at midnight is not here: nothing in delivery runs at an hour."""


@pytest.mark.parametrize("mistake", COVERED)
def test_a_mistake_has_a_test_that_exists(mistake: str) -> None:
    for place in COVERED[mistake]:
        file, _, name = place.partition("::")
        functions = ast.parse((TESTS / file).read_text()).body
        assert name in {each.name for each in functions if isinstance(each, ast.AsyncFunctionDef | ast.FunctionDef)}


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 422])
async def test_an_answer_that_is_final_ends_the_delivery(status: int) -> None:
    """A peer tries 4xx again for ever, another one takes 3xx for success."""
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk, schedules=quick(*[10] * 5)),
    ):
        sink.default = Reply(status=status, headers={"location": sink.url} if status < 400 else {})
        names = await desk.publish(1)
        await all_in(desk, State.DEAD, names)
        _, attempts = await desk.delivery(names[0])
    assert [(each.status_code, each.outcome.value) for each in attempts] == [(status, "refused")]
    assert len(sink.received) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_an_answer_that_may_change_is_asked_for_again(status: int) -> None:
    """A peer never tries 429 again."""
    async with (
        http_sink(SECRET) as sink,
        open_desk(rulebook(f"name: crm, url: '{sink.url}'")) as desk,
        dispatching(desk, schedules=quick(10)),
    ):
        sink.script(Reply(status=status))
        names = await desk.publish(1)
        await all_in(desk, State.DELIVERED, names)
    assert len(sink.received) == 2


def test_the_documented_schedule_is_the_one_that_is_kept() -> None:
    """A peer's manual and its code name different pauses."""
    pauses = SCHEDULES[Channel.WEBHOOK].pauses
    units = ((3_600_000, "h"), (60_000, "m"), (1_000, "s"))
    written = [next(f"{pause // unit} {name}" for unit, name in units if pause % unit == 0) for pause in pauses]
    assert ", ".join(written) in (TESTS.parent / "rules" / "README.md").read_text()


async def test_what_failed_together_comes_back_apart(tmp_path: Path) -> None:
    """A peer without jitter sends everything again at one moment."""
    async with http_sink(CRM_SECRET) as sink:
        sink.default = Reply(status=503)
        config = write_config(tmp_path, rules=str(write_rulebook(tmp_path / "rules", crm=sink.url)))
        async with open_test_gateway(config) as gateway:
            names: list[str] = []
            for number in range(8):  # fewer than what opens the breaker
                event = convert_one(sample("pointsIssued")).event
                event.event_id = f"evt-{number}"
                names.extend((await gateway.publish(event)).delivery_ids)

            async def tried() -> list[GetDeliveryResponse] | None:
                found = [await gateway.delivery(name) for name in names]
                return found if all(each.attempts and state_of(each.delivery) == "WAITING" for each in found) else None

            found = await eventually(tried)
    waits = [each.delivery.due_at.ToMilliseconds() - _ended(each) for each in found]
    assert all(5_000 <= wait <= 5_500 for wait in waits)
    assert len(set(waits)) > 4


def _ended(answer: GetDeliveryResponse) -> int:
    last = answer.attempts[-1]
    return last.started_at.ToMilliseconds() + last.duration_ms
