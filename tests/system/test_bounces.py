"""Messages that came back, from a mailbox's pipe and over HTTP, to the list of suppressed addresses."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bounces_kit import complaint, notification
from gateway_kit import RunningGateway, open_test_gateway, run_tidings, write_config
from rulebook_kit import write_rulebook
from tidings.events import convert_one, sample
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub

ORG = 50750
RULES = """
version: 1
rules:
  - id: reminder
    event: pointsExpiryReminder
    notify:
      - email: {to: customer, template: expiring}
"""
KEY = {"X-Bounce-Key": "open sesame"}


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningGateway]:
    monkeypatch.setenv("BOUNCE_KEY", KEY["X-Bounce-Key"])
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=RULES, orgs=(ORG,))
    config = write_config(
        tmp_path, rules=str(rules), intake={"bounce": {"headers": {"X-Bounce-Key": "env:BOUNCE_KEY"}}}
    )
    async with open_test_gateway(config) as running:
        await running.upsert(pb.Contact(org_id=ORG, customer_id="381750905", email="asha@example.com"))
        yield running


async def sent(gateway: RunningGateway, event_id: str = "e-1") -> str:
    """Send an e-mail to the member; return the name of its delivery."""
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = event_id
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    (name,) = (await gateway.publish(event)).delivery_ids
    await gateway.ended(name)
    return name


async def ingest(gateway: RunningGateway, *arguments: str, stdin: bytes | None = None) -> list[tuple[str, str]]:
    to = ("--to", f"127.0.0.1:{gateway.grpc_port}", "--format", "json")
    code, out, err = await run_tidings("bounces", "ingest", *arguments, *to, stdin=stdin)
    assert (code, err) == (0, "")
    return [(each["verdict"], each["delivery_id"]) for each in json.loads(out)["bounces"]]


async def suppressed(gateway: RunningGateway) -> list[tuple[int, str, str]]:
    answer = await ContactServiceStub(gateway.channel).ListSuppressions(pb.ListSuppressionsRequest())
    return [(each.org_id, each.address, pb.SuppressionReason.Name(each.reason)) for each in answer.suppressions]


async def test_a_notification_from_a_pipe_suppresses_the_address_it_was_sent_to(gateway: RunningGateway) -> None:
    name = await sent(gateway)
    assert await ingest(gateway, stdin=notification(name=name)) == [("suppressed", name)]
    assert await suppressed(gateway) == [(ORG, "asha@example.com", "SUPPRESSION_REASON_HARD_BOUNCE")]
    second = await sent(gateway, "e-2")
    reason = (await gateway.delivery(second)).delivery.reason
    assert reason.endswith("hard_bounce")


async def test_a_mailbox_is_read_message_by_message(gateway: RunningGateway, tmp_path: Path) -> None:
    name = await sent(gateway)
    messages = [
        notification(name=name, status="5.7.1", diagnostic="smtp; 550 5.7.1 listed"),
        complaint(name=name),
        b"Subject: out of office\n\nI am away.\n",
        notification(),
    ]
    box = tmp_path / "bounces.mbox"
    box.write_bytes(b"".join(b"From MAILER-DAEMON Sun Nov 22 01:00:00 2026\n" + each + b"\n" for each in messages))
    assert await ingest(gateway, str(box)) == [
        ("harmless", name),
        ("suppressed", name),
        ("neither", ""),
        ("stranger", ""),
    ]
    assert await suppressed(gateway) == [(ORG, "asha@example.com", "SUPPRESSION_REASON_COMPLAINT")]


async def test_an_address_that_has_changed_since_is_not_to_blame(gateway: RunningGateway) -> None:
    name = await sent(gateway)
    await gateway.upsert(pb.Contact(org_id=ORG, customer_id="381750905", email="asha@new.example.com"))
    assert await ingest(gateway, stdin=notification(name=name)) == [("harmless", name)]
    assert await suppressed(gateway) == []


async def post(gateway: RunningGateway, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    url = f"http://127.0.0.1:{gateway.http_port}/intake/bounce"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_notification_is_taken_over_http_from_those_who_know_the_secret(gateway: RunningGateway) -> None:
    name = await sent(gateway)
    for headers in ({}, {"X-Bounce-Key": "open barley"}):
        assert (await post(gateway, complaint(name=name), headers))[0] == 401
    assert await suppressed(gateway) == []
    status, answer = await post(gateway, complaint(name=name), KEY)
    assert (status, answer["verdict"], answer["delivery_id"]) == (200, "suppressed", name)
    assert (await post(gateway, b"nonsense", KEY))[1]["verdict"] == "neither"
    assert await suppressed(gateway) == [(ORG, "asha@example.com", "SUPPRESSION_REASON_COMPLAINT")]


async def test_the_intake_is_closed_unless_it_is_configured(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        url = f"http://127.0.0.1:{gateway.http_port}/intake/bounce"
        async with aiohttp.ClientSession() as session, session.post(url, data=notification()) as answer:
            assert answer.status == 404
