"""RuleService.Preview and SendTest over the real wire, with a real relay and a real receiver."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from gateway_kit import CRM_SECRET, RunningGateway, details_of, open_test_gateway, run_tidings, write_config
from preview_kit import preview_rulebook
from sink_kit import HttpSink, http_sink
from smtp_kit import SmtpSink, smtp_sink
from tidings.access import Key, KeyFile, Permission, new_key
from tidings.client import open_channel
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2 import Contact
from tidings.gateway.v1.event_service_pb2 import ListEventsRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub
from tidings.rulebook import read_folder

ORG = 50750
ASHA = Contact(org_id=ORG, customer_id="381750905", email="asha@example.com", name="Asha", locale="de")
TESTER = "tester@example.org"


@dataclass(frozen=True, slots=True)
class Desk:
    """A running gateway, its rulebook's folder and its far sides."""

    gateway: RunningGateway
    folder: Path
    smtp: SmtpSink
    crm: HttpSink
    rules: Any

    def files(self) -> list[pb.RulebookFile]:
        return [pb.RulebookFile(path=each.path, content=each.data) for each in read_folder(self.folder)]

    async def send(self, **fields: Any) -> pb.SendTestResponse:
        given: dict[str, Any] = {"event": event(), "rule_id": "reminder"} | fields
        sent: pb.SendTestResponse = await self.rules.SendTest(pb.SendTestRequest(**given))
        return sent

    @property
    def to(self) -> tuple[str, str]:
        return ("--to", f"127.0.0.1:{self.gateway.grpc_port}")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with smtp_sink() as smtp, http_sink(CRM_SECRET) as crm:
        folder = preview_rulebook(tmp_path / "rules", crm=crm.url)
        email = {"transport": f"smtp://{smtp.host}:{smtp.port}?tls=none", "timeout": "2s"}
        config = write_config(tmp_path, rules=str(folder), reload={"every": 0}, email=email)
        async with open_test_gateway(config) as gateway:
            yield Desk(gateway, folder, smtp, crm, RuleServiceStub(gateway.channel))


def event(*, points: int = 300) -> Event:
    payload = sample("pointsExpiryReminder")
    payload["data"]["pointsScheduledForExpiry"] = points
    payload["data"]["scheduledExpiryDate"] = "2099-12-31"
    return convert_one(payload).event


def parts_of(message: EmailMessage) -> dict[str, str]:
    """Return the parts of an e-mail by type, their lines ended as ours are."""
    parts = (part for part in message.walk() if not part.is_multipart())
    return {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in parts}


async def code_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), str(refused.value.details())


async def test_the_preview_is_what_is_then_sent(desk: Desk) -> None:
    await desk.gateway.upsert(ASHA)
    shown = await desk.rules.Preview(pb.PreviewRequest(event=event(), customer_id="381750905", rule_id="reminder"))
    assert not desk.smtp.messages
    assert not desk.crm.received
    assert not await desk.gateway.deliveries()
    published = await desk.gateway.publish(event())
    for name in published.delivery_ids:
        await desk.gateway.ended(name)
    (received,) = desk.smtp.messages
    email, webhook = shown.messages[0].email, shown.messages[1].webhook
    message = received.message
    parts = parts_of(message)
    assert received.recipients == (email.address,) == ("asha@example.com",)
    assert (message["subject"], message["from"]) == (email.subject, email.sender)
    assert email.subject == "300 Punkte verfallen"
    assert parts["text/plain"].strip() == email.text.strip()
    assert parts["text/html"].strip() == email.html.strip()
    sent = {call.json["type"]: call for call in desk.crm.received}[webhook.type]
    assert sent.json["data"] == json.loads(webhook.body)["data"]
    told = {header.name: header.value for header in webhook.headers}
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= {each.lower() for each in sent.headers}
    assert sent.headers["webhook-id"] == told["webhook-id"]
    assert CRM_SECRET not in str(shown)


async def test_a_contact_may_be_supposed_and_a_rulebook_given(desk: Desk) -> None:
    template = desk.folder / "templates" / "reminder.en.html"
    template.write_text(template.read_text().replace("Hello", "Good day"))
    supposed = Contact(email="rao@example.com", name="Rao", org_id=1, customer_id="other")
    asked = pb.PreviewRequest(event=event(), contact=supposed, files=desk.files(), rule_id="reminder", all_locales=True)
    shown = await desk.rules.Preview(asked)
    emails = [each.email for each in shown.messages if each.HasField("email")]
    assert [each.locale for each in emails] == ["de", "en"]
    assert emails[1].text.strip() == "Good day Rao, your address is rao@example.com."


async def test_why_nothing_matches_comes_along(desk: Desk) -> None:
    shown = await desk.rules.Preview(pb.PreviewRequest(event=event(points=40), rule_id="reminder"))
    (rule,) = shown.evaluation.rules
    assert not shown.messages
    assert (rule.verdict, rule.matched) == (pb.VERDICT_NOT_TRUE, False)
    assert "with 40" in rule.reason


async def test_what_cannot_be_previewed_is_refused(desk: Desk) -> None:
    bad = Contact(locale="!")
    for request, code, said in [
        (pb.PreviewRequest(event=event(), customer_id="nobody"), grpc.StatusCode.NOT_FOUND, "no contact"),
        (pb.PreviewRequest(event=event(), contact=bad), grpc.StatusCode.INVALID_ARGUMENT, "contact.locale"),
        (pb.PreviewRequest(event=event(), rule_id="nothing"), grpc.StatusCode.NOT_FOUND, "no rule"),
        (pb.PreviewRequest(event=Event()), grpc.StatusCode.INVALID_ARGUMENT, "event"),
    ]:
        found, told = await code_of(desk.rules.Preview(request))
        assert (found, said in told) == (code, True), told


async def test_a_test_goes_to_the_given_address_alone_and_is_marked(desk: Desk) -> None:
    await desk.gateway.upsert(ASHA)
    (sent,) = (await desk.send(address=TESTER, customer_id="381750905")).sent
    (received,) = desk.smtp.messages
    message = received.message
    assert received.recipients == (TESTER,)
    assert (sent.rule_id, sent.recipient, sent.outcome) == ("reminder", f"address:{TESTER}", "accepted")
    assert (message["subject"], message["to"], message["x-tidings-test"]) == (sent.subject, TESTER, "true")
    assert sent.subject == "[test] 300 Punkte verfallen"
    parts = parts_of(message)
    notice = "This is a test of the rule reminder for pointsExpiryReminder. It was sent to this address only."
    assert parts["text/plain"].startswith(f"{notice}\n\nHallo Asha")
    body = parts["text/html"].partition("<body")[2]
    assert body.index("Use them by") < body.index(notice) < body.index("Hallo")
    assert message["message-id"].startswith("<test_")
    assert not [name for name in message if name.lower().startswith("list-")]
    assert not desk.crm.received


async def test_nothing_of_a_test_is_recorded(desk: Desk) -> None:
    await desk.send(address=TESTER, endpoint="crm")
    listed = await EventServiceStub(desk.gateway.channel).ListEvents(ListEventsRequest())
    assert not listed.events
    assert not await desk.gateway.deliveries()


async def test_a_webhook_is_tested_only_at_an_endpoint_that_is_named(desk: Desk) -> None:
    (sent,) = (await desk.send(endpoint="crm")).sent
    (call,) = desk.crm.received
    assert (sent.recipient, sent.outcome, sent.status_code) == ("endpoint:crm", "accepted", 200)
    assert call.verified
    assert call.json["type"] == "tidings.test"
    assert call.json["data"]["rule"] == "reminder"
    assert call.json["data"]["message"]["type"] == "loyalty.expiring"
    assert call.json["data"]["message"]["data"] == {"points": 300}
    assert not desk.smtp.messages


async def test_a_given_rulebook_writes_but_neither_sends_in_anothers_name_nor_names_the_endpoint(desk: Desk) -> None:
    brands = desk.folder / "brands" / "all.yaml"
    other = brands.read_text().replace("rewards@example.com", "ceo@bank.example").replace("/hooks", "/elsewhere")
    brands.write_text(other.replace("env:EXAMPLE_CRM_SECRET", "env:HOME"))
    await desk.send(address=TESTER, endpoint="crm", files=desk.files())
    (received,), (call,) = desk.smtp.messages, desk.crm.received
    assert received.sender == "rewards@example.com"
    assert "bank" not in received.content.decode()
    assert (call.path, call.verified) == ("/hooks", True)


async def test_what_cannot_be_tested_is_refused_and_nothing_goes_out(desk: Desk) -> None:
    nobodys = event()
    nobodys.org_id = 7
    cases: list[tuple[dict[str, Any], grpc.StatusCode, str]] = [
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "address"),
        ({"address": "a@b\r\nBcc: c@d"}, grpc.StatusCode.INVALID_ARGUMENT, "address"),
        ({"endpoint": "nowhere"}, grpc.StatusCode.NOT_FOUND, "no endpoint"),
        ({"address": TESTER, "event": event(points=4)}, grpc.StatusCode.FAILED_PRECONDITION, "with 4"),
        ({"address": TESTER, "rule_id": "many"}, grpc.StatusCode.FAILED_PRECONDITION, "near miss"),
        ({"address": TESTER, "event": nobodys}, grpc.StatusCode.FAILED_PRECONDITION, "no brand"),
    ]
    for fields, code, said in cases:
        found, told = await code_of(desk.send(**fields))
        assert (found, said in told) == (code, True), told
    assert not desk.smtp.messages
    assert not desk.crm.received


async def test_a_refusal_of_the_relay_is_told_and_not_tried_again(desk: Desk) -> None:
    desk.smtp.script("RCPT", "550 5.1.1 no such user")
    (sent,) = (await desk.send(address=TESTER)).sent
    assert (sent.outcome, sent.status_code, "no such user" in sent.detail) == ("refused", 550, True)
    assert desk.smtp.verbs.count("RCPT") == 1


async def test_the_eleventh_test_of_a_minute_is_refused_with_a_time(desk: Desk) -> None:
    for _ in range(10):
        await desk.send(address=TESTER)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await desk.send(address=TESTER)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = RetryInfo()
    assert any(detail.Unpack(retry) for detail in details_of(refused.value))
    assert 0 < retry.retry_delay.ToMilliseconds() <= 60_000
    assert len(desk.smtp.messages) == 10


async def test_the_command_sends_its_own_rulebook_along(desk: Desk) -> None:
    await desk.gateway.upsert(ASHA)
    template = desk.folder / "templates" / "reminder.de.html"
    template.write_text(template.read_text().replace("Hallo", "Guten Tag"))
    asked = (str(desk.folder), "pointsExpiryReminder", "--rule", "reminder", "--customer", "381750905", *desk.to)
    code, out, err = await run_tidings("preview", *asked)
    assert (code, err, "Guten Tag Asha" in out) == (0, "", True), out
    code, out, err = await run_tidings("preview", "-", *asked[1:])
    assert (code, err, "Hallo Asha" in out) == (0, "", True), out
    code, out, err = await run_tidings("preview", *asked, "--send-to", TESTER)
    assert (code, out.startswith(f"reminder to address:{TESTER}: accepted")) == (0, True), err
    assert "Guten Tag" in desk.smtp.messages[0].content.decode()
    desk.smtp.script("RCPT", "550 5.1.1 no such user")
    code, out, _ = await run_tidings("preview", *asked, "--send-to", TESTER, "--format", "json")
    assert (code, json.loads(out)["sent"][0]["outcome"]) == (1, "refused")


async def test_a_key_that_may_not_look_at_customers_looks_none_up(tmp_path: Path) -> None:
    reader, operator = new_key(), new_key()
    keys = [
        Key(
            id=made.id,
            name="k",
            digest=made.digest,
            orgs=frozenset({ORG}),
            permissions=frozenset(may),
            created_at=datetime.now(UTC),
        )
        for made, may in ((reader, {Permission.READ}), (operator, {Permission.READ, Permission.OPERATE}))
    ]
    KeyFile(tmp_path / "keys.yaml").write(keys)
    folder = preview_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(folder), auth={"keys": str(tmp_path / "keys.yaml")})
    async with open_test_gateway(config) as gateway:
        address = f"127.0.0.1:{gateway.grpc_port}"
        async with open_channel(address, key=reader.token) as one, open_channel(address, key=operator.token) as other:
            looking, operating = RuleServiceStub(one), RuleServiceStub(other)
            shown = await looking.Preview(pb.PreviewRequest(event=event(), contact=ASHA))
            assert shown.messages
            by_id = pb.PreviewRequest(event=event(), customer_id="381750905")
            assert (await code_of(looking.Preview(by_id)))[0] is grpc.StatusCode.PERMISSION_DENIED
            test = pb.SendTestRequest(address=TESTER, event=event(), customer_id="381750905")
            for stub in (looking, operating):
                assert (await code_of(stub.SendTest(test)))[0] is grpc.StatusCode.PERMISSION_DENIED
