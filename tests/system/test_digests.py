"""Digests over the wire: what was gathered before kills and restarts becomes one message after them."""

import sqlite3
from pathlib import Path

from gateway_kit import CRM_SECRET, running_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from smtp_kit import smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event

RULES = """
version: 1
rules:
  - id: points-expiring
    event: pointsExpiryReminder
    digest: {window: 1h, by: customer}
    notify:
      - email: {to: member@example.com, template: expiring}
      - webhook: {to: crm, body: {ids: "events[].eventId", more: more}}
"""
TEMPLATE = "---\nsubject: Points\n---\n{% for each in events %}{{ each.eventId }}\n{% endfor %}"


def reminder(number: int) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = f"evt-{number}"
    return event


def let_the_hour_pass(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE digest SET until = until - 3600000")
        connection.execute("UPDATE delivery SET due_at = due_at - 3600000, wake_at = wake_at - 3600000")
    connection.close()


async def test_what_gathers_outlives_kills_and_is_one_message_on_each_channel(tmp_path: Path) -> None:
    async with smtp_sink() as smtp, http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES)
        (rules / "templates" / "expiring.en.txt").write_text(TEMPLATE)
        transport = f"smtp://127.0.0.1:{smtp.port}?tls=none"
        config = write_config(tmp_path, rules=str(rules), email={"transport": transport, "timeout": "2s"})
        names: set[str] = set()
        for numbers in ((0, 1, 2), (3, 1, 4)):
            async with running_gateway(config) as gateway:
                for number in numbers:
                    names.update((await gateway.publish(reminder(number))).delivery_ids)
                assert {state_of(each) for each in await gateway.deliveries()} == {"HELD"}
                await gateway.kill()
        assert len(names) == 2
        assert (len(smtp.messages), len(sink.received)) == (0, 0)
        let_the_hour_pass(tmp_path / "tidings.db")
        async with running_gateway(config) as gateway:
            assert {state_of(await gateway.ended(name)) for name in names} == {"DELIVERED"}
        (mail,) = smtp.messages
        (webhook,) = sink.received
        expected = [f"evt-{number}" for number in range(5)]
        assert str(mail.message.get_content()).split() == expected
        assert (webhook.json["data"], webhook.verified) == ({"ids": expected, "more": 0}, True)
