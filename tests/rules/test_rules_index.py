"""With the index and without, a decision is the same: on random rulebooks and events, whole values compared."""

import json
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format

from long_kit import at_length
from rules_kit import ORG, OTHER_ORG, assembled, points_expiring
from tidings.events import event_name, facts_of, native_view
from tidings.events.v1.event_pb2 import Event, GenericEvent
from tidings.expressions import EvaluationError
from tidings.model import Recipient, RecipientKind, delivery_id
from tidings.rules import RuleSet, decide

NOW = 1_768_000_000_000

Outcome = tuple[list[tuple[str, str, list[str]]], list[tuple[str, str]]]


def plain(rules: RuleSet, event: Event) -> Outcome:
    """Decide by asking each rule in turn, on the native view: what the index and the bound expressions must equal."""
    matches: list[tuple[str, str, list[str]]] = []
    failures: list[tuple[str, str]] = []
    brand = rules.brands.get(event.org_id)
    if brand is None:
        return matches, failures
    for rule in rules.rules:
        if rule.mode == "off" or event_name(event) not in rule.events:
            continue
        if rule.orgs is not None and event.org_id not in rule.orgs:
            continue
        try:
            holds: Any = (
                True if rule.when is None else rule.when.search(native_view(event), now=NOW, zone=brand.time_zone)
            )
        except EvaluationError as error:
            failures.append((rule.id, str(error)))
            continue
        if holds is True:
            ids = [_delivery(event, rule.id)] if rule.mode == "live" else []
            matches.append((rule.id, rule.mode, ids))
    return matches, failures


def _delivery(event: Event, rule_id: str) -> str:
    to = Recipient(kind=RecipientKind.ENDPOINT, name="crm")
    return delivery_id(org_id=event.org_id, event_id="e-1", rule_id=rule_id, action=0, recipient=to)


def indexed(rules: RuleSet, event: Event) -> Outcome:
    decision = decide(rules, event, now=NOW, event_id="e-1")
    return (
        [(match.rule_id, match.mode, [each.id for each in match.deliveries]) for match in decision.matches],
        [(failure.rule_id, failure.error) for failure in decision.failures],
    )


NUMBERS = (0, 1, 2, 2.5, -1, 2**53 + 1, 300, 973)
LITERALS: tuple[Any, ...] = (*NUMBERS, 1.0, True, False, None, "", "a", "1", "2026-01-31", [])
FIELDS = (
    "data.pointsScheduledForExpiry",
    "data.loyaltyProgramId",
    "data.scheduledExpiryDate",
    "data.customerIdentifiers.instore.email",
    "data.loyaltyProgramDetails.isDefault",
    "data.extra",
    "orgId",
)
ODD = ("data.loyaltyProgramDetails", "data", "eventName", "nothing")
EVENTS = (("pointsExpiryReminder",), ("pointsExpiryReminder", "pointsIssued"), ("pointsIssued",))
ORGS = (None, None, frozenset({ORG}), frozenset({OTHER_ORG}), frozenset({ORG, OTHER_ORG}))


def simple(dice: Random) -> str:
    """Write one clause: mostly equalities and orderings, sometimes what may fail."""
    field = dice.choice(FIELDS)
    literal = json.dumps(dice.choice(LITERALS))
    number = json.dumps(dice.choice(NUMBERS))
    order = dice.choice(["<", "<=", ">", ">="])
    forms = [f"{field} == `{literal}`", f"`{literal}` == {field}"] * 4
    forms += [f"{field} {order} `{number}`", f"`{number}` {order} {field}"] * 3
    forms += [f"{field} {order} `{literal}`", f"{field} != `{literal}`", f"!{field}", field, dice.choice(ODD)]
    forms += [
        f"length({field}) > `1`",
        f"starts_with({field}, 'a')",
        f"({field} == `{literal}` || {field} {order} `1`)",
    ]
    return dice.choice(forms)


def condition(dice: Random) -> str:
    clauses = [simple(dice) for _ in range(dice.choice([1, 1, 2, 2, 3, 4]))]
    written = " && ".join(clauses)
    return f"!({written})" if dice.random() < 0.1 else written


def rulebook(dice: Random) -> RuleSet:
    rules = [
        {
            "events": dice.choice(EVENTS),
            "orgs": dice.choice(ORGS),
            "mode": dice.choice(["live", "live", "shadow", "off"]),
        }
        | ({"when": condition(dice)} if dice.random() < 0.95 else {})
        for _ in range(120)
    ]
    return assembled(rules + dice.choices(rules, k=20))  # some twice


def typed(dice: Random) -> Event:
    event = Event(org_id=dice.choice([ORG, ORG, OTHER_ORG, 1]))
    data = event.points_expiry_reminder
    data.SetInParent()
    if dice.random() < 0.7:
        data.points_scheduled_for_expiry = dice.choice(NUMBERS)
    if dice.random() < 0.7:
        data.loyalty_program_id = dice.choice([0, 1, 2, 300, 973, 2**53 + 1])
    if dice.random() < 0.3:
        data.scheduled_expiry_date = dice.choice(["", "a", "1", "2026-01-31"])
    if dice.random() < 0.3:
        data.customer_identifiers.instore.email = dice.choice(["", "a", "1"])
    if dice.random() < 0.5:
        data.loyalty_program_details.is_default = dice.choice([True, False])
    for path in dice.sample(["extra", "pointsScheduledForExpiry", "loyaltyProgramId"], k=dice.choice([0, 0, 0, 1, 2])):
        event.unmodelled.add(path=f"/data/{path}", json=json.dumps(dice.choice(LITERALS)))
    return event


def generic(dice: Random) -> Event:
    names = ("pointsScheduledForExpiry", "loyaltyProgramId", "extra", "scheduledExpiryDate")
    data = {name: dice.choice(LITERALS) for name in names if dice.random() < 0.6}
    sent = json_format.ParseDict({"name": "pointsExpiryReminder", "data": data}, GenericEvent())
    return Event(org_id=dice.choice([ORG, OTHER_ORG]), generic=sent)


@pytest.mark.parametrize("seed", range(at_length(6, 25)))
def test_the_index_changes_nothing(seed: int) -> None:
    """Typed events, events with values of types their fields do not have, generic events: the same decisions."""
    dice = Random(seed)  # noqa: S311 (the same rulebooks on every run)
    rules = rulebook(dice)
    for event in [typed(dice) for _ in range(40)] + [generic(dice) for _ in range(10)]:
        assert indexed(rules, event) == plain(rules, event)


def demanding(dice: Random) -> RuleSet:
    """Compile rules each of which requires something of one field, so that a glance may tell."""
    fields = [field for field in FIELDS if field not in ("data.pointsScheduledForExpiry", "data.extra")]
    numbers = ("data.pointsScheduledForExpiry", "data.loyaltyProgramId")
    rules = []
    for _ in range(dice.choice([1, 1, 2, 4, 8])):
        if dice.random() < 0.6:
            first = f"{dice.choice(fields)} == `{json.dumps(dice.choice(LITERALS[:-1]))}`"
        else:
            first = f"{dice.choice(numbers)} {dice.choice(['<', '<=', '>', '>='])} `{json.dumps(dice.choice(NUMBERS))}`"
        further = f" && {simple(dice)}" if dice.random() < 0.3 else ""
        rules.append({"events": dice.choice(EVENTS[:2]), "orgs": dice.choice(ORGS), "when": first + further})
    return assembled(rules)


@pytest.mark.parametrize("seed", range(at_length(6, 25)))
def test_what_a_glance_rules_out_would_match_nothing(seed: int) -> None:
    """On rules that it can be had for; it rules out many events, and none of which a rule would say anything."""
    dice = Random(seed)  # noqa: S311 (the same rulebooks on every run)
    ruled_out = 0
    for _ in range(15):
        rules = demanding(dice)
        for event in [typed(dice) for _ in range(40)] + [generic(dice) for _ in range(5)]:
            assert indexed(rules, event) == plain(rules, event)
            glance, facts = rules.index["pointsExpiryReminder"].glance, facts_of(event)
            if glance is not None and facts.data is not None and glance(facts.org_id, event, facts.data):
                ruled_out += 1
    assert ruled_out > 5


@pytest.mark.parametrize(
    "condition",
    [
        "data.loyaltyProgramId == `{n}`",
        "data.loyaltyProgramId == `973` && data.customerIdentifiers.customerId == `{n}`",
        "data.pointsScheduledForExpiry > `{n}`",
        "data.pointsScheduledForExpiry < `-{n}`",
        "`{n}` <= data.pointsScheduledForExpiry && data.loyaltyProgramId == `973`",
        "data.scheduledExpiryDate == 'day {n}' && contains(data.nothing, 'x')",
    ],
)
def test_the_cost_follows_the_rules_that_could_match(condition: str) -> None:
    """Of a thousand rules, those are looked at that the event may meet, and no more."""
    rules = [{"when": condition.replace("{n}", str(1000 + number))} for number in range(1000)]
    compiled = assembled(rules)
    seen = _looked_at(compiled, points_expiring(points=1004, customer=1003))
    assert len(seen) <= 5
    assert len(indexed(compiled, points_expiring(points=1004, customer=1003))[0]) <= len(seen)


def _looked_at(compiled: RuleSet, event: Event) -> list[str]:
    from tidings.rules.subject import Subject

    index = compiled.index[event_name(event)]
    subject = Subject(event, index.bound, now=NOW, zone=compiled.brands[ORG].time_zone)
    return [rule.id for _, rule in index.candidates(ORG, subject)]


def test_equalities_are_told_apart_at_most_so_deep() -> None:
    """Conditions of many equalities, shared by many rules, neither recurse without end nor change anything."""
    same = " && ".join(f"data.extra{number} != `1` && data.f{number} == `null`" for number in range(60))
    compiled = assembled([{"when": same}] * 30)
    assert len(indexed(compiled, points_expiring())[0]) == 30
