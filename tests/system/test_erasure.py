"""Forgetting a customer over the wire; and that the log never knew them."""

import json
from pathlib import Path

from bounces_kit import notification
from gateway_kit import RunningGateway, eventually, run_tidings, running_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from smtp_kit import smtp_sink
from tidings.events import convert_one, sample
from tidings.gateway.v1.contact_service_pb2 import Contact
from tidings.gateway.v1.delivery_service_pb2 import ListDeliveriesRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub

RULES = """
version: 1
rules:
  - id: reminder
    event: pointsExpiryReminder
    notify:
      - email: {to: customer, template: expiring}
"""

COUNTS = {
    "contacts": 1,
    "events": 3,
    "deliveries": 3,
    "cancelled": 1,
    "attempts": 2,
    "rejected_bodies": 0,
    "suppressions": 1,
    "under_way": 0,
}


async def test_a_customer_is_forgotten_and_the_log_never_knew_them(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=RULES, orgs=(50750,))
    async with smtp_sink() as smtp:
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
        log = {"form": "json", "level": "debug"}
        async with running_gateway(write_config(tmp_path, rules=str(rules), email=email, log=log)) as gateway:
            to = ("--to", f"127.0.0.1:{gateway.grpc_port}")
            member = Contact(org_id=50750, customer_id="381750905", email="asha@example.com", name="Asha Rao")
            await gateway.upsert(member)
            smtp.script("RCPT", "450 4.2.0 <asha@example.com> later", "550 5.1.1 <asha@example.com>: no such user")
            names = [await published(gateway, number) for number in range(3)]
            await gateway.ended(names[1])
            await run_tidings("bounces", "ingest", *to, stdin=notification(name=names[1]))
            await run_tidings("suppressions", "remove", "50750", "asha@nowhere.example.com", *to)

            code, out, _ = await run_tidings(
                "contacts", "erase", "50750", "381750905", "--yes", "--format", "json", *to
            )
            assert (code, json.loads(out)) == (0, COUNTS)
            code, out, _ = await run_tidings("events", "show", "50750", "e-1", *to)
            assert (code, "asha" in out.lower(), "381750905" in out) == (0, False, False)
            code, _, err = await run_tidings("events", "explain", "50750", "e-1", *to)
            assert (code, "INTERNAL" in err) == (0, False)
            listed = await DeliveryServiceStub(gateway.channel).ListDeliveries(ListDeliveriesRequest(page_size=10))
            assert "asha" not in str(listed).lower()
            assert await gateway.stop() == 0
        assert gateway.log
        told = json.dumps(gateway.log).lower()
        assert [word for word in ("asha", "rao", "381750905") if word in told] == []


async def published(gateway: RunningGateway, number: int) -> str:
    """Publish a reminder and wait until an attempt was made, or it ended without one."""
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = f"e-{number}"
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    (name,) = (await gateway.publish(event)).delivery_ids

    async def looked_at() -> bool:
        found = await gateway.delivery(name)
        return bool(found.attempts) or state_of(found.delivery) == "SUPPRESSED"

    await eventually(looked_at)
    return name
