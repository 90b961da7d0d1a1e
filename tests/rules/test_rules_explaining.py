"""Explanations: each verdict with its reason, near misses, and the law that they agree with the decision."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_kit import at_length
from rules_kit import ORG, OTHER_ORG, assembled, points_expiring, rule, ruleset
from tidings.errors import NotFound
from tidings.events.v1.event_pb2 import Event
from tidings.rules import Part, RuleExplanation, RuleSet, Verdict, brief, cut, decide, explain

NOW = 1_768_000_000_000
POINTS = "data.pointsScheduledForExpiry"
PROGRAM = "data.loyaltyProgramId"


def explained(rules: RuleSet, event: Event | None = None, rule_id: str | None = None) -> tuple[RuleExplanation, ...]:
    return explain(rules, event or points_expiring(), now=NOW, event_id="e-1", rule_id=rule_id)


def only(fields: dict[str, Any], event: Event | None = None) -> RuleExplanation:
    (told,) = explained(assembled([fields]), event, rule_id="r0")
    return told


@pytest.mark.parametrize(
    ("fields", "verdict", "reason"),
    [
        ({}, Verdict.MATCHED, "matched; sends 1 delivery"),
        ({"when": f"{POINTS} > `100`"}, Verdict.MATCHED, "matched; sends 1 delivery"),
        ({"mode": "shadow"}, Verdict.MATCHED, "matched; shadow mode sends nothing"),
        (
            {"when": f"{POINTS} > `900`"},
            Verdict.NOT_TRUE,
            "the condition is not true: data.pointsScheduledForExpiry > `900` with 300",
        ),
        (
            {"when": f"{POINTS} < {PROGRAM} && {POINTS} > {PROGRAM}"},
            Verdict.NOT_TRUE,
            f"near miss: all of the condition holds but {POINTS} > {PROGRAM} with 300 and 973",
        ),
        (
            {"when": "data.missing > `1`"},
            Verdict.NOT_TRUE,
            "the condition is not true: data.missing > `1` is null with null",
        ),
        (
            {"when": f"{PROGRAM} == `1` ||\n  orgId == `2`"},
            Verdict.NOT_TRUE,
            "the condition is not true: data.loyaltyProgramId == `1` || orgId == `2` is false",
        ),
        (
            {"when": f"!({PROGRAM} == `973`)"},
            Verdict.NOT_TRUE,
            "the condition is not true: data.loyaltyProgramId == `973` is true with 973",
        ),
        ({"when": POINTS}, Verdict.NOT_TRUE, "the condition gives 300, and only true is a match"),
        (
            {"when": f"{PROGRAM} == `973` && abs(data.scheduledExpiryDate) > `1`"},
            Verdict.FAILED,
            'failed: abs(data.scheduledExpiryDate) with "2026-01-31": abs() takes a number, not string',
        ),
        ({"mode": "off"}, Verdict.OFF, "mode is off"),
        ({"events": ["pointsIssued"]}, Verdict.OTHER_EVENT, "another event: it is for pointsIssued"),
        (
            {"orgs": frozenset({OTHER_ORG, *range(1, 7)})},
            Verdict.OTHER_ORGANISATION,
            "another organisation: it applies to 1, 2, 3, 4, 5 and 2 more",
        ),
    ],
)
def test_each_verdict_has_its_reason(fields: dict[str, Any], verdict: Verdict, reason: str) -> None:
    told = only(fields)
    assert (told.verdict, told.reason, told.matched) == (verdict, reason, verdict is Verdict.MATCHED)


def test_an_organisation_without_a_brand_is_told() -> None:
    told = only({}, points_expiring(org=5))
    assert (told.verdict, told.reason) == (Verdict.NO_BRAND, "organisation 5 has no brand in this rulebook")


def test_a_condition_is_told_with_the_part_that_decided_and_its_operands() -> None:
    told = only({"when": f"{PROGRAM} == `973` && {POINTS} > `900`"})
    decided = Part(text=f"{POINTS} > `900`", offset=34, value=False, operands=((POINTS, 300),))
    assert told.decided_by == decided
    assert told.trace is not None
    assert [child.value for child in told.trace.children] == [True, False]


@pytest.mark.parametrize(
    ("when", "near"),
    [
        (f"{PROGRAM} == `973` && {POINTS} > `900`", f"{POINTS} > `900`"),
        (f"{POINTS} > `900` && {PROGRAM} == `973` && orgId == `50750`", f"{POINTS} > `900`"),
        (f"{PROGRAM} == `973` && ({POINTS} > `100` && data.missing)", "data.missing"),
        (f"{PROGRAM} == `973` && {POINTS}", POINTS),
        (f"{PROGRAM} == `1` && {POINTS} > `900`", None),
        (f"{PROGRAM} == `1` && abs(data.scheduledExpiryDate) > `1`", None),
        (f"{POINTS} > `900`", None),
        (f"{POINTS} > `900` || {PROGRAM} == `1`", None),
        (f"{POINTS} > `100` && {PROGRAM} == `973`", None),
    ],
)
def test_a_condition_of_several_that_fails_in_one_part_is_a_near_miss(when: str, near: str | None) -> None:
    """Parts after the one that failed count too; of a condition in one part, a miss is not near."""
    told = only({"when": when})
    assert (told.near_miss.text if told.near_miss else None) == near


EXPIRING = """
event: pointsExpiryReminder
expires_at: data.scheduledExpiryDate
notify:
  - webhook: {to: crm}
  - email: {to: {path: data.customerIdentifiers.instore.email}, template: reminder}
"""


def test_expiry_and_failures_of_actions_are_told_of_a_rule_that_matches() -> None:
    event = points_expiring()
    event.points_expiry_reminder.scheduled_expiry_date = "2025-12-31"
    event.points_expiry_reminder.customer_identifiers.instore.email = ""
    (told,) = explained(ruleset(rule(EXPIRING)), event)
    assert (told.matched, len(told.deliveries), told.expires_at) == (True, 1, 1_767_205_799_999)
    assert told.failures == ("notify[1]: data.customerIdentifiers.instore.email gives no e-mail address",)
    assert told.reason == (
        "matched; sends 1 delivery; notify[1]: data.customerIdentifiers.instore.email gives no e-mail address; "
        "expires_at (2025-12-31T18:29:59.999Z) had passed when it was decided, so nothing is sent"
    )


def test_a_rule_whose_expiry_cannot_be_read_fails() -> None:
    event = points_expiring()
    event.points_expiry_reminder.scheduled_expiry_date = "soon"
    (told,) = explained(ruleset(rule(EXPIRING)), event)
    assert (told.verdict, told.deliveries, told.expires_at) == (Verdict.FAILED, (), None)
    assert told.reason.startswith("failed: expires_at() cannot read 'soon' as a time")


def test_only_rules_that_name_the_event_are_told_unless_one_is_asked_for() -> None:
    rules = assembled([{}, {"events": ["pointsIssued"]}, {"mode": "off"}])
    assert [told.rule.id for told in explained(rules)] == ["r0", "r2"]
    assert [told.rule.id for told in explained(rules, rule_id="r1")] == ["r1"]


def test_a_rule_that_is_not_there_is_said_so() -> None:
    with pytest.raises(NotFound, match="no rule 'nothing'"):
        explained(assembled([{}]), rule_id="nothing")


FIELDS = (POINTS, PROGRAM, "data.scheduledExpiryDate", "data.extra", "data.loyaltyProgramDetails", "orgId", "data")
LITERALS: tuple[Any, ...] = (0, 1, 2.5, 300, 2**53 + 1, True, False, None, "", "a", "2026-01-31", [], {"a": 1})
fields = st.sampled_from(FIELDS)
literals = st.sampled_from(LITERALS).map(lambda value: f"`{json.dumps(value)}`")
clauses = st.one_of(
    st.tuples(fields, st.sampled_from(("==", "!=", "<", ">=")), literals).map(" ".join),
    fields.map("length({}) > `1`".format),
    fields.map("abs({}) >= `1`".format),
    fields.map("days_until({}) > `3`".format),
    fields,
)
conditions = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda each: f"({' && '.join(each)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: f"({' || '.join(each)})"),
        inner.map("!({})".format),
    ),
    max_leaves=5,
)
rule_fields = st.fixed_dictionaries(
    {
        "events": st.sampled_from(
            (("pointsExpiryReminder",), ("pointsIssued",), ("pointsExpiryReminder", "pointsIssued"))
        ),
        "orgs": st.sampled_from((None, None, frozenset({ORG}), frozenset({OTHER_ORG}))),
        "mode": st.sampled_from(("live", "live", "shadow", "off")),
    },
    optional={"when": conditions},
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    event = points_expiring(draw(st.sampled_from((None, 0, 2.5, 300))), org=draw(st.sampled_from((ORG, ORG, 1))))
    if draw(st.booleans()):
        event.points_expiry_reminder.loyalty_program_id = draw(st.sampled_from((0, 1, 2**53 + 1)))
    for path in draw(st.sets(st.sampled_from(("extra", "loyaltyProgramDetails")))):
        event.unmodelled.add(path=f"/data/{path}", json=json.dumps(draw(st.sampled_from(LITERALS))))
    return event


@settings(max_examples=at_length(60, 300), deadline=None)
@given(st.lists(rule_fields, max_size=12), events())
def test_explanations_agree_with_the_decision(rules: list[dict[str, Any]], event: Event) -> None:
    """What matched, what is sent and what failed; and the trace, evaluated by itself, comes to the same."""
    compiled = assembled(rules)
    decision = decide(compiled, event, now=NOW, event_id="e-1")
    told = explained(compiled, event)
    assert [(each.rule.id, each.rule.mode, each.deliveries) for each in told if each.matched] == [
        (match.rule_id, match.mode, match.deliveries) for match in decision.matches
    ]
    assert [(each.rule.id, error) for each in told for error in each.failures] == [
        (failure.rule_id, failure.error) for failure in decision.failures
    ]
    for each in told:
        if each.trace is not None:
            assert (each.trace.value is True) is each.matched
            assert (str(each.trace.error),) == each.failures or (each.trace.error is None and not each.failures)
    alone = [explained(compiled, event, each.rule.id)[0] for each in told]
    assert [(each.verdict, each.reason, each.deliveries) for each in alone] == [
        (each.verdict, each.reason, each.deliveries) for each in told
    ]


@pytest.mark.parametrize(
    ("value", "limit", "written"),
    [
        ({"a": [1, "é", None]}, 80, '{"a": [1, "é", null]}'),
        (2**70, 80, "1180591620717411303424"),
        (list(range(1_000_000)), 10, "[0, 1, 2,…"),
        ("x" * 1_000, 10, '"xxxxxxxx…'),
    ],
)
def test_values_are_written_briefly(value: object, limit: int, written: str) -> None:
    assert brief(value, limit=limit) == written


def test_a_text_that_fits_is_not_cut() -> None:
    assert (cut("abcd", 4), cut("abcde", 4)) == ("abcd", "abc…")
