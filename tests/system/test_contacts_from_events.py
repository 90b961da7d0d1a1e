"""A directory kept by events, over the real wire: only for the brand that asks for it."""

from pathlib import Path

import grpc

from gateway_kit import RunningGateway, open_test_gateway, write_config
from rulebook_kit import write_rulebook
from smtp_kit import smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact, GetContactRequest
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub

KEEPING, OTHER = 50750, 50261
RULES = """
version: 1
rules:
  - id: welcome
    event: customerUpdated
    notify:
      - email: {to: customer, template: welcome}
"""


def keeping_rulebook(folder: Path) -> Path:
    rules = write_rulebook(folder, crm="http://127.0.0.1:9/", rules=RULES, orgs=(KEEPING, OTHER))
    brands = rules / "brands" / "all.yaml"
    one, two = f"  - org: {KEEPING}\n", f"  - org: {OTHER}\n"
    text = brands.read_text()
    assert one in text
    brands.write_text(
        text.replace(one, f"{one}    keep_contacts: true\n").replace(two, f"{two}    keep_contacts: false\n")
    )
    (rules / "templates" / "welcome.en.txt").write_text("---\nsubject: Hello\n---\nDear {{ contact.name }}.\n")
    return rules


def happened(name: str, org: int, event_id: str) -> Event:
    event = convert_one(sample(name)).event
    event.org_id, event.event_id = org, event_id
    return event


async def known(gateway: RunningGateway, org: int, customer: str) -> Contact | None:
    try:
        stub = ContactServiceStub(gateway.channel)
        return (await stub.GetContact(GetContactRequest(org_id=org, customer_id=customer))).contact
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return None


async def test_events_keep_the_directory_of_the_brand_that_asks_for_it(tmp_path: Path) -> None:
    rules = keeping_rulebook(tmp_path / "rules")
    async with smtp_sink() as smtp:
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
        async with open_test_gateway(write_config(tmp_path, rules=str(rules), email=email)) as gateway:
            for org in (KEEPING, OTHER):
                updated = happened("customerUpdated", org, "u-1")
                updated.customer_updated.customer_identifiers.customer_id = 163879181
                await gateway.publish(updated)
            told = await known(gateway, KEEPING, "163879181")
            assert told is not None
            assert (told.email, told.name) == ("john.doe@example.com", "Sample Customer")
            assert await known(gateway, OTHER, "163879181") is None

            await gateway.upsert(Contact(org_id=KEEPING, customer_id="163879181", consents={"offers": False}))
            await gateway.publish(happened("loyaltyCustomerMerge", KEEPING, "m-1"))
            survivor = await known(gateway, KEEPING, "163879182")
            assert survivor is not None
            assert (survivor.email, dict(survivor.consents)) == ("john.doe@example.com", {"offers": False})
            victim = await known(gateway, KEEPING, "163879181")
            assert victim is not None
            assert (victim.email, victim.name, dict(victim.consents)) == ("", "", {"offers": False})


async def test_a_message_of_the_event_itself_knows_what_it_told(tmp_path: Path) -> None:
    rules = keeping_rulebook(tmp_path / "rules")
    async with smtp_sink() as smtp:
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
        async with open_test_gateway(write_config(tmp_path, rules=str(rules), email=email)) as gateway:
            answer = await gateway.publish(happened("customerUpdated", KEEPING, "u-1"))
            await gateway.ended(answer.delivery_ids[0])
            (message,) = smtp.messages
            assert "Dear Sample Customer." in message.message.get_content()
