"""Logs name nobody and give nothing away, whatever comes in and whatever goes wrong."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import structlog

from gateway_kit import CRM_SECRET, RunningGateway, run_tidings, running_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from smtp_kit import SmtpSink, smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event, GenericEvent, UnmodelledField
from tidings.gateway.v1.contact_service_pb2 import Contact
from tidings.gateway.v1.event_service_pb2 import PublishJsonRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.telemetry import blotted, get_logger, relay
from tidings.telemetry.logs import configure_logging

CUSTOMER = 381750905
MEMBER = Contact(org_id=50750, customer_id=str(CUSTOMER), email="asha.rao@members.example", name="Asha Raoveth")
PHONE = "+919876501234"
INTAKE_SECRET = "made-up-intake-secret-77"
K42_SECRET = "made-up-signing-secret-88"
ECHO = "no such member: asha.rao@members.example, Asha Raoveth"
RULES = """
version: 1
rules:
  - id: points-expiring
    event: pointsExpiryReminder
    retry: [1s]
    notify:
      - email: {to: customer, template: expiring}
      - email: {to: {path: data.customerIdentifiers.instore.externalId}, template: expiring}
      - email: {to: customer, template: breaks}
      - webhook: {to: crm, body: {note: data.customerIdentifiers.instore.externalId}}
  - id: fails
    event: pointsExpiryReminder
    when: days_until(data.customerIdentifiers.instore.externalId) > `1`
    notify: [webhook: {to: crm}]
"""
TEMPLATE = """---
subject: Confidential greeting
---
Your balance of 4242 is nobody else's business. {{ data.scheduledExpiryDate | date if contact else contact.name }}
"""
BREAKS = """---
subject: Confidential greeting
---
{% if "veth" in contact.name %}{{ contact.name | date }}{% endif %}
"""


def reminder() -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = "evt-1"
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    event.points_expiry_reminder.customer_identifiers.customer_id = CUSTOMER
    event.points_expiry_reminder.customer_identifiers.instore.external_id = "Ashuveth Rao"
    event.unmodelled.append(UnmodelledField(path="/data/mobile", json=json.dumps(PHONE)))
    return event


def personal() -> Iterator[str]:
    """What must not be in a log."""
    yield from (MEMBER.email, "asha.rao", MEMBER.name, MEMBER.customer_id, PHONE, PHONE[3:], "Ashuveth", "Raoveth")
    yield from ("Confidential greeting", "nobody else", "no such member", "Mallory", "mallory@members.example")
    yield from (CRM_SECRET, CRM_SECRET.removeprefix("whsec_"), INTAKE_SECRET, K42_SECRET, "tdg_wrongkey")
    yield from _texts_about_people(sample("pointsExpiryReminder")["data"]["customerIdentifiers"])


def _texts_about_people(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts_about_people(each)
    elif isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) > 4:
        yield str(value)


async def bad_input(gateway: RunningGateway) -> None:
    """Send what cannot be used, by every way in."""
    stub = EventServiceStub(gateway.channel)
    for event in (Event(org_id=50750, generic=GenericEvent(name="")), Event(event_id="Mallory\n", org_id=-1)):
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.publish(event)
    with pytest.raises(grpc.aio.AioRpcError):
        await gateway.upsert(Contact(org_id=50750, customer_id="9", email="mallory@members.example\nBcc: x", name="M"))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.PublishJson(PublishJsonRequest(body=b'{"Mallory": "mallory@members.example"'))


async def vendors(gateway: RunningGateway) -> None:
    """Post good, bad, unsigned and unreadable bodies."""
    good = json.dumps([sample("pointsIssued"), {"eventName": "x", "mallory@members.example": {"Mallory": PHONE}}])
    twice = (
        '{"eventName": "pointsIssued", "orgId": 50750, "data": {"Mallory": 1, "Mallory": "mallory@members.example"}}'
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http:
        for body in (good, twice, '{"Mallory', f'{{"orgId": "Mallory {PHONE}"}}'):
            for secret in (INTAKE_SECRET, "Mallory"):
                async with http.post("/intake/capillary", data=body, headers={"X-Api-Key": secret}) as response:
                    await response.read()
            async with http.post("/intake/k42", data=body, headers={"x-k42-signature": "Mallory"}) as response:
                assert response.status == 401
        await http.get("/readyz", headers={"Authorization": "Bearer tdg_wrongkey"})


async def published(gateway: RunningGateway, smtp: SmtpSink, sink: HttpSink) -> None:
    """Publish; e-mails are refused with the recipient's name, the endpoint repeats what it was sent."""
    smtp.script("RCPT", f"550 5.1.1 {ECHO}", f"451 4.2.0 {ECHO}")
    sink.script(
        Reply(status=500, body=ECHO.encode(), echo=lambda headers: f"{ECHO} {dict(headers)}"), Reply(status=400)
    )
    answer = await gateway.publish(reminder())
    ended = [state_of(await gateway.ended(name)) for name in answer.delivery_ids]
    assert "DEAD" in ended


async def contacts(folder: Path, gateway: RunningGateway) -> None:
    """Import a file of contacts, one of which is no good."""
    rows = [
        f"50750,{CUSTOMER},{MEMBER.email},{MEMBER.name}",
        "50750,9,mallory@members.example,Mallory",
        "50750,,Mallory,",
    ]
    (folder / "members.csv").write_text("\n".join(["org,customer_id,email,name", *rows]) + "\n")
    await run_tidings("contacts", "import", str(folder / "members.csv"), "--to", f"127.0.0.1:{gateway.grpc_port}")
    await gateway.upsert(MEMBER)


async def test_nothing_personal_and_no_secret_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_SECRET", INTAKE_SECRET)
    monkeypatch.setenv("K42_SECRET", K42_SECRET)
    intake = {
        "capillary": {"headers": {"X-Api-Key": "env:INTAKE_SECRET"}},
        "k42": {"org": 50750, "secret": "env:K42_SECRET", "callback_url": "https://notify.example.com/intake/k42"},
    }
    async with smtp_sink() as smtp, http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=f"{sink.url}?token=made-up-url-token-99", rules=RULES)
        (rules / "templates" / "expiring.en.txt").write_text(TEMPLATE)
        (rules / "templates" / "breaks.en.txt").write_text(BREAKS)
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
        log = {"level": "debug", "form": "json"}
        config = write_config(tmp_path, rules=str(rules), email=email, intake=intake, log=log)
        async with running_gateway(config) as gateway:
            await contacts(tmp_path, gateway)
            await published(gateway, smtp, sink)
            await bad_input(gateway)
            await vendors(gateway)
            assert await gateway.stop() == 0
    written = json.dumps(gateway.log, ensure_ascii=False)
    assert {"event.refused", "rule.failed", "delivery.deferred", "delivery.ended"} <= {
        str(entry["event"]) for entry in gateway.log
    }
    assert [text for text in (*personal(), "made-up-url-token-99") if text in written] == []


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines; the process's own logging is as before afterwards."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    configure_logging(level="debug", form="json", stream=stream)
    yield stream
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def fail(secret: str) -> None:
    try:
        int(secret)
    except ValueError as error:
        raise LookupError(f"no member {secret} of {secret!r}") from error


def test_errors_are_told_with_their_places_but_without_what_they_quote(written: io.StringIO) -> None:
    try:
        fail("asha@example.com")
    except LookupError:
        get_logger().exception("request.fault", fields=["asha@example.com", "event.data"])
    text = written.getvalue()
    entry = json.loads(text)
    assert "asha" not in text
    assert [each["exc_type"] for each in entry["exception"]] == ["LookupError", "ValueError"]
    assert entry["exception"][0]["frames"][-1]["name"] == "fail"
    assert (entry["exception"][0]["exc_value"], entry["fields"]) == ("no member … of …", ["…", "event.data"])


def test_a_traceback_for_people_says_as_little(written: io.StringIO) -> None:
    configure_logging(form="console", stream=written)
    try:
        fail("asha@example.com")
    except LookupError:
        get_logger().exception("request.fault")
    lines = written.getvalue().splitlines()
    assert "asha" not in written.getvalue()
    assert "which led to:" in lines
    assert lines[-1] == "LookupError: no member … of …"


_GATHERING = """
import json, sys
from tidings.telemetry import events, gather_logs, get_logger
entries = []
gather_logs(entries)
get_logger().warning(events.CONTACT_MERGE_LEFT_OUT, org=50750)
print(json.dumps([entries, "structlog" in sys.modules]))
"""


def test_what_another_process_gathers_without_structlog_is_said_here(written: io.StringIO) -> None:
    told = subprocess.run([sys.executable, "-c", _GATHERING], capture_output=True, check=True, timeout=60)
    entries, has_structlog = json.loads(told.stdout)
    relay(entries)
    entry = json.loads(written.getvalue())
    assert not has_structlog
    assert (entry["event"], entry["level"], entry["org"]) == ("contact.merge_left_out", "warning", 50750)


async def test_what_libraries_warn_of_is_logged_without_its_values(written: io.StringIO) -> None:
    async def lost() -> None:
        raise ValueError("cannot write to 'asha@example.com'")

    task = asyncio.create_task(lost())
    await asyncio.wait({task})
    del task  # asyncio warns of the exception that nobody took
    logging.getLogger("some.library").warning("refused %s", "asha@example.com")
    logging.getLogger("some.library").debug("said %s", "asha@example.com")
    entries = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(each["library"], each["level"]) for each in entries] == [("asyncio", "error"), ("some.library", "warning")]
    assert entries[1]["text"] == "refused %s"
    assert "asha" not in written.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("days_until() cannot read 'Asha Rao' as a time", "days_until() cannot read … as a time"),
        ("can't deliver to asha@example.com, sorry", "can't deliver to …, sorry"),
        ("call +91 98765 01234 now", "call +… now"),
        ("attempt 3 of 8 took 1200 ms", "attempt 3 of 8 took 1200 ms"),
        ("no \"x\" and no 'y'", "no … and no …"),
    ],
)
def test_blotting_leaves_the_sense(text: str, expected: str) -> None:
    assert blotted(text) == expected
