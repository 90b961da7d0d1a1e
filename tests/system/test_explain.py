"""RuleService, and explaining accepted events, over the real wire."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from gateway_kit import RunningGateway, open_test_gateway, run_tidings, running_gateway, write_config
from rulebook_kit import RULES, write_rulebook
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import event_service_pb2 as events_pb
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub
from tidings.rulebook import load, read_folder

STRICTER = RULES.replace("`100`", "`100000`")
BROKEN = RULES.replace("> `100`", "> 100")


@dataclass(frozen=True, slots=True)
class Desk:
    """A running gateway, its rulebook's folder and its services."""

    gateway: RunningGateway
    folder: Path
    rules: Any
    events: Any

    def write(self, rules: str) -> None:
        (self.folder / "loyalty.yaml").write_text(rules.lstrip())

    def files(self) -> list[pb.RulebookFile]:
        return [pb.RulebookFile(path=each.path, content=each.data) for each in read_folder(self.folder)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    folder = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(folder), reload={"every": 0})
    async with open_test_gateway(config) as gateway:
        yield Desk(gateway, folder, RuleServiceStub(gateway.channel), EventServiceStub(gateway.channel))


def expiring(points: int = 300) -> Event:
    payload = sample("pointsExpiryReminder")
    payload["data"]["pointsScheduledForExpiry"] = points
    return convert_one(payload).event


async def refusal(call: Any) -> tuple[grpc.StatusCode, dict[str, str]]:
    """Return the status of a call that is refused, with the fields that are named."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    status = rpc_status.from_call(refused.value)  # type: ignore[arg-type]  # the stubs know the blocking calls only
    assert status is not None
    faults = BadRequest()
    named = [each for detail in status.details if detail.Unpack(faults) for each in faults.field_violations]
    return refused.value.code(), {each.field: each.description for each in named}


async def test_the_live_rulebook_and_its_rules_are_shown_page_by_page(desk: Desk) -> None:
    shown = await desk.rules.GetRulebook(pb.GetRulebookRequest())
    revision = load(read_folder(desk.folder)).revision
    assert (shown.revision, shown.rule_count, shown.brand_count, shown.last_reload_succeeded) == (revision, 2, 3, True)
    first = await desk.rules.ListRules(pb.ListRulesRequest(page_size=1))
    second = await desk.rules.ListRules(pb.ListRulesRequest(page_size=1, page_token=first.next_page_token))
    assert [each.id for each in (*first.rules, *second.rules)] == ["points-expiring", "points-issued"]
    assert second.next_page_token == ""
    assert first.rules[0] == pb.RuleSummary(
        id="points-expiring",
        events=["pointsExpiryReminder"],
        condition="data.pointsScheduledForExpiry > `100`",
        mode="live",
        file="loyalty.yaml",
        line=3,
    )


async def test_a_page_that_was_never_given_or_is_of_another_rulebook_is_refused(desk: Desk) -> None:
    first = await desk.rules.ListRules(pb.ListRulesRequest(page_size=1))
    desk.write(STRICTER)
    await desk.rules.ReloadRules(pb.ReloadRulesRequest())
    for request, field in [
        (pb.ListRulesRequest(page_token=first.next_page_token), "page_token"),
        (pb.ListRulesRequest(page_token="!"), "page_token"),
        (pb.ListRulesRequest(page_size=-1), "page_size"),
    ]:
        code, faults = await refusal(desk.rules.ListRules(request))
        assert (code, list(faults)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_a_reload_goes_live_or_says_why_not(desk: Desk) -> None:
    before = await desk.rules.GetRulebook(pb.GetRulebookRequest())
    desk.write(BROKEN)
    refused = await desk.rules.ReloadRules(pb.ReloadRulesRequest())
    after = await desk.rules.GetRulebook(pb.GetRulebookRequest())
    (problem,) = refused.problems
    assert (refused.succeeded, refused.revision, problem.file) == (False, before.revision, "loyalty.yaml")
    assert (after.revision, after.last_reload_succeeded, after.problems) == (before.revision, False, refused.problems)
    desk.write(STRICTER)
    live = await desk.rules.ReloadRules(pb.ReloadRulesRequest())
    assert (live.succeeded, live.revision != before.revision) == (True, True)


async def test_a_given_rulebook_is_checked_and_nothing_goes_live(desk: Desk) -> None:
    sound = await desk.rules.CheckRules(pb.CheckRulesRequest(files=desk.files()))
    live = await desk.rules.GetRulebook(pb.GetRulebookRequest())
    desk.write(BROKEN)
    broken = await desk.rules.CheckRules(pb.CheckRulesRequest(files=desk.files()))
    (problem,) = broken.problems
    assert list(sound.problems) == []
    assert (problem.file, problem.line, problem.column, problem.severity) == (
        "loyalty.yaml",
        5,
        43,
        pb.SEVERITY_ERROR,
    )
    assert (await desk.rules.GetRulebook(pb.GetRulebookRequest())).revision == live.revision


async def test_files_that_are_no_rulebook_are_refused(desk: Desk) -> None:
    request = pb.CheckRulesRequest(files=[pb.RulebookFile(path="../a.yaml", content=b"version: 1\n")])
    code, faults = await refusal(desk.rules.CheckRules(request))
    assert (code, list(faults)) == (grpc.StatusCode.INVALID_ARGUMENT, ["files[0].path"])


async def test_an_event_is_evaluated_by_the_live_rulebook_without_being_published(desk: Desk) -> None:
    decided_at = Timestamp()
    decided_at.FromJsonString("2023-06-01T00:00:00Z")
    answer = await desk.rules.Evaluate(pb.EvaluateRequest(event=expiring(), decided_at=decided_at))
    (rule,) = answer.rules
    assert (answer.decided_at, answer.other_rules, answer.omitted_rules) == (decided_at, 1, 0)
    assert (rule.verdict, rule.matched, rule.reason) == (pb.VERDICT_MATCHED, True, "matched; sends 2 deliveries")
    assert (rule.trace.value_json, rule.trace.decided, rule.trace.children[0].value_json) == ("true", True, "300")
    assert [(each.channel, each.recipient) for each in rule.deliveries] == [
        ("email", "customer:381750905"),
        ("webhook", "endpoint:crm"),
    ]
    assert await desk.gateway.deliveries() == []


async def test_an_event_is_evaluated_by_a_given_rulebook(desk: Desk) -> None:
    desk.write(STRICTER)
    answer = await desk.rules.Evaluate(pb.EvaluateRequest(event=expiring(), files=desk.files()))
    live = await desk.rules.GetRulebook(pb.GetRulebookRequest())
    assert answer.revision != live.revision
    assert (answer.rules[0].matched, answer.rules[0].decided_by.operands[0].value_json) == (False, "300")


async def test_the_errors_of_a_given_rulebook_are_named_by_file_and_place(desk: Desk) -> None:
    desk.write(BROKEN)
    code, faults = await refusal(desk.rules.Evaluate(pb.EvaluateRequest(event=expiring(), files=desk.files())))
    assert (code, list(faults)) == (grpc.StatusCode.INVALID_ARGUMENT, ["files[loyalty.yaml]:5:43"])


async def test_of_very_many_errors_the_first_are_named_and_the_rest_counted(desk: Desk) -> None:
    """An error travels in headers: too many of them would lose the whole answer."""
    rules = "version: 1\nrules:\n" + "".join(f"  - {{id: r{number}, evnt: x}}\n" for number in range(500))
    desk.write(rules)
    code, faults = await refusal(desk.rules.Evaluate(pb.EvaluateRequest(event=expiring(), files=desk.files())))
    assert (code, len(faults) <= 11) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert "more errors; CheckRules lists them all" in faults["files"]


async def test_a_bad_event_a_bad_time_and_an_unknown_rule_are_refused(desk: Desk) -> None:
    code, faults = await refusal(desk.rules.Evaluate(pb.EvaluateRequest()))
    assert (code, sorted(faults)) == (grpc.StatusCode.INVALID_ARGUMENT, ["event.data", "event.org_id"])
    late = pb.EvaluateRequest(event=expiring(), decided_at=Timestamp(seconds=10**15))
    code, faults = await refusal(desk.rules.Evaluate(late))
    assert (code, list(faults)) == (grpc.StatusCode.INVALID_ARGUMENT, ["decided_at"])
    code, _ = await refusal(desk.rules.Evaluate(pb.EvaluateRequest(event=expiring(), rule_id="none")))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_an_accepted_event_is_explained_by_the_rules_of_its_time(desk: Desk) -> None:
    """Also after a reload to rules that decide otherwise."""
    event = expiring()
    published = await desk.gateway.publish(event)
    desk.write(STRICTER)
    await desk.rules.ReloadRules(pb.ReloadRulesRequest())
    request = events_pb.ExplainEventRequest(org_id=50750, event_id=published.event_id)
    told = await desk.events.ExplainEvent(request)
    (rule,) = told.explanation.rules
    assert (told.summary.event_id, told.explanation.revision) == (published.event_id, told.summary.revision)
    assert told.explanation.decided_at == told.summary.received_at
    assert (rule.matched, [each.id for each in rule.deliveries]) == (True, list(published.delivery_ids))
    (now,) = (await desk.rules.Evaluate(pb.EvaluateRequest(event=event))).rules
    assert (now.matched, now.reason) == (
        False,
        "the condition is not true: data.pointsScheduledForExpiry > `100000` with 300",
    )


async def test_a_revision_is_compiled_again_from_the_store(tmp_path: Path) -> None:
    folder = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(folder))
    async with running_gateway(config) as gateway:
        published = await gateway.publish(expiring())
        assert await gateway.stop() == 0
    (folder / "loyalty.yaml").write_text(STRICTER.lstrip())
    async with running_gateway(config) as gateway:
        request = events_pb.ExplainEventRequest(org_id=50750, event_id=published.event_id)
        told = await EventServiceStub(gateway.channel).ExplainEvent(request)
    assert [each.matched for each in told.explanation.rules] == [True]


async def test_an_accepted_event_is_returned_as_it_was_accepted(desk: Desk) -> None:
    event = expiring()
    await desk.gateway.publish(event)
    answer = await desk.events.GetEvent(events_pb.GetEventRequest(org_id=50750, event_id=event.event_id))
    assert answer.event == event
    assert (answer.summary.event_name, list(answer.summary.matched_rules)) == (
        "pointsExpiryReminder",
        ["points-expiring"],
    )


async def test_an_event_that_is_not_there_is_said_so(desk: Desk) -> None:
    for call in (
        desk.events.GetEvent(events_pb.GetEventRequest(org_id=50750, event_id="none")),
        desk.events.ExplainEvent(events_pb.ExplainEventRequest(org_id=50750, event_id="none")),
    ):
        assert (await refusal(call))[0] is grpc.StatusCode.NOT_FOUND


async def test_accepted_events_are_shown_and_explained_on_the_command_line(desk: Desk) -> None:
    event = expiring(40)
    await desk.gateway.publish(event)
    to = ("--to", f"127.0.0.1:{desk.gateway.grpc_port}")
    code, out, _ = await run_tidings("events", "explain", "50750", event.event_id, *to)
    assert code == 0
    assert out.splitlines()[1:] == [
        "✗ points-expiring: the condition is not true: data.pointsScheduledForExpiry > `100` with 40",
        "└── data.pointsScheduledForExpiry > `100`  → false  ◀ decided",
        "    └── data.pointsScheduledForExpiry  → 40",
        "1 rule is for other events",
    ]
    code, out, _ = await run_tidings("events", "show", "50750", event.event_id, "--format", "json", *to)
    shown = json.loads(out)
    assert (code, shown["event_name"], shown["event"]["data"]["pointsScheduledForExpiry"]) == (
        0,
        "pointsExpiryReminder",
        40,
    )
    code, _, err = await run_tidings("events", "explain", "50750", "none", *to)
    assert (code, err) == (2, "NOT_FOUND: no event '50750/none'\n")


async def test_explain_is_a_command_with_an_example() -> None:
    for command in (("explain",), ("events", "explain"), ("events", "show")):
        code, out, _ = await run_tidings(*command, "--help")
        assert (code, any(line.strip().startswith("Example:") for line in out.splitlines())) == (0, True)
