"""Consent and suppressions at sending time, over the real wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_kit import RunningGateway, eventually, open_test_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from smtp_kit import SmtpSink, smtp_sink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.gateway.v1.delivery_service_pb2 import RetryDeliveriesRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub

ORG = 50750
MEMBER = "381750905"
ADDRESS = "asha@example.com"
RULE = """
version: 1
rules:
  - id: reminder
    event: pointsExpiryReminder
    category: {category}
    notify:
      - email: {{to: {to}, template: expiring}}
"""


@dataclass
class Wire:
    """A gateway, the relay it sends to, and the rulebook's folder."""

    gateway: RunningGateway
    smtp: SmtpSink
    rules: Path

    async def outcome(self, event_id: str = "e-1") -> tuple[str, str]:
        """Publish a reminder; return the state its e-mail ends in, and why."""
        return await self.end_of(await self.publish(event_id))

    async def publish(self, event_id: str = "e-1") -> str:
        (name,) = (await self.gateway.publish(reminder(event_id))).delivery_ids
        return name

    async def end_of(self, name: str) -> tuple[str, str]:
        delivery = await self.gateway.ended(name)
        return state_of(delivery), delivery.reason

    async def say(self, category: str, *, agreed: bool) -> None:
        request = pb.SetConsentRequest(org_id=ORG, customer_id=MEMBER, category=category, agreed=agreed)
        await ContactServiceStub(self.gateway.channel).SetConsent(request)

    async def suppress(self, reason: pb.SuppressionReason.ValueType) -> None:
        request = pb.AddSuppressionRequest(org_id=ORG, address=ADDRESS.upper(), reason=reason)
        await ContactServiceStub(self.gateway.channel).AddSuppression(request)

    async def suppressed(self) -> list[tuple[str, str]]:
        answer = await ContactServiceStub(self.gateway.channel).ListSuppressions(pb.ListSuppressionsRequest(org_id=ORG))
        return [(each.address, pb.SuppressionReason.Name(each.reason)) for each in answer.suppressions]


def reminder(event_id: str) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = event_id
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    return event


def write(folder: Path, *, category: str, to: str = "customer", consent: str | None = None) -> Path:
    write_rulebook(folder, crm="http://127.0.0.1:9/", rules=RULE.format(category=category, to=to), orgs=(ORG,))
    if consent is not None:
        with (folder / "brands" / "all.yaml").open("a") as brands:
            brands.write(f"    consent: {consent}\n")
    return folder


@asynccontextmanager
async def wire(folder: Path, *, category: str, to: str = "customer", consent: str | None = None) -> AsyncIterator[Wire]:
    rules = write(folder / "rules", category=category, to=to, consent=consent)
    async with smtp_sink() as smtp:
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
        config = write_config(folder, rules=str(rules), email=email, reload={"every": "50ms"})
        async with open_test_gateway(config) as gateway:
            await gateway.upsert(pb.Contact(org_id=ORG, customer_id=MEMBER, email=ADDRESS))
            yield Wire(gateway, smtp, rules)


async def test_messages_but_those_of_service_need_a_yes(tmp_path: Path) -> None:
    async with wire(tmp_path, category="offers") as gateway:
        has_not_agreed = f"customer {MEMBER} has not agreed to messages of category offers"
        assert await gateway.outcome("e-1") == ("SUPPRESSED", has_not_agreed)
        await gateway.say("news", agreed=True)
        assert await gateway.outcome("e-2") == ("SUPPRESSED", has_not_agreed)
        await gateway.say("offers", agreed=True)
        assert await gateway.outcome("e-3") == ("DELIVERED", "")
        await gateway.say("offers", agreed=False)
        objects = f"customer {MEMBER} objects to messages of category offers"
        assert await gateway.outcome("e-4") == ("SUPPRESSED", objects)
        assert len(gateway.smtp.messages) == 1


async def test_where_the_brand_has_it_so_only_a_no_counts(tmp_path: Path) -> None:
    async with wire(tmp_path, category="offers", consent="{offers: opt_out}") as gateway:
        assert await gateway.outcome("e-1") == ("DELIVERED", "")
        await gateway.say("offers", agreed=False)
        assert (await gateway.outcome("e-2"))[0] == "SUPPRESSED"


@pytest.mark.parametrize(
    ("to", "state"),
    [
        ("brand", "DELIVERED"),
        ("desk@example.com", "DELIVERED"),
        ("{path: data.customerIdentifiers.instore.email}", "SUPPRESSED"),
    ],
)
async def test_who_is_not_a_customer_needs_no_consent(tmp_path: Path, to: str, state: str) -> None:
    async with wire(tmp_path, category="offers", to=to) as gateway:
        event = reminder("e-1")
        event.points_expiry_reminder.customer_identifiers.instore.email = "asha@example.org"
        (name,) = (await gateway.gateway.publish(event)).delivery_ids
        assert (await gateway.end_of(name))[0] == state


async def test_a_brands_new_policy_counts_for_what_was_decided_before(tmp_path: Path) -> None:
    async with wire(tmp_path, category="offers") as gateway:
        name = await gateway.publish()
        assert (await gateway.end_of(name))[0] == "SUPPRESSED"
        write(gateway.rules, category="offers", consent="opt_out")

        async def live() -> bool:
            await DeliveryServiceStub(gateway.gateway.channel).RetryDeliveries(
                RetryDeliveriesRequest(delivery_ids=[name])
            )
            return (await gateway.end_of(name))[0] == "DELIVERED"

        await eventually(live)


async def test_an_address_that_bounces_is_not_used_again(tmp_path: Path) -> None:
    async with wire(tmp_path, category="service") as gateway:
        gateway.smtp.script("RCPT", "550 5.1.1 no such user")
        assert (await gateway.outcome("e-1"))[0] == "DEAD"
        assert await gateway.suppressed() == [(ADDRESS, "SUPPRESSION_REASON_HARD_BOUNCE")]
        state, reason = await gateway.outcome("e-2")
        assert (state, reason.rpartition(": ")[2]) == ("SUPPRESSED", "hard_bounce")
        assert gateway.smtp.messages == []


@pytest.mark.parametrize("answer", ["550 5.7.1 listed as spam", "552 5.2.2 full", "554 5.6.0 no"])
async def test_a_rejection_by_policy_says_nothing_of_the_address(tmp_path: Path, answer: str) -> None:
    async with wire(tmp_path, category="service") as gateway:
        gateway.smtp.script("RCPT", answer)
        assert (await gateway.outcome("e-1"))[0] == "DEAD"
        assert await gateway.suppressed() == []
        assert await gateway.outcome("e-2") == ("DELIVERED", "")


@pytest.mark.parametrize(
    ("category", "reason", "state"),
    [
        ("service", pb.SUPPRESSION_REASON_COMPLAINT, "DELIVERED"),
        ("service", pb.SUPPRESSION_REASON_UNSUBSCRIBED, "DELIVERED"),
        ("service", pb.SUPPRESSION_REASON_MANUAL, "SUPPRESSED"),
        ("offers", pb.SUPPRESSION_REASON_COMPLAINT, "SUPPRESSED"),
    ],
)
async def test_who_complained_still_gets_what_they_need_to_know(
    tmp_path: Path, category: str, reason: pb.SuppressionReason.ValueType, state: str
) -> None:
    async with wire(tmp_path, category=category, consent="opt_out") as gateway:
        await gateway.suppress(reason)
        assert (await gateway.outcome())[0] == state
