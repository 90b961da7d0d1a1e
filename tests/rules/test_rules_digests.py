"""What a rule may say of a digest, what is gathered together, until when, and every way to say it wrongly."""

import json
from dataclasses import replace
from datetime import UTC, time

import pytest

from rules_kit import compiled, points_expiring, rule, ruleset, sources
from tidings.expressions import Expression
from tidings.model import PlannedDelivery
from tidings.rules import Digest, Gathered, RuleSet, WebhookAction, decide, explain, webhook_payload

NOW = 1_768_000_000_000  # 2026-01-09, 23:06:40 UTC; the brand is in Kolkata, where it is 04:36:40 on the 10th
MINUTE = 60_000
HOUR = 60 * MINUTE
NOTIFY = "notify: [{email: {to: customer, template: reminder}}, {webhook: {to: crm}}]"


def rules(*keys: str, notify: str = NOTIFY) -> RuleSet:
    return ruleset(rule("\n".join(("event: pointsExpiryReminder", *keys, notify))))


def planned(*keys: str, customer: int | None = 4711, notify: str = NOTIFY, name: str = "e-1") -> list[PlannedDelivery]:
    event = points_expiring(customer=customer)
    decision = decide(rules(*keys, notify=notify), event, now=NOW, event_id=name)
    assert decision.failures == ()
    return list(decision.deliveries)


def problems(*keys: str, notify: str = NOTIFY) -> list[str]:
    _, found = compiled(sources(rule("\n".join(("event: pointsExpiryReminder", *keys, notify)))))
    return found


def test_both_forms_are_compiled() -> None:
    (daily,) = rules('digest: {every: 7d, at: "09:30"}').rules
    assert daily.timing.digest == Digest(
        length=7 * 24 * HOUR, at=time(9, 30), by="customer", text="every 7d at 09:30 by customer"
    )
    (window,) = rules("digest: {window: 30m, by: data.loyaltyProgramId}").rules
    digest = window.timing.digest
    assert digest is not None
    assert (digest.length, digest.at, digest.text) == (30 * MINUTE, None, "window 30m by data.loyaltyProgramId")
    assert isinstance(digest.by, Expression)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("digest: {every: 1d}", "5:13: error[invalid-digest]: a digest goes every so many days, or after a window"),
        ('digest: {at: "09:00"}', "5:13: error[invalid-digest]"),
        ('digest: {window: 30m, at: "09:00"}', "5:13: error[invalid-digest]"),
        ('digest: {window: 30m, every: 1d, at: "09:00"}', "5:13: error[invalid-digest]"),
        ("digest: {by: customer}", "5:13: error[invalid-digest]"),
        ('digest: {every: 36h, at: "09:00"}', "5:21: error[invalid-digest]: a digest at a time of day comes every"),
        ('digest: {every: 1d, at: "9"}', "error[invalid-time]"),
        ("digest: {window: soon}", "5:22: error[invalid-duration]"),
        ("digest: {window: 32d}", "5:22: error[invalid-duration]"),
        ("digest: {window: 30m, by: data.nothing}", "error[unknown-field]"),
        ("digest: {window: 30m, of: 5}", "error[unknown-key]: unknown key 'of'"),
        ("digest: 30m", "5:13: error[wrong-type]"),
        ("digest: {window: 30m}\ndelay: 2h", "6:5: error[invalid-digest]: a digest says itself when it goes"),
        ('digest: {window: 30m}\nsend_at: "09:00"', "6:5: error[invalid-digest]: a digest says itself when it goes"),
    ],
)
def test_wrong_forms_are_told_at_their_place(line: str, problem: str) -> None:
    assert [each for each in problems(line) if problem in each]
    assert len(problems(line)) == 1


def test_a_digest_goes_when_its_window_ends_or_at_its_hour_by_the_brands_clock() -> None:
    assert [each.due_at for each in planned("digest: {window: 30m}")] == [NOW + 30 * MINUTE] * 2
    nine = 1_768_015_800_000  # 2026-01-10, 09:00 in Kolkata
    assert [each.due_at for each in planned('digest: {every: 1d, at: "09:00"}')] == [nine] * 2
    assert [each.due_at for each in planned('digest: {every: 3d, at: "09:00"}')] == [nine + 48 * HOUR] * 2
    assert [each.digest for each in planned("delay: 5m")] == [None, None]


def keys(*lines: str, customer: int | None = 4711, notify: str = NOTIFY) -> list[str | None]:
    return [each.digest for each in planned(*lines, customer=customer, notify=notify)]


def test_each_action_and_each_customer_gathers_by_itself_whatever_the_event() -> None:
    window = "digest: {window: 30m}"
    mine = keys(window)
    assert len(set(mine)) == 2
    assert keys(window, "description: Other words") == mine
    assert [each.digest for each in planned(window, name="e-2")] == mine
    assert set(keys(window, customer=1)).isdisjoint(mine)
    assert not any("4711" in str(each) for each in mine)


def test_a_rule_that_says_something_else_gathers_by_itself() -> None:
    mine = keys("digest: {window: 30m}")
    assert set(keys("digest: {window: 2h}")).isdisjoint(mine)
    other = NOTIFY.replace("reminder}", "welcome}").replace("to: crm", "to: crm, type: other")
    assert set(keys("digest: {window: 30m}", notify=other)).isdisjoint(mine)


def test_what_tells_of_several_customers_is_nobodys_own_and_an_email_to_one_stays_theirs() -> None:
    by_brand = "digest: {window: 30m, by: brand}"
    mail, hook = planned(by_brand)
    other_mail, other_hook = planned(by_brand, customer=1)
    assert (mail.customer_id, hook.customer_id) == ("4711", None)
    assert (mail.digest == other_mail.digest, hook.digest == other_hook.digest) == (False, True)


def test_what_it_goes_by_must_be_worked_out() -> None:
    found = rules("digest: {window: 30m, by: hours_since(data.customerIdentifiers.instore.email)}")
    decision = decide(found, points_expiring(), now=NOW, event_id="e-1")
    assert (decision.matches, [each.rule_id for each in decision.failures]) == ((), ["one"])


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("{ids: 'events[].eventId', rest: more, last: data.pointsScheduledForExpiry}", []),
        ("{all: 'sum(events[].data.pointsScheduledForExpiry)'}", []),
        ("{all: 'events[].data.pointsScheduledForExpry'}", ["unknown-field"]),
        ("{all: 'events[].dta'}", ["unknown-field"]),
    ],
)
def test_a_body_of_a_digest_may_read_its_events(body: str, codes: list[str]) -> None:
    notify = f"notify: [{{webhook: {{to: crm, body: {body}}}}}]"
    assert [
        each.partition("[")[2].partition("]")[0] for each in problems("digest: {window: 30m}", notify=notify)
    ] == codes


def test_conditions_and_bodies_of_single_events_have_no_events_to_read() -> None:
    (in_body,) = problems(notify="notify: [{webhook: {to: crm, body: {n: more}}}]")
    (in_condition,) = problems("digest: {window: 30m}", "when: more > `1`")
    assert "more" in in_body
    assert "[bare-word]: more names a field, and pointsExpiryReminder has none" in in_condition


def test_the_payload_of_a_digest_is_that_of_its_latest_event_with_all_of_them() -> None:
    (found,) = rules("digest: {window: 30m}", notify="notify: [{webhook: {to: crm}}]").rules
    action = found.actions[0]
    assert isinstance(action, WebhookAction)
    events = (points_expiring(customer=1), points_expiring(customer=2))
    told = json.loads(webhook_payload(action, events[-1], now=NOW, zone=UTC, gathered=Gathered(events, more=7)))
    assert (told["type"], told["data"]["more"]) == ("pointsExpiryReminder", 7)
    ids = [each["data"]["customerIdentifiers"]["customerId"] for each in told["data"]["events"]]
    assert ids == [1, 2]
    typed = webhook_payload(replace(action, type="a.digest"), events[-1], now=NOW, zone=UTC, gathered=Gathered(events))
    assert json.loads(typed)["type"] == "a.digest"


def test_an_explanation_says_that_it_is_gathered() -> None:
    (told,) = explain(rules("digest: {window: 30m}"), points_expiring(), now=NOW, event_id="e-1")
    assert (
        "gathered into a digest (window 30m by customer), which goes at 2026-01-09T23:36:40.000Z by the brand's clock "
        "if it begins with this event"
    ) in told.reason
