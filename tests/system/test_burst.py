"""More calls at once than the gateway can take up: none is turned away without a word."""

import asyncio
import signal
from pathlib import Path

import pytest

from gateway_kit import running_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event

CALLS = 4_000


def uninteresting(number: int) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = f"burst-{number}"
    event.points_expiry_reminder.points_scheduled_for_expiry = 1
    return event


@pytest.mark.long
async def test_calls_that_pile_up_while_the_gateway_is_starved_are_all_taken(tmp_path: Path) -> None:
    """gRPC cancels calls at random once 1,000 have piled up, unless told otherwise."""
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        gateway.process.send_signal(signal.SIGSTOP)
        events = [uninteresting(number) for number in range(CALLS)]
        calls = [asyncio.create_task(gateway.publish(event, timeout=60)) for event in events]
        await asyncio.sleep(1)
        gateway.process.send_signal(signal.SIGCONT)
        answers = await asyncio.gather(*calls)
    assert [answer.event_id for answer in answers] == [event.event_id for event in events]
