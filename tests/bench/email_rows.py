"""From an event to an accepted and recorded e-mail, beside a pooled aiosmtplib loop that has its messages ready.

Beside it stands a loop that writes its messages as well, with Jinja2 and the standard library. Neither peer decides,
looks anything up or records what became of a message.
"""

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import aiosmtplib
import uvloop
from jinja2 import Environment
from measuring import Row, compared
from smtp_process import SmtpProcess, smtp_process

from gateway_kit import CRM_SECRET, RunningGateway, running_gateway, write_config
from tidings.events import convert_one, native_view, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

_MESSAGES: Final = 8_000
"""Two seconds of them: of 2,000 the first commit, the first lease and the last settlement were a good tenth."""
_RUNS: Final = 3
_GOAL: Final = 0.7
_CONNECTIONS: Final = 10
_CALLERS: Final = 4
_BATCH: Final = 100
CUSTOMERS: Final = 500
_ORG: Final = 50750
_PATIENCE: Final = 120.0
_UNSHAPED: Final = {"default": {"connections": None, "rate": None}}
_RULES: Final = """\
version: 1
rules:
  - id: points-expiring-soon
    event: pointsExpiryReminder
    when: data.pointsScheduledForExpiry > `100`
    expires_at: data.scheduledExpiryDate
    notify: [{{email: {{to: customer, template: {template}}}}}]
"""
_BRAND: Final = f"""
version: 1
brands: [{{org: {_ORG}, name: Example Rewards, from: Example Rewards <rewards@example.com>}}]
"""
_PLAIN: Final = """\
---
subject: "{{ data.pointsScheduledForExpiry | int }} points are about to expire"
---
Dear {{ contact.name | default("member") }},

{{ data.pointsScheduledForExpiry | int }} points in {{ data.loyaltyProgramDetails.name }} expire on
{{ data.scheduledExpiryDate }}. Use them before they are gone: https://www.example.com/rewards

{{ brand.name }}
"""
_SHIPPED: Final = Path(__file__).parents[2] / "rules" / "templates"
_DELIVERED: Final = re.compile(
    r'^tidings_deliveries_ended_total\{channel="email",state="delivered"\} (\S+)$', re.MULTILINE
)


def email() -> Sequence[Row]:
    """Compare, both sides asserted to have brought the same number of distinct messages of the same size."""
    return [*_rows("expiring", "plain text"), *_rows("points-expiring-soon", "the shipped MJML template")]


def _rows(template: str, kind: str) -> Sequence[Row]:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        return uvloop.run(_measure(Path(folder), template, kind))


async def _measure(folder: Path, template: str, kind: str) -> Sequence[Row]:
    os.environ.setdefault("EXAMPLE_CRM_SECRET", CRM_SECRET)
    ours: list[float] = []
    peer: list[float] = []
    writing: list[float] = []
    async with smtp_process() as server:
        async with running_gateway(configure(folder, server.port, template)) as gateway:
            await gateway.upsert(*(contact(number) for number in range(CUSTOMERS)))
            await deliver(gateway, server, "warm")
            taken = await server.taken()
            size = taken["size"] // taken["messages"]
            for run in range(_RUNS):
                ours.append(await deliver(gateway, server, f"run-{run}"))
                peer.append(await _peer(server, _ready(f"run-{run}", size)))
                if template == "expiring":
                    writing.append(await _peer(server, _written(f"run-{run}")))
        ceiling = await _ceiling(server, size=size)
    work = f"{_MESSAGES:,} e-mails of {size / 1000:.1f} kB, {kind}, published {_BATCH} a call"
    pool = f"aiosmtplib, {_CONNECTIONS} connections"
    note = f"{work}; peer: {pool}, messages ready; the SMTP server takes up to {ceiling:,.0f}/s"
    rows = [compared("email", ours, peer, unit="e-mails/s", goal=_GOAL, note=note)]
    if writing:
        note = f"{work}; peer: {pool}, each message written by Jinja2 and email.message as it is sent"
        rows.append(compared("email", ours, writing, unit="e-mails/s", goal=None, note=note))
    return rows


def configure(folder: Path, port: int, template: str) -> Path:
    """Write a gateway's configuration whose one rule sends a template; return its path."""
    rules = folder / "rules"
    shutil.copytree(_SHIPPED, rules / "templates")
    (rules / "templates" / "expiring.en.txt").write_text(_PLAIN)
    (rules / "brands").mkdir()
    (rules / "brands" / "example.yaml").write_text(_BRAND)
    (rules / "loyalty.yaml").write_text(_RULES.format(template=template))
    transport = f"smtp://127.0.0.1:{port}?tls=none"
    email = {"transport": transport, "connections": _CONNECTIONS, "domains": _UNSHAPED}
    return write_config(folder, rules=str(rules), email=email, dispatch={})


def contact(number: int) -> Contact:
    """Return a customer of the brand."""
    return Contact(org_id=_ORG, customer_id=str(number), email=f"customer-{number}@example.com", name="Asha Rao")


def _event(name: str, number: int) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.org_id = _ORG
    event.event_id = f"{name}-{number}"
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    event.points_expiry_reminder.customer_identifiers.customer_id = number % CUSTOMERS
    return event


async def deliver(gateway: RunningGateway, server: SmtpProcess, name: str, *, count: int = _MESSAGES) -> float:
    """Publish from several callers; return e-mails a second until all are accepted and recorded as delivered."""
    events = [_event(name, number) for number in range(count)]
    before, delivered_before = await server.taken(), await _delivered(gateway)
    waiting = iter([events[start : start + _BATCH] for start in range(0, count, _BATCH)])
    stub = EventServiceStub(gateway.channel)

    async def caller() -> None:
        for batch in waiting:
            answer = await stub.PublishBatch(PublishBatchRequest(events=batch), timeout=_PATIENCE)
            if any(len(each.published.delivery_ids) != 1 for each in answer.results):
                raise AssertionError("an event was to call for one e-mail")

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    while (await server.taken())["messages"] - before["messages"] < count:
        _check_patience(began)
        await asyncio.sleep(0.01)
    while await _delivered(gateway) - delivered_before < count:
        _check_patience(began)
        await asyncio.sleep(0.005)
    took = time.perf_counter() - began
    await _assert_distinct(server, before, count)
    return count / took


async def _peer(server: SmtpProcess, waiting: Iterator[tuple[str, bytes]]) -> float:
    """Send messages, each as it is asked for, over as many connections as ours; return e-mails a second."""
    before = await server.taken()

    async def connection() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port, start_tls=False) as client:
            for recipient, content in waiting:
                await client.sendmail("rewards@example.com", [recipient], content)

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    took = time.perf_counter() - began
    await _assert_distinct(server, before)
    return _MESSAGES / took


def _ready(name: str, size: int) -> Iterator[tuple[str, bytes]]:
    return iter([_message(name, number, size) for number in range(_MESSAGES)])


def _written(name: str) -> Iterator[tuple[str, bytes]]:
    """Write the plain message for each event when its turn comes; templates and what they see stand ready."""
    _, front, body = _PLAIN.split("---\n", 2)
    jinja = Environment(autoescape=False)  # noqa: S701 (plain text, as ours)
    subject, text = (jinja.from_string(each) for each in (front.removeprefix('subject: "').rstrip('"\n'), body))
    view: dict[str, Any] = {**native_view(_event(name, 0)), "brand": {"name": "Example Rewards"}}
    for number in range(_MESSAGES):
        seen = {**view, "contact": {"name": "Asha Rao"}}
        message = EmailMessage(policy=SMTP)
        message["From"] = "Example Rewards <rewards@example.com>"
        message["To"] = f"customer-{number % CUSTOMERS}@example.com"
        message["Subject"] = subject.render(seen)
        message["Message-ID"] = f"<{name}-{number}@writing-peer>"
        message.set_content(text.render(seen))
        yield message["To"], bytes(message)


async def _ceiling(server: SmtpProcess, *, size: int) -> float:
    """Return how many messages a second the server takes from a client that waits for nothing."""

    async def connection(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for turn in range(_MESSAGES // _CONNECTIONS):
            recipient, content = _message(f"ceiling-{number}", turn, size)
            head = f"MAIL FROM:<rewards@example.com>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
            writer.write(head.encode() + content + b".\r\n")
            await writer.drain()
        writer.write(b"QUIT\r\n")
        await reader.read()  # until the server hangs up
        writer.close()

    before = await server.taken()
    began = time.perf_counter()
    await asyncio.gather(*(connection(number) for number in range(_CONNECTIONS)))
    took = time.perf_counter() - began
    await _assert_distinct(server, before)
    return _MESSAGES / took


def _message(name: str, number: int, size: int) -> tuple[str, bytes]:
    recipient = f"customer-{number % CUSTOMERS}@example.com"
    head = f"From: rewards@example.com\r\nTo: {recipient}\r\nSubject: s\r\nMessage-ID: <{name}-{number}@peer>\r\n\r\n"
    line = "x" * 70 + "\r\n"
    room = size - len(head)
    return recipient, (head + line * (room // len(line)) + "x" * (room % len(line)) + "\r\n").encode()


async def _delivered(gateway: RunningGateway) -> int:
    url = f"http://127.0.0.1:{gateway.http_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        found = _DELIVERED.search(await response.text())
    return int(float(found[1])) if found else 0


async def _assert_distinct(server: SmtpProcess, before: dict[str, int], count: int = _MESSAGES) -> None:
    taken = await server.taken()
    gained = {name: taken[name] - before[name] for name in ("messages", "distinct")}
    if gained != {"messages": count, "distinct": count}:
        raise AssertionError(f"the server was to take {count} messages, each with its own Message-ID: {gained}")


def _check_patience(began: float) -> None:
    if time.perf_counter() - began > _PATIENCE:
        raise AssertionError("the e-mails did not arrive in time")
