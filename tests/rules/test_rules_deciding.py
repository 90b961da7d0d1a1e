"""What a rule set says of an event."""

# ruff: noqa: E501 (rules and messages stay in one piece)

import json

import pytest
from google.protobuf import json_format

from rules_kit import BRANDS, ORG, OTHER_ORG, assembled, points_expiring, rule, ruleset
from tidings.events.v1.event_pb2 import Event, GenericEvent
from tidings.model import Channel, PlannedDelivery, Recipient, delivery_id
from tidings.rules import Decision, Match, RuleFailure, decide
from tidings.rules.planning import deliveries

NOW = 1_768_000_000_000
END_OF_JANUARY_IN_KOLKATA = 1_769_884_199_999
WEBHOOK = "notify: [{webhook: {to: crm}}]"


def planned(
    *,
    rule_id: str = "one",
    action: int = 0,
    recipient: str,
    org: int = ORG,
    customer: str | None = "4711",
    expires_at: int | None = None,
    lane: str | None = None,
) -> PlannedDelivery:
    to = Recipient.parse(recipient)
    return PlannedDelivery(
        id=delivery_id(org_id=org, event_id="e-1", rule_id=rule_id, action=action, recipient=to),
        rule_id=rule_id,
        action=action,
        channel=Channel.WEBHOOK if recipient.startswith("endpoint:") else Channel.EMAIL,
        recipient=to,
        customer_id=customer,
        due_at=NOW,
        expires_at=expires_at,
        lane=lane,
    )


def decided(text: str, event: Event | None = None) -> Decision:
    return decide(ruleset(rule(text)), event or points_expiring(), now=NOW, event_id="e-1")


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        (None, True),
        ("data.pointsScheduledForExpiry > `100`", True),
        ("data.pointsScheduledForExpiry > `300`", False),
        ("data.loyaltyProgramDetails.id > `1`", False),
        ("data.pointsScheduledForExpiry || orgId == `1`", False),
        ("data.loyaltyProgramDetails.name && orgId == `50750`", False),
        ("data.loyaltyProgramDetails.isDefault", False),
        ("eventName == 'pointsExpiryReminder' && orgId == `50750`", True),
        ("now() == `1768000000000`", True),
        ("days_until(data.scheduledExpiryDate) > `20`", True),
    ],
)
def test_a_rule_applies_when_its_condition_is_exactly_true(when: str | None, *, applies: bool) -> None:
    condition = f"when: {json.dumps(when)}\n" if when else ""
    decision = decided(f"event: pointsExpiryReminder\n{condition}{WEBHOOK}")
    match = Match(rule_id="one", mode="live", deliveries=(planned(recipient="endpoint:crm"),))
    assert decision == Decision(matches=(match,) if applies else ())


@pytest.mark.parametrize(
    ("notify", "recipients"),
    [
        pytest.param("email: {to: customer, template: t}", ["customer:4711"], id="customer"),
        pytest.param(
            "email: {to: brand, template: t}",
            ["address:loyalty-team@example.com", "address:duty@example.com"],
            id="brand",
        ),
        pytest.param("email: {to: x@example.com, template: t}", ["address:x@example.com"], id="address"),
        pytest.param(
            "email: {to: {path: data.customerIdentifiers.instore.email}, template: t}",
            ["address:ada@example.com"],
            id="path",
        ),
        pytest.param(
            "email: {to: {path: \"['b@example.com', ' c@example.com ', 'b@example.com']\"}, template: t}",
            ["address:b@example.com", "address:c@example.com"],
            id="path of several",
        ),
        pytest.param("webhook: {to: lake}", ["endpoint:lake"], id="endpoint"),
        pytest.param("webhook: {to: all}", ["endpoint:crm", "endpoint:lake"], id="all endpoints"),
    ],
)
def test_an_action_plans_a_delivery_for_each_recipient(notify: str, recipients: list[str]) -> None:
    decision = decided(f"event: pointsExpiryReminder\norgs: [50750]\nnotify: [{{{notify}}}]")
    assert decision.deliveries == tuple(planned(recipient=each) for each in recipients)
    assert decision.failures == ()


def test_each_action_has_deliveries_of_its_own() -> None:
    decision = decided("event: pointsExpiryReminder\nnotify: [{webhook: {to: crm}}, {webhook: {to: crm}}]")
    assert decision.deliveries == (planned(recipient="endpoint:crm"), planned(recipient="endpoint:crm", action=1))
    assert len({each.id for each in decision.deliveries}) == 2


@pytest.mark.parametrize(
    ("path", "addresses", "error"),
    [
        (
            "data.customerIdentifiers.wechat.email",
            [],
            "notify[0]: data.customerIdentifiers.wechat.email gives no e-mail address",
        ),
        ("`[]`", [], "notify[0]: `[]` gives no e-mail address"),
        (
            "['a@example.com', 'b@example.com\\r\\nBcc: c@example.com']",
            ["address:a@example.com"],
            "notify[0]: ['a@example.com', 'b@example.com\\r\\nBcc: c@example.com'] gives something besides e-mail addresses",
        ),
        ("data.loyaltyProgramId", [], "notify[0]: data.loyaltyProgramId gives something besides e-mail addresses"),
    ],
)
def test_what_is_no_address_is_a_failure_and_not_a_recipient(path: str, addresses: list[str], error: str) -> None:
    quoted = path.replace("'", "''")
    decision = decided(
        f"event: pointsExpiryReminder\nnotify: [{{email: {{to: {{path: '{quoted}'}}, template: t}}}}, {{webhook: {{to: crm}}}}]"
    )
    deliveries = (*(planned(recipient=each) for each in addresses), planned(recipient="endpoint:crm", action=1))
    assert decision == Decision(
        matches=(Match(rule_id="one", mode="live", deliveries=deliveries),),
        failures=(RuleFailure(rule_id="one", error=error),),
    )


def test_a_customer_the_event_does_not_name_is_an_empty_recipient() -> None:
    """Dispatch suppresses it with its reason; the decision stays visible."""
    decision = decided(
        "event: pointsExpiryReminder\nnotify: [{email: {to: customer, template: t}}]", points_expiring(customer=None)
    )
    assert decision.deliveries == (planned(recipient="customer:", customer=None),)


@pytest.mark.parametrize(
    ("expression", "expires_at"),
    [
        ("data.scheduledExpiryDate", END_OF_JANUARY_IN_KOLKATA),
        ("'2026-01-31T12:00:00Z'", 1_769_860_800_000),
        ("'2026-01-31 12:00:00'", 1_769_860_800_000 - 19_800_000),
        ("`1769860800000`", 1_769_860_800_000),
        ("data.loyaltyProgramDetails.name", None),
    ],
)
def test_messages_expire_when_the_expression_says(expression: str, expires_at: int | None) -> None:
    decision = decided(f'event: pointsExpiryReminder\nexpires_at: "{expression}"\n{WEBHOOK}')
    assert decision.deliveries == (planned(recipient="endpoint:crm", expires_at=expires_at),)


@pytest.mark.parametrize("expression", ["'soon'", "`true`", "length(data.customerIdentifiers.wechat.mobile)", "`[1]`"])
def test_an_expiry_that_is_no_time_is_a_failure_of_the_rule(expression: str) -> None:
    decision = decided(f'event: pointsExpiryReminder\nexpires_at: "{expression}"\n{WEBHOOK}')
    assert decision.matches == ()
    assert [failure.rule_id for failure in decision.failures] == ["one"]


def test_shadow_is_recorded_without_deliveries_and_off_is_not_evaluated() -> None:
    text = """\
version: 1
rules:
  - {id: live, event: pointsExpiryReminder, notify: [{webhook: {to: crm}}]}
  - {id: shadow, event: pointsExpiryReminder, mode: shadow, expires_at: length(data.customerIdentifiers.wechat.mobile), notify: [{webhook: {to: crm}}]}
  - {id: off, event: pointsExpiryReminder, mode: off, when: length(data.customerIdentifiers.wechat.mobile) > `1`, notify: [{webhook: {to: crm}}]}
"""
    assert decide(ruleset(text), points_expiring(), now=NOW, event_id="e-1") == Decision(
        matches=(
            Match(rule_id="live", mode="live", deliveries=(planned(rule_id="live", recipient="endpoint:crm"),)),
            Match(rule_id="shadow", mode="shadow", deliveries=()),
        )
    )


def test_a_rule_that_fails_stops_no_other() -> None:
    text = """\
version: 1
rules:
  - {id: a, event: pointsExpiryReminder, when: length(data.customerIdentifiers.wechat.mobile) > `1`, notify: [{webhook: {to: crm}}]}
  - {id: b, event: pointsExpiryReminder, when: days_until(data.customerIdentifiers.instore.email) > `1`, notify: [{webhook: {to: crm}}]}
  - {id: c, event: pointsExpiryReminder, notify: [{webhook: {to: crm}}]}
"""
    decision = decide(ruleset(text), points_expiring(), now=NOW, event_id="e-1")
    assert [match.rule_id for match in decision.matches] == ["c"]
    assert [failure.rule_id for failure in decision.failures] == ["a", "b"]
    assert all(failure.error for failure in decision.failures)


TENANTS = """\
version: 1
rules:
  - {id: ours, event: pointsExpiryReminder, orgs: [50750], notify: [{webhook: {to: all}}]}
  - {id: theirs, event: pointsExpiryReminder, orgs: [60860], notify: [{email: {to: brand, template: t}}]}
  - {id: both, event: pointsExpiryReminder, notify: [{webhook: {to: crm}}]}
"""


@pytest.mark.parametrize(
    ("org", "recipients"),
    [
        (ORG, {"ours": ["endpoint:crm", "endpoint:lake"], "both": ["endpoint:crm"]}),
        (OTHER_ORG, {"theirs": ["address:team@other.example.com"], "both": ["endpoint:crm"]}),
        (70970, {}),
        (0, {}),
    ],
)
def test_tenants_are_kept_apart(org: int, recipients: dict[str, list[str]]) -> None:
    decision = decide(ruleset(TENANTS), points_expiring(org=org), now=NOW, event_id="e-1")
    assert {
        match.rule_id: [str(each.recipient) for each in match.deliveries] for match in decision.matches
    } == recipients
    others = decide(ruleset(TENANTS), points_expiring(org=ORG if org != ORG else OTHER_ORG), now=NOW, event_id="e-1")
    assert {each.id for each in decision.deliveries} & {each.id for each in others.deliveries} == set()


def test_an_event_of_another_name_meets_no_rule() -> None:
    event = Event(org_id=ORG)
    event.points_issued.SetInParent()
    assert decided(f"event: pointsExpiryReminder\n{WEBHOOK}", event) == Decision()


def test_an_event_sent_generically_meets_the_rules_of_its_name() -> None:
    generic = json_format.ParseDict(
        {"name": "pointsExpiryReminder", "data": {"pointsScheduledForExpiry": 300}}, GenericEvent()
    )
    event = Event(org_id=ORG, generic=generic)
    decision = decided(f"event: pointsExpiryReminder\nwhen: data.pointsScheduledForExpiry > `100`\n{WEBHOOK}", event)
    assert [match.rule_id for match in decision.matches] == ["one"]


def test_unmodelled_fields_are_seen_at_their_own_path() -> None:
    event = points_expiring(points=None)
    event.unmodelled.add(path="/data/tags", json='["vip"]')
    event.unmodelled.add(path="/data/pointsScheduledForExpiry", json='"many"')
    rules = assembled([{"when": "data.tags[0] == 'vip' && data.pointsScheduledForExpiry == 'many'"}])
    assert [match.rule_id for match in decide(rules, event, now=NOW, event_id="e-1").matches] == ["r0"]


def test_a_decision_is_the_same_every_time() -> None:
    rules = ruleset(TENANTS)
    first = decide(rules, points_expiring(), now=NOW, event_id="e-1")
    assert [
        decide(ruleset(TENANTS), points_expiring(), now=NOW, event_id="e-1"),
        decide(rules, points_expiring(), now=NOW, event_id="e-1"),
    ] == [first, first]


def test_rules_and_brands_can_be_looked_up() -> None:
    rules = ruleset(TENANTS, BRANDS)
    ours = rules.rule("ours")
    assert ours is not None
    assert (ours.file, ours.line, rules.rule("none"), sorted(rules.brands)) == ("rules.yaml", 3, None, [ORG, OTHER_ORG])
    assert [each.id for each in rules.rules_for(OTHER_ORG)] == ["theirs", "both"]
    assert list(rules.rules_for(1)) == []


def test_webhooks_stand_in_line_by_customer_where_their_endpoint_keeps_order() -> None:
    brands = BRANDS.replace('hooks", secrets: [env:EXAMPLE_CRM_SECRET]', 'hooks", secrets: [env:A], ordering: customer')
    rules = ruleset(
        rule("event: pointsExpiryReminder\nnotify: [{webhook: {to: all}}, {email: {to: customer, template: t}}]"),
        brands,
    )
    assert decide(rules, points_expiring(), now=NOW, event_id="e-1").deliveries == (
        planned(recipient="endpoint:crm", lane="endpoint:crm/customer:4711"),
        planned(recipient="endpoint:lake"),
        planned(recipient="customer:4711", action=1),
    )
    assert {
        each.lane for each in decide(rules, points_expiring(customer=None), now=NOW, event_id="e-1").deliveries
    } == {None}


@pytest.mark.parametrize("timing", ["", "delay: 2h\n", "cancel_on: [pointsRedeemed]\n"])
@pytest.mark.parametrize("customer", [4711, None])
def test_a_route_that_is_kept_plans_what_is_worked_out_for_each_event(timing: str, customer: int | None) -> None:
    brands = BRANDS.replace('hooks", secrets: [env:EXAMPLE_CRM_SECRET]', 'hooks", secrets: [env:A], ordering: customer')
    brands = brands.replace("duty@example.com]", "duty@example.com, loyalty-team@example.com]")
    mails = ", ".join(f"{{email: {{to: {to}, template: t}}}}" for to in ("customer", "desk@example.com", "brand"))
    notify = f"[{{webhook: {{to: all}}}}, {mails}, {{webhook: {{to: crm}}}}]"
    rules = ruleset(rule(f"event: pointsExpiryReminder\n{timing}notify: {notify}"), brands)
    one = rules.rule("one")
    assert one is not None
    event = points_expiring(customer=customer)
    first, again = (decide(rules, event, now=NOW, event_id=f"e-{number}").deliveries for number in (1, 2))
    for event_id, found in (("e-1", first), ("e-2", again)):
        worked_out = deliveries(
            one,
            rules.brands[ORG],
            lambda _: None,
            event_id=event_id,
            customer=None if customer is None else str(customer),
            due_at=NOW + one.timing.delay,
            expires_at=None,
            failed=pytest.fail,
        )
        assert found == tuple(worked_out)
    named = [each.recipient.name for each in again]
    assert named == [
        "crm",
        "lake",
        str(customer or ""),
        "desk@example.com",
        "loyalty-team@example.com",
        "duty@example.com",
        "crm",
    ]
    assert rules.routes[one.id, ORG] is not None


def test_a_route_is_kept_for_each_organisation_by_itself() -> None:
    rules = ruleset(rule("event: pointsExpiryReminder\nnotify: [{webhook: {to: all}}]"))
    found = {}
    for org in (ORG, OTHER_ORG, ORG):
        event = points_expiring()
        event.org_id = org
        found[org] = [each.recipient.name for each in decide(rules, event, now=NOW, event_id="e-1").deliveries]
    assert found == {org: [each.name for each in rules.brands[org].endpoints] for org in (ORG, OTHER_ORG)}
