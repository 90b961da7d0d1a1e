"""A gateway whose e-mails have links, for tests that follow them over the real wire."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from gateway_kit import RunningGateway, open_test_gateway, state_of, write_config
from rulebook_kit import write_rulebook
from smtp_kit import SmtpSink, smtp_sink
from tidings.events import convert_one, sample
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub

ORG = 50750
MEMBER = "381750905"
ADDRESS = "asha@example.com"
SECRET = "a secret that nobody can guess, for the tests"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PUBLIC_URL = "https://notify.example.com/mail"
RULES = """
version: 1
rules:
"""
RULE = """\
  - id: {id}
    event: pointsExpiryReminder
    category: {category}
    retry: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s]
    notify: [email: {{to: {to}, template: linked}}]
"""
SENT = {
    "reminder": ("reminders", "customer"),
    "offer": ("offers", "customer"),
    "receipt": ("service", "customer"),
    "copy": ("reports", "brand"),
}
"""What rules there are, of which category and to whom; one event is for all of them."""

LINKED = """---
subject: "{{ eventName }}"
---
unsubscribe <{{ unsubscribe_url }}> preferences <{{ preferences_url }}>
"""
BRAND = """\
    consent: opt_out
    categories: {reminders: {en: Reminders about points, ar: تذكيرات}, offers: Offers}
    logo: https://cdn.example.com/logo.png
    colours: {primary: "#ffd200"}
    address: "1 Example Street, Pune"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a page came to."""

    status: int
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wire:
    """A gateway, the relay it sends to, and a browser without cookies."""

    gateway: RunningGateway
    smtp: SmtpSink
    http: aiohttp.ClientSession

    async def publish(self, event_id: str) -> dict[str, str]:
        """Publish an event; return the deliveries by rule."""
        event = convert_one(sample("pointsExpiryReminder")).event
        event.event_id = event_id
        event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
        names = (await self.gateway.publish(event)).delivery_ids
        return {(await self.gateway.delivery(name)).delivery.rule_id: name for name in names}

    async def ended(self, deliveries: Mapping[str, str]) -> dict[str, str]:
        """Return by rule the states that deliveries end in."""
        return {rule: state_of(await self.gateway.ended(name)) for rule, name in deliveries.items()}

    async def mails(self, event_id: str) -> dict[str, EmailMessage]:
        """Publish an event; return the e-mails that came of it, by rule."""
        deliveries = await self.publish(event_id)
        await self.ended(deliveries)
        arrived = {
            str(each.message["Message-ID"]).strip("<>").partition("@")[0]: each.message for each in self.smtp.messages
        }
        return {rule: arrived[name] for rule, name in deliveries.items() if name in arrived}

    async def contact(self) -> pb.Contact:
        request = pb.GetContactRequest(org_id=ORG, customer_id=MEMBER)
        return (await ContactServiceStub(self.gateway.channel).GetContact(request)).contact

    def local(self, url: str) -> str:
        """Return where a link leads when no proxy stands before the gateway."""
        assert url.startswith(PUBLIC_URL + "/")
        return f"http://127.0.0.1:{self.gateway.http_port}{url.removeprefix(PUBLIC_URL)}"

    async def ask(self, method: str, url: str, body: object = None, **headers: str) -> Answer:
        if isinstance(body, dict | list):
            body = urlencode(body, doseq=True)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        async with self.http.request(method, self.local(url), data=body, headers=headers) as answer:
            assert "Set-Cookie" not in answer.headers
            return Answer(status=answer.status, text=await answer.text(), headers=answer.headers)


def one_click_of(message: EmailMessage) -> str:
    """Return where a mail program posts to."""
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<(https://[^<>\s]+)>", message["List-Unsubscribe"])
    assert found is not None
    return found[1]


def links_of(message: EmailMessage) -> tuple[str, str]:
    """Return the links that the template wrote."""
    first, second = re.findall(r"<([^>]*)>", message.get_content())
    return first, second


@asynccontextmanager
async def wire(folder: Path, *, brand: str = BRAND, public: bool = True, **sections: object) -> AsyncIterator[Wire]:
    rules = "".join(RULE.format(id=rule, category=category, to=to) for rule, (category, to) in SENT.items())
    rulebook = write_rulebook(folder / "rules", crm="http://127.0.0.1:9/", rules=RULES + rules, orgs=(ORG,))
    (rulebook / "templates" / "linked.en.txt").write_text(LINKED)
    with (rulebook / "brands" / "all.yaml").open("a") as brands:
        brands.write(brand)
    (folder / "secret").write_text(SECRET)
    async with smtp_sink() as smtp:
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s"}
        http = {"listen": "127.0.0.1:0"} | ({"public_url": PUBLIC_URL + "/"} if public else {})
        settings: dict[str, object] = {
            "rules": str(rulebook),
            "email": email,
            "http": http,
            "unsubscribe": {"secret": f"file:{folder}/secret"},
            "reload": {"every": 0},
        }
        config = write_config(folder, **(settings | sections))
        async with (
            open_test_gateway(config) as gateway,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        ):
            await gateway.upsert(pb.Contact(org_id=ORG, customer_id=MEMBER, email=ADDRESS))
            yield Wire(gateway, smtp, client)
