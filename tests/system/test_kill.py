"""kill -9 at the worst moments: what was acknowledged arrives, under the same ids."""

import asyncio
from pathlib import Path

from gateway_kit import CRM_SECRET, eventually, running_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, Reply, http_sink
from smtp_kit import smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact

COUNT = 40


def reminder(number: int) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = f"evt-{number}"
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    return event


async def test_what_was_acknowledged_before_a_kill_is_delivered_after_it(tmp_path: Path) -> None:
    """The mail server and the sink are down until the gateway has been killed."""
    async with smtp_sink() as smtp, http_sink(CRM_SECRET) as sink:
        smtp.script("MAIL", *["451 4.3.2 not now"] * 10 * COUNT)
        sink.default = Reply(status=503)
        config = _configured(tmp_path, smtp.port, sink.url)
        async with running_gateway(config) as gateway:
            await gateway.upsert(Contact(org_id=50750, customer_id="381750905", email="asha@example.com"))
            answers = await asyncio.gather(*(gateway.publish(reminder(number)) for number in range(COUNT)))
            await gateway.kill()
        acknowledged = {name for answer in answers for name in answer.delivery_ids}
        assert len(acknowledged) == 2 * COUNT
        smtp.answers.clear()
        sink.default, refused = Reply(), len(sink.received)
        _make_due(tmp_path / "tidings.db")
        async with running_gateway(config) as gateway:
            states = {state_of(await gateway.ended(name)) for name in acknowledged}
        assert states == {"DELIVERED"}
        mails = {str(mail.message["message-id"]).strip("<>").partition("@")[0] for mail in smtp.messages}
        assert mails | {webhook.headers["webhook-id"] for webhook in sink.received[refused:]} == acknowledged


async def test_a_kill_in_the_middle_of_sending_repeats_under_the_same_id(tmp_path: Path) -> None:
    async with smtp_sink() as smtp, http_sink(CRM_SECRET) as sink:
        sink.default = Reply(fault="hang")
        config = _configured(tmp_path, smtp.port, sink.url)
        async with running_gateway(config) as gateway:
            answers = [await gateway.publish(reminder(number)) for number in range(5)]
            await eventually(lambda: _reached(sink, 5))
            await gateway.kill()
        sink.default = Reply()
        webhooks = {answer.delivery_ids[1] for answer in answers}
        async with running_gateway(config) as gateway:
            assert {state_of(await gateway.ended(name)) for name in webhooks} == {"DELIVERED"}
        assert {webhook.headers["webhook-id"] for webhook in sink.received} == webhooks


async def _reached(sink: HttpSink, wanted: int) -> bool:
    return len(sink.received) >= wanted


def _configured(folder: Path, smtp_port: int, crm: str) -> Path:
    rules = write_rulebook(folder / "rules", crm=crm)
    transport = f"smtp://127.0.0.1:{smtp_port}?tls=none"
    return write_config(folder, rules=str(rules), email={"transport": transport, "timeout": "2s"})


def _make_due(database: Path) -> None:
    """Bring the retries forward, as if the first pause had passed."""
    import sqlite3

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE delivery SET wake_at = 0 WHERE state IN ('waiting', 'held')")
    connection.close()
