"""A month for customers all over the world, by a clock that jumps: is anybody told too much, at night, late, unasked?

Everything is real but the clock and the relay: decisions, the database, the dispatchers, their gates. Gateways stop and
fall and others take over, and the brands promise more from the middle of the month on. The month has the days on
which clocks change in Lord Howe, in Europe and in America.
"""

import logging
import os
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final

import pytest
import structlog

from month_gateways_kit import Month, Trouble, World
from month_kit import Voices, every_delivery, further_brands, org_of
from month_laws_kit import CATEGORIES, LAWS, Account, Promise, stopped_by
from postgres_kit import database_url, needs_postgres, shared_cluster
from tidings.events import event_name
from tidings.events.v1.event_pb2 import Event
from tidings.model import State
from tidings.rulebook import Rulebook
from tidings.telemetry.metrics import Metrics
from timing_kit import DAY, HOUR, book, ms

MANY: Final = int(os.environ.get("TIDINGS_MONTH_CUSTOMERS", "10000"))
"""``make month CUSTOMERS=…`` sets it."""

BEGIN: Final = ms("2026-10-03T00:00+00:00")
END: Final = BEGIN + 31 * DAY
RELOAD: Final = BEGIN + 15 * DAY
STEP: Final = 2 * HOUR
"""How often something happens."""

KIND_LINES: Final = """\
quiet_hours: {from: "22:00", to: "07:00"}
caps: [{limit: 3, per: 2d, categories: [offers, reminders]}, {limit: 3, per: 7d, categories: [offers]}]
"""
KINDER_LINES: Final = """\
quiet_hours: {from: "21:00", to: "08:00"}
caps: [{limit: 2, per: 2d, categories: [offers, reminders]}, {limit: 2, per: 7d, categories: [offers]}]
"""
PROMISES: Final = (
    Promise(0, (time(22), time(7)), {("offers", "reminders"): (3, 2 * DAY), ("offers",): (3, 7 * DAY)}),
    Promise(RELOAD, (time(21), time(8)), {("offers", "reminders"): (2, 2 * DAY), ("offers",): (2, 7 * DAY)}),
)
"""What the lines of the brands mean; the second hold from the reload on."""

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
  - id: summary
    event: badgeEarned
    category: reminders
    digest: {every: 7d, at: "09:00", by: customer}
    notify: [{email: {to: customer, template: summary}}]
  - id: receipt
    event: pointsRedeemed
    urgent: true
    notify: [{email: {to: customer, template: plain}}]
"""
SUMMARY: Final = "---\nsubject: Badges\n---\n{% for each in events %}event {{ each.eventId }}\n{% endfor %}"
TROUBLES: Final[tuple[tuple[int, Trouble], ...]] = (
    (4, "stop"), (8, "fall after"), (12, "fall before"), (17, "stop"), (21, "fall after"), (26, "fall before"),
)  # fmt: skip
"""On which day a gateway has which trouble."""


def rulebook(lines: str) -> Rulebook:
    files = {
        "templates/plain.en.txt": "---\nsubject: News\n---\nDear member.\n",
        "templates/summary.en.txt": SUMMARY,
        "brands/further.yaml": further_brands(lines),
    }
    return book(RULES, brand=lines, **files)


@dataclass(slots=True)
class Happenings:
    """What happens to customers, and what the publisher is told."""

    account: Account
    customers: int
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 (the same month each time)
    count: int = 0

    async def publish(self, month: Month, *, count: float) -> None:
        """Publish about so many events through one of the gateways."""
        number = int(count) + (self.dice.random() < count % 1)
        events = [self._event() for _ in range(number)]
        for event, answer in zip(events, await self.dice.choice(month.gateways).publish.many(events), strict=True):
            assert not isinstance(answer, Exception)
            for name in answer.delivery_ids:
                self.account.promised[name].append(event.event_id)
            rolled_out = event_name(event) == "pointsIssued"
            if len(answer.delivery_ids) != 1 and not (rolled_out and not answer.delivery_ids):
                self.account.undecided.append(event.event_id)

    def _event(self) -> Event:
        """Return something that happens to a customer; badges are earned by a tenth of them."""
        self.count += 1
        throw, customer = self.dice.random(), self.dice.randrange(self.customers)
        if throw >= 0.9:
            customer = customer // 10
        event = Event(org_id=org_of(customer), event_id=f"e-{self.count}")
        if throw < 0.4:
            reminder = event.points_expiry_reminder
            reminder.customer_identifiers.customer_id = customer
            reminder.points_scheduled_for_expiry = 250
            expiry = self.account.world.now + self.dice.randrange(0, 12) * DAY
            reminder.scheduled_expiry_date = datetime.fromtimestamp(expiry / 1000, UTC).date().isoformat()
        elif throw < 0.65:
            event.points_issued.customer_identifiers.customer_id = customer
        elif throw < 0.82:
            event.tier_upgraded.customer_identifiers.customer_id = customer
        elif throw < 0.9:
            event.points_redeemed.customer_identifiers.customer_id = customer
            self.account.redeemed[str(customer)].append(self.account.world.now)
        else:
            event.badge_earned.customer_identifiers.customer_id = customer
        return event


async def live_through(url: str, *, customers: int, gateways: int, metrics: Metrics) -> Account:
    """Run the month; return what happened."""
    troubles = deque((BEGIN + day * DAY, trouble) for day, trouble in TROUBLES)
    world = World(BEGIN, Voices(customers), troubles)
    account = Account(world, PROMISES)
    happenings = Happenings(account, customers)
    month = Month(world, url=url, gateways=gateways, rulebook=rulebook(KIND_LINES), metrics=metrics)
    steps = (END - BEGIN) // STEP

    async def happen() -> None:
        if world.now == BEGIN:
            await month.store.upsert_contacts(world.voices.newcomers(BEGIN))
        if world.now == RELOAD:
            await month.reload(rulebook(KINDER_LINES))
        await world.voices.speak(month.store, now=world.now, count=customers / steps)
        await happenings.publish(month, count=10 * customers / steps)

    try:
        await month.live(until=END, step=STEP, happen=happen)
        account.deliveries = {each.id: each async for each in every_delivery(month.store)}
    finally:
        await month.close()
    return account


@pytest.fixture
def only_faults_logged() -> Iterator[None]:
    """Leave out what the log says of each message that a relay refuses."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


async def keeps_every_promise(url: str, *, customers: int, gateways: int = 1) -> None:
    metrics = Metrics()
    account = await live_through(url, customers=customers, gateways=gateways, metrics=metrics)
    assert {law.__name__: law(account)[:5] for law in LAWS} == {law.__name__: [] for law in LAWS}

    # The month was no idle one: every gate had work, and everything went wrong that was to.
    deliveries, world = account.deliveries.values(), account.world
    states = Counter((each.rule_id, each.state) for each in deliveries)
    stops = Counter((each.rule_id, stopped_by(each)) for each in deliveries if each.state is State.SUPPRESSED)
    held = {kind: _held(metrics, kind) for kind in ("send_at", "quiet_hours", "cap")}
    assert min(states[rule, State.DELIVERED] for rule in CATEGORIES) > customers / 20, states
    assert min(states["expiring", State.CANCELLED], states["expiring", State.EXPIRED]) > 0, states
    assert stops["tier", "throttle"] > 0, stops
    assert min(stops[rule, "consent"] for rule in ("expiring", "offer", "tier")) > customers / 10, stops
    assert sum(stops[rule, "address"] for rule in CATEGORIES) > 0, stops
    assert stops["receipt", "consent"] == 0
    assert min(held.values()) > customers / 10, held
    assert max(len(each.tells) for each in world.taken) > 1
    assert world.had == [trouble for _, trouble in TROUBLES]
    assert world.may_repeat
    assert len({each.revision for each in deliveries}) == len(PROMISES)


def _held(metrics: Metrics, kind: str) -> float:
    return metrics.registry.get_sample_value("tidings_deliveries_held_total", {"kind": kind}) or 0


@pytest.mark.usefixtures("only_faults_logged")
async def test_a_month_of_messages_keeps_every_promise(tmp_path: Path) -> None:
    await keeps_every_promise(f"sqlite:///{tmp_path / 'month.db'}", customers=240)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.usefixtures("only_faults_logged")
async def test_a_month_of_thousands_keeps_every_promise(tmp_path: Path) -> None:
    await keeps_every_promise(f"sqlite:///{tmp_path / 'month.db'}", customers=MANY)


@needs_postgres
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("only_faults_logged")
async def test_gateways_that_share_a_database_keep_every_promise(tmp_path: Path) -> None:
    url = await database_url(shared_cluster(), tmp_path)
    await keeps_every_promise(url, customers=240, gateways=3)
