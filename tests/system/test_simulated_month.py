"""A month for customers all over the world, by a clock that jumps: is anybody told too much, at night, late, unasked?

Everything is real but the clock and the relay: decisions, the store in a file, the dispatcher, its gates. The laws are
told here another way than the gates know them: by the clock on each customer's wall, and by counting afterwards. The
month has the days on which clocks change in Lord Howe, in Europe and in America.
"""

import asyncio
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import pytest

from channels_kit import SECRETS, secrets_of
from long_kit import at_length
from month_kit import Voices, every_delivery, further_brands, most_within, org_of, zone_of
from tidings.channels import WebhookSettings, open_webhook_channel
from tidings.dispatch import Dispatcher, DispatchSettings
from tidings.events.v1.event_pb2 import Event
from tidings.intake import Publish
from tidings.model import Accepted, Deferred, Delivery, Email, Outcome, Refused, State
from tidings.rulebook import Rulebook, Rulebooks
from tidings.store import Store, open_store
from tidings.telemetry import Metrics
from timing_kit import DAY, HOUR, book, ms

CUSTOMERS: Final = int(os.environ.get("TIDINGS_MONTH_CUSTOMERS") or at_length(120, 600))
"""``make month`` has 10,000."""

BEGIN: Final = ms("2026-10-03T00:00+00:00")
END: Final = BEGIN + 31 * DAY
STEP: Final = HOUR
"""Events come in by the hour."""

QUIET: Final = (time(21), time(8))
CAPS: Final = {("offers", "reminders"): (2, 2 * DAY), ("offers",): (2, 7 * DAY)}
THROTTLED: Final = ("tier", 1, 7 * DAY)

BRAND: Final = """\
quiet_hours: {from: "21:00", to: "08:00"}
caps: [{limit: 2, per: 2d, categories: [offers, reminders]}, {limit: 2, per: 7d, categories: [offers]}]
"""
RULES: Final = """\
version: 1
rules:
  - id: expiring
    event: pointsExpiryReminder
    category: reminders
    expires_at: data.scheduledExpiryDate
    cancel_on: pointsRedeemed
    delay: 2h
    notify: [{email: {to: customer, template: expiring}}]
  - id: offer
    event: pointsIssued
    category: offers
    send_at: "18:30"
    rollout: 80
    notify: [{email: {to: customer, template: plain}}]
  - id: tier
    event: tierUpgraded
    category: reminders
    throttle: {limit: 1, per: 7d, by: customer}
    notify: [{email: {to: customer, template: plain}}]
  - id: receipt
    event: pointsRedeemed
    urgent: true
    notify: [{email: {to: customer, template: plain}}]
"""
STOPS: Final = {
    "consent": re.compile(r"^customer \d+ (objects|has not agreed) to messages of category (offers|reminders)$"),
    "address": re.compile(r"^its address is suppressed since 2026-\d\d-\d\d: (complaint|manual|hard_bounce)$"),
    "throttle": re.compile(r"^throttled: "),
    "cap": re.compile(r"^over the cap of "),
}
"""What suppresses deliveries, and the reason that each then has."""
CATEGORIES: Final = {"expiring": "reminders", "offer": "offers", "tier": "reminders", "receipt": "service"}


@dataclass(slots=True)
class World:
    """The clock, what happens by it, and who got what when."""

    now: int = BEGIN
    sent: list[tuple[int, str]] = field(default_factory=list)
    """When, and which delivery."""
    voices: Voices = field(default_factory=lambda: Voices(CUSTOMERS))
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 (the same month each time)

    def __call__(self) -> int:
        return self.now

    async def send(self, email: Email) -> Outcome:
        """Stand for a relay that is busy now and then, and now and then refuses."""
        throw = self.dice.random()
        if throw < 0.05:
            return Deferred(status_code=451, detail="busy")
        if throw < 0.06:
            return Refused(status_code=554, detail="not today")
        if throw < 0.065:
            self.voices.bounced(email.recipient, now=self.now)
            return Refused(status_code=550, detail="nobody here", bad_address=True)
        self.sent.append((self.now, email.delivery_id))
        return Accepted()


@dataclass(slots=True)
class JumpingStore:
    """The store, but that waiting for work moves the clock to the next thing that happens, once all is at rest."""

    store: Store
    world: World
    at_rest: Callable[[], bool]
    publish: Callable[[int], Any]
    over: asyncio.Event
    next_step: int = BEGIN

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (as in the port)
        if not self.at_rest():
            await self.store.wait_for_work(timeout=min(timeout, 0.002))
            return
        due = await self.store.next_due()
        if due is not None and due <= self.world.now:
            return
        if due is None and self.next_step > END:
            self.over.set()
            return
        step = self.next_step if self.next_step <= END else None
        self.world.now = min(each for each in (due, step) if each is not None)
        if step is not None and self.world.now == step:
            self.next_step += STEP
            await self.publish(step)


def happening(world: World, number: int, customer: int) -> Event:
    """Return something that happens to a customer."""
    event = Event(org_id=org_of(customer), event_id=f"e-{number}")
    throw = world.dice.random()
    if throw < 0.4:
        reminder = event.points_expiry_reminder
        reminder.customer_identifiers.customer_id = customer
        reminder.points_scheduled_for_expiry = 250
        days = world.dice.randrange(0, 12)
        reminder.scheduled_expiry_date = datetime.fromtimestamp(
            (world.now + days * DAY) / 1000, ZoneInfo("UTC")
        ).date().isoformat()  # fmt: skip
    elif throw < 0.7:
        event.points_issued.customer_identifiers.customer_id = customer
    elif throw < 0.9:
        event.tier_upgraded.customer_identifiers.customer_id = customer
    else:
        event.points_redeemed.customer_identifiers.customer_id = customer
    return event


@asynccontextmanager
async def rulebooks_of(rulebook: Rulebook) -> AsyncIterator[Rulebooks]:
    async def no_past(_: str) -> Rulebook | None:
        return None

    yield Rulebooks(rulebook, read_past=no_past)


async def live_through(folder: Path, world: World, metrics: Metrics) -> list[Delivery]:
    """Run the month; return every delivery as it ended."""
    plain = {"templates/plain.en.txt": "---\nsubject: News\n---\nDear member.\n"}
    rulebook = book(RULES, brand=BRAND, **plain, **{"brands/further.yaml": further_brands(BRAND)})
    steps = (END - BEGIN) // STEP
    counter = iter(range(10**9))

    async with (
        open_store(f"sqlite:///{folder / 'month.db'}") as store,
        rulebooks_of(rulebook) as rulebooks,
        open_webhook_channel(WebhookSettings(), secrets_of(SECRETS)) as hooks,
    ):
        await store.upsert_contacts(world.voices.newcomers(BEGIN))
        publishing = Publish(store=store, rulebooks=rulebooks, metrics=metrics, clock=world)

        async def publish(now: int) -> None:
            await world.voices.speak(store, now=now, count=CUSTOMERS / steps)
            wanted = (10 * CUSTOMERS) / steps
            count = int(wanted) + (world.dice.random() < wanted % 1)
            batch = [happening(world, next(counter), world.dice.randrange(CUSTOMERS)) for _ in range(count)]
            answers = await publishing.many(batch)
            assert not any(isinstance(each, Exception) for each in answers)

        over = asyncio.Event()
        jumping = JumpingStore(store, world, lambda: not len(dispatcher._in_hand), publish, over)
        dispatcher = Dispatcher(
            store=cast("Store", jumping),
            rulebooks=rulebooks,
            email=world,
            webhook=hooks,
            metrics=metrics,
            clock=world,
            settings=DispatchSettings(lease=86_400.0 * 400),
            dice=lambda: 0.5,
        )
        await asyncio.wait_for(dispatcher.run(over), timeout=3_000)
        return [each async for each in every_delivery(store)]


# The laws, each a function from what was sent to what breaks it

Sent = Sequence[tuple[int, Delivery]]


def at_night(sent: Sent) -> list[str]:
    """Name what went while the clock on the customer's wall was within the quiet hours, and was not urgent."""
    start, end = QUIET
    found = []
    for at, delivery in sent:
        wall = datetime.fromtimestamp(at / 1000, zone_of(int(delivery.recipient.name))).time()
        if delivery.rule_id != "receipt" and (wall >= start or wall < end):
            found.append(f"{delivery.id} at {wall}")
    return found


def over_a_cap(sent: Sent) -> list[str]:
    """Name the customers who got more e-mails of some categories than a cap allows."""
    found = []
    for categories, (limit, per) in CAPS.items():
        counted = [each for each in sent if CATEGORIES[each[1].rule_id] in categories]
        found += [f"{who}: more than {limit} of {categories}" for who in over_limit(counted, limit, per)]
    return found


def over_a_throttle(sent: Sent) -> list[str]:
    """Name the customers whom a rule told more than its throttle allows."""
    rule, limit, per = THROTTLED
    return over_limit([each for each in sent if each[1].rule_id == rule], limit, per)


def too_late(sent: Sent) -> list[str]:
    """Name what went after its time."""
    return [each.id for at, each in sent if each.expires_at is not None and at >= each.expires_at]


def too_early(sent: Sent) -> list[str]:
    """Name what went before its delay had passed."""
    return [each.id for at, each in sent if at < each.created_at + (2 * HOUR if each.rule_id == "expiring" else 0)]


def twice(sent: Sent) -> list[str]:
    """Name what was accepted more than once."""
    return [name for name, count in Counter(each.id for _, each in sent).items() if count > 1]


def unasked(sent: Sent, voices: Voices) -> list[str]:
    """Name what went to somebody who at that moment objected, or had not agreed where that is needed."""
    return [
        f"{each.id} {category} at {at}"
        for at, each in sent
        if (category := CATEGORIES[each.rule_id]) != "service" and not voices.wants(_whose(each), category, at)
    ]


def to_the_suppressed(sent: Sent, voices: Voices) -> list[str]:
    """Name what went to an address that was suppressed at that moment."""
    return [each.id for at, each in sent if voices.is_barred(_whose(each), CATEGORIES[each.rule_id], at)]


def wrongly_stopped(deliveries: Iterable[Delivery], voices: Voices) -> list[str]:
    """Name what was stopped for a want of consent or a suppressed address, though nothing stood in its way."""
    found = []
    for each in deliveries:
        category, why, at = CATEGORIES[each.rule_id], stopped_by(each), each.settled_at or 0
        if why == "consent" and voices.wants(_whose(each), category, at):
            found.append(f"{each.id} {each.reason}")
        if why == "address" and not voices.is_barred(_whose(each), category, at + 1):
            found.append(f"{each.id} {each.reason}")
    return found


def stopped_by(delivery: Delivery) -> str:
    """Say by its reason what suppressed a delivery; empty when it ended in another way."""
    if delivery.state is not State.SUPPRESSED:
        return ""
    return next((name for name, words in STOPS.items() if words.search(delivery.reason)), delivery.reason)


def _whose(delivery: Delivery) -> int:
    return int(delivery.recipient.name)


LAWS: Final[tuple[Callable[[Sent], list[str]], ...]] = (
    at_night, over_a_cap, over_a_throttle, too_late, too_early, twice,
)  # fmt: skip


def over_limit(sent: Sent, limit: int, per: int) -> list[str]:
    """Name the customers who got more than ``limit`` within ``per``."""
    by_customer: dict[str, list[int]] = defaultdict(list)
    for at, delivery in sent:
        by_customer[delivery.recipient.name].append(at)
    return [name for name, moments in by_customer.items() if most_within(moments, per) > limit]


def unexplained(deliveries: Iterable[Delivery]) -> list[str]:
    """Name what has not ended, or ended undelivered without a word."""
    ended = {State.DELIVERED, State.DEAD, State.EXPIRED, State.SUPPRESSED, State.CANCELLED}
    return [
        f"{each.id} {each.state}"
        for each in deliveries
        if each.state not in ended or (each.state is not State.DELIVERED and not each.reason)
    ]


def _held(metrics: Metrics, kind: str) -> float:
    return metrics.registry.get_sample_value("tidings_deliveries_held_total", {"kind": kind}) or 0


@pytest.mark.timeout(3_600)
async def test_a_month_of_messages_keeps_every_promise(tmp_path: Path) -> None:
    world = World()
    metrics = Metrics()
    deliveries = await live_through(tmp_path, world, metrics)
    by_id: Mapping[str, Delivery] = {each.id: each for each in deliveries}
    sent = [(at, by_id[name]) for at, name in world.sent]

    assert {law.__name__: law(sent) for law in LAWS} == {law.__name__: [] for law in LAWS}
    assert unasked(sent, world.voices) == []
    assert to_the_suppressed(sent, world.voices) == []
    assert wrongly_stopped(deliveries, world.voices) == []
    assert unexplained(deliveries) == []
    stops = Counter((each.rule_id, stopped_by(each)) for each in deliveries if each.state is State.SUPPRESSED)
    assert {why for _, why in stops} <= set(STOPS)
    assert {each.id for each in deliveries if each.state is State.DELIVERED} == {name for _, name in world.sent}

    # The month was no idle one: every gate had work.
    states = Counter((each.rule_id, each.state) for each in deliveries)
    held = {kind: _held(metrics, kind) for kind in ("send_at", "quiet_hours", "cap")}
    assert min(states[rule, State.DELIVERED] for rule in CATEGORIES) > CUSTOMERS / 10
    assert states["expiring", State.CANCELLED] > 0
    assert states["expiring", State.EXPIRED] > 0
    assert stops["tier", "throttle"] > 0
    assert min(stops[rule, "consent"] for rule in ("expiring", "offer", "tier")) > CUSTOMERS / 10, stops
    assert min(stops[rule, "address"] for rule in CATEGORIES) > 0, stops
    assert stops["receipt", "consent"] == 0
    assert min(held.values()) > CUSTOMERS / 10, held
