"""A dispatcher at work for tests: a real store, a real rulebook and real webhooks to receivers of the test's own."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from channels_kit import SECRETS, secrets_of
from rules_kit import points_expiring
from tidings.channels import EmailSettings, WebhookChannel, WebhookSettings, open_email_channel, open_webhook_channel
from tidings.dispatch import SCHEDULES, Dispatcher, DispatchSettings, RetryPolicy
from tidings.fleet import Membership
from tidings.intake import Publish
from tidings.model import Attempt, Channel, Delivery, Endpoint, Source, State
from tidings.rulebook import Rulebook, Rulebooks, load
from tidings.store import DeliveryFilter, Store, open_store
from tidings.telemetry.metrics import Metrics

ORG: Final = 50750
_PATIENCE: Final = 20.0

"""How long a test waits for what must happen."""

RULES: Final = """\
version: 1
rules:
  - id: to-all
    event: pointsExpiryReminder
    expires_at: data.scheduledExpiryDate
    notify:
      - webhook: {to: all, body: {event: eventId, customer: data.customerIdentifiers.customerId}}
"""


def quick(*pauses: int) -> Mapping[Channel, RetryPolicy]:
    """Return schedules with these pauses, milliseconds, for webhooks."""
    return {**SCHEDULES, Channel.WEBHOOK: RetryPolicy(pauses=pauses, spread=0)}


def rulebook(*endpoints: str, org: int = ORG, weight: int = 1) -> Rulebook:
    """Compile a rulebook that sends every reminder to each endpoint; an endpoint is given as ``name: …, url: …``."""
    lines = "".join(f"      - {{secrets: [env:HOOK], {each}}}\n" for each in endpoints)
    brands = (
        f"version: 1\nbrands:\n  - org: {org}\n    name: Example Rewards\n    from: rewards@example.com\n"
        f"    weight: {weight}\n    endpoints:\n{lines}"
    )
    return load(
        [Source(path="rules.yaml", data=RULES.encode()), Source(path="brands/all.yaml", data=brands.encode())],
    )


@dataclass(slots=True)
class Clock:
    """The real hour, moved by what a test says."""

    shift: int = 0
    faults: int = 0
    """How many of the next calls fail."""

    def __call__(self) -> int:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("a mistake")
        return time.time_ns() // 1_000_000 + self.shift


@dataclass(slots=True)
class Desk:
    """What a test holds: everything but the dispatcher, which it starts and stops."""

    store: Store
    rulebooks: Rulebooks
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    disabled: list[tuple[str, str]] = field(default_factory=list)
    """Endpoints of which the dispatcher said that they are disabled, and why."""
    disabled_since: list[int] = field(default_factory=list)
    """Since when, epoch milliseconds: what was said twice of one time is one piece of news."""

    async def publish(
        self, count: int, *, start: int = 0, customer: int = 4711, expires: str = "2999-12-31"
    ) -> list[str]:
        """Publish events ``e-0``, ``e-1``, …; return the ids of their deliveries. ``tomorrow`` is a date too."""
        if expires == "tomorrow":
            expires = datetime.fromtimestamp(self.clock() / 1000 + 86_400, UTC).date().isoformat()
        events = []
        for number in range(start, start + count):
            event = points_expiring(customer=customer)
            event.event_id = f"e-{number}"
            event.points_expiry_reminder.scheduled_expiry_date = expires
            events.append(event)
        publish = Publish(store=self.store, rulebooks=self.rulebooks, metrics=self.metrics, clock=self.clock)
        names: list[str] = []
        for answer in await publish.many(events):
            assert not isinstance(answer, Exception)
            names.extend(answer.delivery_ids)
        return names

    async def delivery(self, name: str) -> tuple[Delivery, tuple[Attempt, ...]]:
        found = await self.store.get_delivery(name)
        assert found is not None
        return found

    async def states(self) -> Counter[State]:
        """Count the deliveries of all events by state."""
        found: Counter[State] = Counter()
        token = ""
        while True:
            page = await self.store.list_deliveries(DeliveryFilter(), page_size=1000, page_token=token)
            found.update(each.state for each in page.deliveries)
            token = page.next_token
            if not token:
                return found

    async def on_disabled(self, endpoint: Endpoint, reason: str, since: int) -> None:
        self.disabled.append((endpoint.name, reason))
        self.disabled_since.append(since)

    def value(self, name: str, **labels: str) -> float:
        """Return a metric; 0 while it was never touched."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def open_desk(*rulebooks: Rulebook, path: Path | None = None, url: str | None = None) -> AsyncIterator[Desk]:
    """Open a store, in memory unless a file or a URL is named, and have the last of the rulebooks live."""
    async with open_store(url or ("sqlite://" if path is None else f"sqlite:///{path}")) as store:

        async def no_past(_: str) -> Rulebook | None:
            return None

        books = Rulebooks(rulebooks[0], read_past=no_past)
        for each in rulebooks[1:]:
            books.replace(each)
        yield Desk(store, books, Clock())


@asynccontextmanager
async def dispatching(
    desk: Desk,
    *,
    schedules: Mapping[Channel, RetryPolicy] = SCHEDULES,
    channel: WebhookChannel | None = None,
    membership: Membership | None = None,
    **settings: Any,
) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher until the block ends, then stop it and wait for it."""
    webhook = WebhookSettings(allow_networks=("127.0.0.0/8",), timeout=5)
    secrets = secrets_of(SECRETS)
    async with (
        open_webhook_channel(webhook, secrets) as hooks,
        open_email_channel(EmailSettings(), secrets) as emails,
    ):
        dispatcher = Dispatcher(
            store=desk.store,
            rulebooks=desk.rulebooks,
            email=emails,
            webhook=channel or hooks,
            metrics=desk.metrics,
            clock=desk.clock,
            settings=DispatchSettings(**{"drain": 2, **settings}),
            schedules=schedules,
            dice=lambda: 0.0,
            on_disabled=desk.on_disabled,
            membership=membership,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(dispatcher.run(stop))
        try:
            yield dispatcher
        finally:
            stop.set()
            await asyncio.wait_for(running, _PATIENCE)


async def until(look: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait until something holds; fail when patience ends."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        answer = look()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen in time")


async def all_in(desk: Desk, state: State, names: Sequence[str]) -> None:
    """Wait until all these deliveries are in a state."""

    async def look() -> bool:
        return all([(await desk.delivery(name))[0].state is state for name in names])

    await until(look)
