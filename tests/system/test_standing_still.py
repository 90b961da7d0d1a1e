"""A gateway that stands still for longer than it waits for answers, and goes on: what was answered meanwhile counts."""

import asyncio
import signal
from pathlib import Path

from gateway_kit import CRM_SECRET, RunningGateway, eventually, running_gateway, write_config
from rulebook_kit import write_rulebook
from sink_kit import Reply, http_sink
from smtp_kit import Slow, smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact

ANSWERED_AFTER = 0.3
TIMEOUT = 1.0


def reminder() -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    return event


async def stand_still(gateway: RunningGateway) -> None:
    gateway.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(2 * TIMEOUT)
    gateway.process.send_signal(signal.SIGCONT)


async def test_an_answer_that_came_while_the_gateway_stood_still_is_taken(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as hooks, smtp_sink() as smtp:
        hooks.script(Reply(delay=ANSWERED_AFTER))
        smtp.script("MESSAGE", Slow(ANSWERED_AFTER))
        config = write_config(
            tmp_path,
            rules=str(write_rulebook(tmp_path / "rules", crm=hooks.url)),
            email={"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": f"{TIMEOUT}s"},
            webhook={"allow_networks": ["127.0.0.0/8"], "timeout": f"{TIMEOUT}s"},
            dispatch={"lease": "30s"},
        )
        async with running_gateway(config) as gateway:
            event = reminder()
            identifiers = event.points_expiry_reminder.customer_identifiers
            contact = Contact(org_id=event.org_id, customer_id=str(identifiers.customer_id), email="c@example.com")
            await gateway.upsert(contact)
            published = await gateway.publish(event)

            async def both_came() -> bool:
                return bool(hooks.received and smtp.messages)

            await eventually(both_came)
            await stand_still(gateway)
            for name in published.delivery_ids:
                await gateway.ended(name)
                assert len((await gateway.delivery(name)).attempts) == 1
        assert (len(hooks.received), len(smtp.messages)) == (1, 1)
