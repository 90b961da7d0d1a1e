"""The main job over the real wire: gRPC in, e-mail and signed webhooks out."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    details_of,
    open_test_gateway,
    running_gateway,
    state_of,
    write_config,
)
from rulebook_kit import RULES, write_rulebook
from sink_kit import HttpSink, http_sink
from smtp_kit import SmtpSink, smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event, GenericEvent
from tidings.gateway.v1.contact_service_pb2 import Contact

MEMBER = Contact(org_id=50750, customer_id="381750905", email="asha@example.com", name="Asha Rao")

FAILING = """
  - id: fails-on-this-event
    event: pointsExpiryReminder
    when: starts_with(data.customerIdentifiers.instore.email, 'x')
    notify:
      - webhook: {to: crm}
"""


def reminder(points: float = 300, event_id: str = "evt-1") -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = event_id
    event.points_expiry_reminder.points_scheduled_for_expiry = points
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    return event


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpSink]:
    async with smtp_sink() as server:
        yield server


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, smtp: SmtpSink, sink: HttpSink) -> AsyncIterator[RunningGateway]:
    rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES)
    config = write_config(
        tmp_path, rules=str(rules), email={"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
    )
    async with open_test_gateway(config) as running:
        yield running


async def test_an_event_ends_in_an_e_mail_and_a_signed_webhook(
    gateway: RunningGateway, smtp: SmtpSink, sink: HttpSink
) -> None:
    await gateway.upsert(MEMBER)
    answer = await gateway.publish(reminder())
    assert (answer.event_id, answer.duplicate, list(answer.matched_rules)) == ("evt-1", False, ["points-expiring"])
    for name in answer.delivery_ids:
        assert state_of(await gateway.ended(name)) == "DELIVERED"
    (mail,) = smtp.messages
    assert (mail.sender, mail.recipients) == ("rewards@example.com", ("asha@example.com",))
    assert mail.message["subject"] == "300 points are about to expire"
    assert mail.message.get_content().strip() == "Dear Asha Rao, use them by 2099-12-31."
    assert mail.message["message-id"] == f"<{answer.delivery_ids[0]}@example.com>"
    (webhook,) = sink.received
    assert (webhook.verified, webhook.headers["webhook-id"]) == (True, answer.delivery_ids[1])
    assert webhook.json == {
        "type": "loyalty.points_expiring",
        "timestamp": "2023-06-04T07:49:17.859Z",
        "data": {"points": 300},
    }


async def test_too_few_points_concern_nobody(gateway: RunningGateway) -> None:
    answer = await gateway.publish(reminder(points=100))
    assert (list(answer.matched_rules), list(answer.delivery_ids)) == ([], [])


async def test_a_webhook_without_a_body_carries_the_whole_event(gateway: RunningGateway, sink: HttpSink) -> None:
    payload = sample("pointsIssued")
    answer = await gateway.publish(convert_one(payload).event)
    await gateway.ended(answer.delivery_ids[0])
    carried = sink.received[0].json
    assert carried["type"] == "pointsIssued"
    assert carried["data"]["data"]["totalPointsIssued"] == payload["data"]["totalPointsIssued"]
    assert carried["data"]["eventId"] == payload["eventId"]


async def test_a_repeat_is_the_same_event_and_the_same_deliveries(
    gateway: RunningGateway, smtp: SmtpSink, sink: HttpSink
) -> None:
    await gateway.upsert(MEMBER)
    first = await gateway.publish(reminder())
    again = await gateway.publish(reminder())
    assert (again.duplicate, again.delivery_ids, again.matched_rules) == (True, first.delivery_ids, first.matched_rules)
    for name in first.delivery_ids:
        await gateway.ended(name)
    assert (len(smtp.messages), len(sink.received)) == (1, 1)


async def test_events_published_at_the_same_time_are_told_apart(gateway: RunningGateway) -> None:
    answers = await asyncio.gather(*(gateway.publish(reminder(event_id=f"evt-{n % 20}")) for n in range(60)))
    assert sum(not answer.duplicate for answer in answers) == 20
    assert len({name for answer in answers for name in answer.delivery_ids}) == 40


async def test_an_id_used_for_other_content_is_refused(gateway: RunningGateway) -> None:
    await gateway.publish(reminder(points=300))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.publish(reminder(points=301))
    info = ErrorInfo()
    assert details_of(caught.value)[0].Unpack(info)
    assert (caught.value.code(), info.reason, info.domain) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "EVENT_ID_REUSED",
        "tidings",
    )


async def test_a_malformed_event_is_refused_with_the_paths_of_its_faults(gateway: RunningGateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.publish(Event(event_id="e", generic=GenericEvent()))
    request = BadRequest()
    assert details_of(caught.value)[1].Unpack(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert {each.field for each in request.field_violations} == {"event.org_id", "event.generic.name"}


async def test_an_event_without_an_id_gets_one_from_its_content(gateway: RunningGateway) -> None:
    event = reminder()
    event.ClearField("event_id")
    first, again = await gateway.publish(event), await gateway.publish(event)
    assert first.event_id
    assert (again.event_id, again.duplicate) == (first.event_id, True)


async def test_a_customer_without_an_address_is_suppressed_and_harms_nothing(
    gateway: RunningGateway, smtp: SmtpSink
) -> None:
    answer = await gateway.publish(reminder())
    mail = await gateway.ended(answer.delivery_ids[0])
    webhook = await gateway.ended(answer.delivery_ids[1])
    assert (state_of(mail), mail.reason) == ("SUPPRESSED", "no e-mail address is known for customer 381750905")
    assert state_of(webhook) == "DELIVERED"
    assert smtp.messages == []


async def test_points_that_have_expired_are_not_reminded_of(gateway: RunningGateway) -> None:
    event = reminder()
    event.points_expiry_reminder.scheduled_expiry_date = "2023-06-19"
    answer = await gateway.publish(event)
    assert [state_of(await gateway.ended(name)) for name in answer.delivery_ids] == ["EXPIRED", "EXPIRED"]


async def test_one_rule_that_fails_does_not_stop_the_others(tmp_path: Path, sink: HttpSink) -> None:
    rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES + FAILING)
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        answer = await gateway.publish(reminder())
        assert list(answer.matched_rules) == ["points-expiring"]
        failed = [entry for entry in gateway.log if entry["event"] == "rule.failed"]
        assert [(entry["rule"], entry["event_id"]) for entry in failed] == [("fails-on-this-event", "evt-1")]


async def test_no_personal_data_reaches_the_log(tmp_path: Path, smtp: SmtpSink, sink: HttpSink) -> None:
    rules = write_rulebook(tmp_path / "rules", crm=sink.url)
    email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
    smtp.script("RCPT", "550 5.1.1 no such member")
    async with running_gateway(write_config(tmp_path, rules=str(rules), email=email)) as gateway:
        await gateway.upsert(MEMBER)
        answer = await gateway.publish(reminder())
        for name in answer.delivery_ids:
            await gateway.ended(name)
    written = json.dumps(gateway.log)
    assert "delivery.ended" in written
    assert "asha" not in written.lower()
    assert CRM_SECRET not in written
