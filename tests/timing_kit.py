"""A gateway's store and dispatcher for tests of timing: the clock stands still until a test moves it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from channels_kit import SECRETS, secrets_of
from dispatch_kit import until
from rules_kit import points_expiring
from tidings.channels import WebhookSettings, open_webhook_channel
from tidings.dispatch import Dispatcher, DispatchSettings
from tidings.events.v1.event_pb2 import Event
from tidings.intake import Publish
from tidings.model import Accepted, Contact, Delivery, Email, Outcome, Source
from tidings.rulebook import Rulebook, Rulebooks, load
from tidings.store import Store, open_store
from tidings.telemetry.metrics import Metrics

ORG: Final = 50750
HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

_TEMPLATE: Final = "---\nsubject: Points expire\n---\nDear member, {{ data.pointsScheduledForExpiry }} points.\n"


def ms(text: str) -> int:
    """Read a moment that names its offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def book(rules: str, *, brand: str = "", endpoint: str = "http://127.0.0.1:1/", **further: str) -> Rulebook:
    """Compile a rulebook whose brand in Berlin has these further lines, with further files by path."""
    head = (
        f"version: 1\nbrands:\n  - org: {ORG}\n    name: Example Rewards\n    from: rewards@example.com\n"
        "    time_zone: Europe/Berlin\n    consent: opt_out\n    alerts_to: [team@example.com]\n"
        f"    endpoints: [{{name: crm, url: '{endpoint}', secrets: ['env:HOOK']}}]\n"
    )
    lines = "".join(f"    {line}\n" for line in brand.splitlines())
    files = {"rules.yaml": rules, "brands/all.yaml": head + lines, "templates/expiring.en.txt": _TEMPLATE, **further}
    return load([Source(path=path, data=text.encode()) for path, text in files.items()])


def reminder(*keys: str, id: str = "reminder", to: str = "customer", event: str = "pointsExpiryReminder") -> str:  # noqa: A002 (as in YAML)
    """Return a rules file of one rule that sends an e-mail and has these further keys."""
    lines = "".join(f"    {key}\n" for key in keys)
    return (
        f"version: 1\nrules:\n  - id: {id}\n    event: {event}\n{lines}"
        f"    notify: [{{email: {{to: {to}, template: expiring}}}}]\n"
    )


@dataclass(slots=True)
class Desk:
    """An e-mail relay that notes when it got what; ``answers`` are given first, then it accepts."""

    clock: "Clock"
    sent: list[tuple[int, Email]] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)

    async def send(self, email: Email) -> Outcome:
        if self.answers:
            return self.answers.pop(0)
        self.sent.append((self.clock.now, email))
        return Accepted()


@dataclass(slots=True)
class Clock:
    """Stands still."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass(slots=True)
class Office:
    """What a test holds."""

    store: Store
    rulebooks: Rulebooks
    clock: Clock
    relay: Desk
    metrics: Metrics = field(default_factory=Metrics)

    async def publish(self, *events: Event) -> list[str]:
        """Publish events one after the other in one call; return the ids of their deliveries."""
        publish = Publish(store=self.store, rulebooks=self.rulebooks, metrics=self.metrics, clock=self.clock)
        names: list[str] = []
        for answer in await publish.many(events):
            assert not isinstance(answer, Exception)
            names.extend(answer.delivery_ids)
        return names

    async def live_in(self, zone: str, *, customer: int = 4711) -> None:
        """Let the customer be known to live in a zone."""
        contact = Contact(org_id=ORG, customer_id=str(customer), email="ada@example.com", time_zone=zone)
        await self.store.upsert_contacts([contact])

    async def run(self, now: int | None = None) -> None:
        """Move the clock and dispatch until nothing is due and nothing is in hand."""
        self.clock.now = self.clock.now if now is None else now
        webhooks = WebhookSettings(allow_networks=("127.0.0.0/8",), timeout=5)
        async with open_webhook_channel(webhooks, secrets_of(SECRETS)) as hooks:
            dispatcher = Dispatcher(
                store=self.store,
                rulebooks=self.rulebooks,
                email=self.relay,
                webhook=hooks,
                metrics=self.metrics,
                clock=self.clock,
                settings=DispatchSettings(drain=2),
                dice=lambda: 0.0,
            )
            stop = asyncio.Event()
            running = asyncio.create_task(dispatcher.run(stop))

            async def at_rest() -> bool:
                due = await self.store.next_due()
                return not len(dispatcher._in_hand) and (due is None or due > self.clock.now)

            try:
                await until(at_rest)
            finally:
                stop.set()
                await asyncio.wait_for(running, 20)

    async def delivery(self, name: str) -> Delivery:
        found = await self.store.get_delivery(name)
        assert found is not None
        return found[0]


@asynccontextmanager
async def open_office(
    *rulebooks: Rulebook, now: int, path: Path | None = None, url: str | None = None
) -> AsyncIterator[Office]:
    """Open a store, in memory unless a file or a URL is named; the last of the rulebooks is live."""
    async with open_store(url or ("sqlite://" if path is None else f"sqlite:///{path}")) as store:

        async def no_past(_: str) -> Rulebook | None:
            return None

        books = Rulebooks(rulebooks[0], read_past=no_past)
        for each in rulebooks[1:]:
            books.replace(each)
        clock = Clock(now)
        yield Office(store, books, clock, Desk(clock))


def expiring(name: str, *, customer: int | None = 4711, expires: str = "2999-12-31") -> Event:
    """Return an event about points that expire."""
    event = points_expiring(customer=customer)
    event.event_id = name
    event.points_expiry_reminder.scheduled_expiry_date = expires
    return event
