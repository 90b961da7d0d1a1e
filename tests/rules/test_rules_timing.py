"""What rules and brands may say of when and how many, how it is compiled, and every way to say it wrongly."""

from collections import Counter
from datetime import time

import pytest

from rules_kit import BRANDS, ORG, compiled, points_expiring, rule, ruleset, sources
from tidings.expressions import Expression
from tidings.model import Cap
from tidings.rules import CancelOn, Decision, Rollout, Throttle, Timing, Verdict, decide, explain

NOW = 1_768_000_000_000  # 2026-01-09, 23:06:40 UTC; the brand is in Kolkata, where it is 04:36:40 on the 10th
HOUR = 3_600_000
NOTIFY = "notify: [{email: {to: customer, template: reminder}}, {webhook: {to: crm}}]"


def timing(*keys: str) -> Timing:
    (found,) = ruleset(rule("\n".join(("event: pointsExpiryReminder", *keys, NOTIFY)))).rules
    return found.timing


def problems(*keys: str, notify: str = NOTIFY) -> list[str]:
    _, found = compiled(sources(rule("\n".join(("event: pointsExpiryReminder", *keys, notify)))))
    return found


def decided(*keys: str, customer: int | None = 4711) -> Decision:
    rules = ruleset(rule("\n".join(("event: pointsExpiryReminder", *keys, NOTIFY))))
    return decide(rules, points_expiring(customer=customer), now=NOW, event_id="e-1")


def test_a_rule_that_says_nothing_of_time_sends_at_once() -> None:
    assert timing() == Timing()
    assert [each.due_at for each in decided().deliveries] == [NOW, NOW]


def test_every_key_is_compiled() -> None:
    found = timing(
        "urgent: true",
        "delay: 2h",
        'send_at: "09:30"',
        "rollout: 12.5",
        "throttle: {limit: 3, per: 7d, by: brand}",
        "cancel_on: [pointsRedeemed, {event: pointsIssued, when: orgId > `5`}]",
    )
    assert (found.urgent, found.delay, found.send_at) == (True, 2 * HOUR, time(9, 30))
    assert found.rollout == Rollout(percent=12.5, group="one")
    assert found.throttle == Throttle(limit=3, per=7 * 24 * HOUR, by="brand", text="3 in 7d by brand")
    assert found.cancel_on[0] == CancelOn(event="pointsRedeemed")
    assert (found.cancel_on[1].event, str(found.cancel_on[1].when and found.cancel_on[1].when.text)) == (
        "pointsIssued",
        "orgId > `5`",
    )


def test_keys_have_short_forms() -> None:
    assert timing("cancel_on: pointsRedeemed").cancel_on == (CancelOn(event="pointsRedeemed"),)
    assert timing("cancel_on: {event: pointsRedeemed}").cancel_on == (CancelOn(event="pointsRedeemed"),)
    assert timing("rollout: {percent: 5, group: spring}").rollout == Rollout(percent=5, group="spring")
    throttle = timing("throttle: {limit: 1, per: 1h}").throttle
    assert throttle is not None
    assert throttle.by == "customer"
    by = timing("throttle: {limit: 1, per: 1h, by: data.loyaltyProgramId}").throttle
    assert by is not None
    assert isinstance(by.by, Expression)


def test_caps_of_a_brand_are_compiled() -> None:
    brands = BRANDS + "    caps: [{limit: 3, per: 1d, categories: [reminders, offers]}, {limit: 9, per: 7d}]\n"
    found = ruleset("{version: 1, rules: []}", brands).brands[60860].caps
    day = 24 * HOUR
    assert found == (Cap(limit=3, per=day, categories=frozenset({"reminders", "offers"})), Cap(limit=9, per=7 * day))
    assert [[cap.covers(name) for name in ("service", "offers", "news")] for cap in found] == [
        [False, True, False],
        [False, True, True],
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("throttle: {limit: 0, per: 7d}", "4:32: error[invalid-limit]: this is not a limit"),
        ("throttle: {limit: 1, per: week}", "5:31: error[invalid-duration]: this is not a length of time"),
        ("throttle: {limit: 1, per: 32d}", "5:31: error[invalid-duration]"),
        ("throttle: {limit: 1}", "5:15: error[missing-key]: the key 'per' is missing"),
        ("throttle: {limit: 1, per: 1d, by: data.nothing}", "unknown-field"),
        ("rollout: -1", "5:14: error[invalid-rollout]"),
        ("rollout: 100.5", "5:14: error[invalid-rollout]"),
        ("rollout: a quarter", "5:14: error[wrong-type]: this must be a percentage, or {percent: …, group: …}"),
        ("rollout: {percent: 101}", "error[invalid-rollout]"),
        ("rollout: 0", "5:5: warning[no-effect]: a rollout to nobody"),
        ("delay: 0h", "5:12: error[invalid-duration]"),
        ('send_at: "9:00"', "5:14: error[invalid-time]: this is not a time of day"),
        ('send_at: "24:00"', "5:14: error[invalid-time]"),
        ("send_at: 9 am", "5:14: error[invalid-time]"),
        ("send_at: morning", "5:14: error["),
        ("cancel_on: pointRedeemed", "5:16: error[unknown-event]: there is no event 'pointRedeemed' (did you mean"),
        ("cancel_on: [pointsRedeemed, {event: nothing}]", "error[unknown-event]: there is no event 'nothing'"),
        ("cancel_on: {event: pointsRedeemed, when: data.nothing == `1`}", "error[unknown-field]"),
        ("cancel_on: []", "5:16: error[invalid-value]: this must not be an empty list"),
        ("urgent: yes please", "5:13: error[wrong-type]: this must be true or false, not a text"),
    ],
)
def test_each_mistake_is_told_at_its_place(line: str, problem: str) -> None:
    (found,) = problems(line)
    assert problem.removeprefix("4:32: ") in found


def test_urgent_without_an_email_to_customers_has_no_effect() -> None:
    (found,) = problems(
        "urgent: true", notify="notify: [{email: {to: brand, template: reminder}}, {webhook: {to: crm}}]"
    )
    assert "5:5: warning[no-effect]: the rule sends no e-mail to customers" in found
    assert problems("urgent: true", "delay: 1h") == []


# Rollout


def takes_in(percent: float, *, group: str = "one") -> set[int]:
    rollout = Rollout(percent=percent, group=group)
    return {customer for customer in range(4_000) if rollout.includes(ORG, str(customer))}


def test_a_rollout_takes_its_share_and_a_larger_one_takes_those_as_well() -> None:
    small, large = takes_in(10), takes_in(40)
    assert small < large
    assert (300 < len(small) < 500, 1_480 < len(large) < 1_720) == (True, True)
    assert (takes_in(0), takes_in(100)) == (set(), set(range(4_000)))


def test_rules_take_customers_of_their_own_unless_they_share_a_group() -> None:
    assert takes_in(50) == takes_in(50)
    shared = takes_in(50) & takes_in(50, group="other")
    assert 850 < len(shared) < 1_150


def test_a_rollout_is_the_same_on_every_machine() -> None:
    """A customer must not move in or out of a rollout with a release: this is how it always was."""
    rollout = Rollout(percent=50, group="points-expiring-soon")
    assert "".join("x" if rollout.includes(ORG, str(each)) else "." for each in range(16)) == PICKED


PICKED = ".x.xxx...xx.x..x"


def test_who_is_left_out_gets_nothing_and_is_told_why() -> None:
    rules = ruleset(rule(f"event: pointsExpiryReminder\nwhen: data.loyaltyProgramId == `973`\nrollout: 30\n{NOTIFY}"))
    verdicts: Counter[Verdict] = Counter()
    for customer in range(200):
        event = points_expiring(customer=customer)
        (told,) = explain(rules, event, now=NOW, event_id="e-1")
        verdicts[told.verdict] += 1
        assert bool(decide(rules, event, now=NOW, event_id="e-1").matches) == told.matched
        if told.matched:
            assert told.reason == f"matched; sends 2 deliveries; its rollout of 30 % takes customer {customer} in"
        else:
            assert told.reason == f"it would apply, but its rollout of 30 % leaves customer {customer} out"
        assert decide(rules, event, now=NOW, event_id="e-1", everyone=True).matches
    assert set(verdicts) == {Verdict.MATCHED, Verdict.LEFT_OUT}
    assert 35 < verdicts[Verdict.MATCHED] < 85


def test_a_condition_that_does_not_hold_goes_before_the_rollout() -> None:
    rules = ruleset(rule(f"event: pointsExpiryReminder\nwhen: data.loyaltyProgramId == `1`\nrollout: 1\n{NOTIFY}"))
    (told,) = explain(rules, points_expiring(), now=NOW, event_id="e-1")
    assert told.verdict is Verdict.NOT_TRUE


def test_events_without_a_customer_are_shared_out_too() -> None:
    rules = ruleset(rule(f"event: pointsExpiryReminder\nrollout: 50\n{NOTIFY}"))
    event = points_expiring(customer=None)
    taken = [bool(decide(rules, event, now=NOW, event_id=f"e-{number}").matches) for number in range(100)]
    assert 25 < sum(taken) < 75


# When


def test_a_delay_moves_everything() -> None:
    assert [each.due_at for each in decided("delay: 2h").deliveries] == [NOW + 2 * HOUR] * 2


def test_a_time_of_day_is_the_brands_for_webhooks_and_is_left_to_the_customers_clock_for_emails() -> None:
    email, webhook = decided('send_at: "09:00"').deliveries
    nine = 1_768_015_800_000  # 09:00 on 10 January in Kolkata
    assert (email.due_at, webhook.due_at) == (NOW, nine)
    email, webhook = decided('send_at: "09:00"', "delay: 5h").deliveries
    assert (email.due_at, webhook.due_at) == (NOW + 5 * HOUR, nine + 24 * HOUR)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("data.scheduledExpiryDate", 1_769_797_800_000),  # midnight, 31 January 2026, in Kolkata
        ("'`1768000100000`'", 1_768_000_100_000),
        ("'`5`'", NOW),
        ("data.customerIdentifiers.instore.mobile", NOW),  # the event has none
    ],
)
def test_a_moment_from_the_event_counts_where_it_is_still_to_come(expression: str, due: int) -> None:
    assert {each.due_at for each in decided(f"send_at: {expression}").deliveries} == {due}


def test_a_moment_that_is_none_fails_the_rule() -> None:
    decision = decided("send_at: data.customerIdentifiers.instore.email")
    assert decision.matches == ()
    (failure,) = decision.failures
    assert failure.error.startswith("send_at() cannot read 'ada@example.com' as a time; ")


def test_a_throttle_that_cannot_be_counted_fails_the_rule() -> None:
    decision = decided("throttle: {limit: 1, per: 1d, by: hours_since(data.customerIdentifiers.instore.email)}")
    assert (decision.matches, len(decision.failures)) == ((), 1)


def test_what_goes_later_keeps_no_order_and_what_may_be_called_off_says_so() -> None:
    ordered = BRANDS.replace("{name: crm,", "{name: crm, ordering: customer,")
    lanes = []
    for keys in ("", "delay: 1h\n", "cancel_on: pointsRedeemed\n"):
        rules = ruleset(rule(f"event: pointsExpiryReminder\n{keys}{NOTIFY}"), ordered)
        planned = decide(rules, points_expiring(), now=NOW, event_id="e-1").deliveries[1]
        lanes.append((planned.lane is not None, planned.revocable))
    assert lanes == [(True, False), (False, False), (True, True)]
