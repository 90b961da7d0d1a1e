"""Explanations as messages: whatever the rulebook and the event, an answer that its reader can take."""

import pytest

from rules_kit import assembled, points_expiring, rule, ruleset
from tidings.authoring.evaluate import Evaluation
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.model import Problem
from tidings.rpc.explanations import MOST_NODES, evaluation_to_proto, problems_to_proto
from tidings.rules import RuleSet, explain

NOW = 1_768_000_000_000


def answer(rules: RuleSet, event: Event | None = None) -> pb.EvaluateResponse:
    told = explain(rules, event or points_expiring(), now=NOW, event_id="e-1")
    response = evaluation_to_proto(Evaluation(revision="r", decided_at=NOW, rules=told))
    return pb.EvaluateResponse.FromString(response.SerializeToString())


def nodes(node: pb.TraceNode) -> int:
    return 1 + sum(nodes(child) for child in node.children)


def test_of_very_many_rules_those_that_say_something_are_told_in_their_order() -> None:
    dull = [{"when": f"orgId == `{number}`"} for number in range(1_200)]
    near = {"when": "orgId == `50750` && data.loyaltyProgramId == `1`"}
    failing = {"when": "abs(data.scheduledExpiryDate) > `1`"}
    told = answer(assembled([*dull, near, failing, {}]))
    assert [each.rule_id for each in told.rules] == [f"r{number}" for number in (*range(997), 1200, 1201, 1202)]
    assert told.omitted_rules == 203


@pytest.mark.long
def test_an_answer_stays_within_what_a_client_takes() -> None:
    wide = " && ".join(f"data.loyaltyProgramId != `{number}`" for number in range(250))
    told = answer(assembled([{"when": wide}] * 200))
    assert told.ByteSize() < 4_000_000
    assert len(told.rules) + told.omitted_rules == 200


def test_a_trace_of_very_many_parts_is_cut_and_the_rest_counted() -> None:
    clause = "length([" + ", ".join(["[orgId, orgId, orgId]"] * 40) + "]) == `40`"
    (told,) = answer(assembled([{"when": " && ".join([clause] * 6)}])).rules
    assert told.matched
    assert nodes(told.trace) <= MOST_NODES
    assert told.trace.omitted == 3


def test_a_condition_that_nests_as_deeply_as_it_may_can_still_be_read() -> None:
    deep = "!" * 98 + "(data.customerIdentifiers)"
    (told,) = answer(assembled([{"when": deep}])).rules
    assert told.matched


def test_a_time_beyond_all_calendars_does_not_break_the_answer() -> None:
    rules = ruleset(
        rule("event: pointsExpiryReminder\nexpires_at: data.pointsScheduledForExpiry\nnotify: [{webhook: {to: crm}}]")
    )
    late, early = (answer(rules, points_expiring(points)).rules[0] for points in (1e18, -1e18))
    assert late.expires_at.ToJsonString() == "9999-12-31T23:59:59.999Z"
    assert early.expires_at.ToJsonString() == "0001-01-01T00:00:00Z"
    assert early.reason.endswith(
        "expires_at (-1000000000000000000 ms) had passed when it was decided, so nothing is sent"
    )


def test_of_very_many_problems_some_are_told_and_the_rest_counted() -> None:
    problems = [Problem(file="a.yaml", line=line, column=1, code="c", message="m") for line in range(1, 1_502)]
    told, omitted = problems_to_proto(problems)
    assert (len(told), omitted) == (1_000, 501)
    assert told[0] == pb.RulebookProblem(
        file="a.yaml", line=1, column=1, code="c", severity=pb.SEVERITY_ERROR, message="m"
    )
