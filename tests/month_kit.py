"""The customers of the simulated month: where they live, whose they are, what they agree to and take back.

What they said is kept here beside the store, so that the laws of the month need not ask those whom they judge.
"""

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from tidings.model import Contact, Delivery, SuppressionReason, new_suppression
from tidings.store import DeliveryFilter, Store
from timing_kit import ORG

ZONES: Final = (
    "Africa/Cairo", "Africa/Lagos", "America/Chicago", "America/Los_Angeles", "America/New_York", "America/Sao_Paulo",
    "America/St_Johns", "Asia/Dubai", "Asia/Jakarta", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Manila", "Asia/Riyadh",
    "Asia/Shanghai", "Asia/Tokyo", "Australia/Adelaide", "Australia/Lord_Howe", "Australia/Sydney", "Europe/Berlin",
    "Europe/London", "Pacific/Apia", "Pacific/Auckland", "Pacific/Honolulu", "UTC",
)  # fmt: skip

ASKING: Final = ("offers", "reminders")
"""The categories that need consent."""

POLICIES: Final[Mapping[int, Mapping[str, bool]]] = {
    ORG: {"offers": True, "reminders": True},
    ORG + 1: {"offers": False, "reminders": False},
    ORG + 2: {"offers": False, "reminders": True},
}
"""By organisation and category: may those be written to who have said nothing?"""

_CONSENT: Final = {ORG + 1: "opt_in", ORG + 2: "{offers: opt_in, reminders: opt_out}"}

Saying = tuple[int, bool]
"""From when on, and whether messages are wanted."""


def further_brands(lines: str) -> str:
    """Return a file of the brands beside the kit's own, which is opt-out; each has these further lines."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    heads = (
        f"  - org: {org}\n    name: Example {org}\n    from: news@example.com\n"
        f"    time_zone: Europe/Berlin\n    consent: {consent}\n{body}"
        for org, consent in _CONSENT.items()
    )
    return "version: 1\nbrands:\n" + "".join(heads)


def zone_of(customer: int) -> ZoneInfo:
    """Return where a customer lives."""
    return ZoneInfo(ZONES[customer % len(ZONES)])


def org_of(customer: int) -> int:
    """Return whose customer it is; each zone has customers of every organisation."""
    return ORG + customer // len(ZONES) % len(POLICIES)


def address_of(customer: int) -> str:
    """Return where a customer is written to."""
    return f"c{customer}@example.com"


@dataclass(slots=True)
class Voices:
    """What customers say, told to the store and remembered."""

    customers: int
    dice: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311 (the same month each time)
    said: dict[tuple[int, str], list[Saying]] = field(default_factory=lambda: defaultdict(list))
    """By customer and category what they said, in order of time."""
    barred: dict[int, list[tuple[int, SuppressionReason]]] = field(default_factory=lambda: defaultdict(list))
    """By customer from when on their address is suppressed, and why."""

    def newcomers(self, now: int) -> list[Contact]:
        """Return everybody as the month begins: some agree, some object, most have said nothing."""
        return [self._newcomer(number, now) for number in range(self.customers)]

    async def speak(self, store: Store, *, now: int, count: float) -> None:
        """Let about ``count`` customers change their mind, and a tenth as many be suppressed."""
        told = []
        for _ in range(self._whole(count)):
            customer, category = self.dice.randrange(self.customers), self.dice.choice(ASKING)
            wanted = self.dice.random() < 0.3
            self.said[customer, category].append((now, wanted))
            told.append(Contact(org_id=org_of(customer), customer_id=str(customer), consents={category: wanted}))
        suppressed = []
        for _ in range(self._whole(count / 10)):
            customer = self.dice.randrange(self.customers)
            reason = self.dice.choice([SuppressionReason.COMPLAINT, SuppressionReason.MANUAL])
            self.barred[customer].append((now, reason))
            suppressed.append(new_suppression(org_of(customer), address_of(customer), reason, now=now))
        if told:
            await store.upsert_contacts(told)
        if suppressed:
            await store.suppress(suppressed)

    def bounced(self, address: str, *, now: int) -> None:
        """Remember that a server has said that it does not know an address."""
        self.barred[int(address[1:].partition("@")[0])].append((now, SuppressionReason.HARD_BOUNCE))

    def wants(self, customer: int, category: str, at: int) -> bool:
        """Say whether a customer may be sent messages of a category at a time, by what they said last or the policy."""
        said = self.said[customer, category]
        place = bisect_right(said, at, key=lambda saying: saying[0])
        return said[place - 1][1] if place else POLICIES[org_of(customer)][category]

    def is_barred(self, customer: int, category: str, at: int) -> bool:
        """Say whether an address must not be used at a time; one who complained still gets messages of service.

        A bounce counts from the moment after it: several messages may have been under way at once.
        """
        return any(
            since < at if reason is SuppressionReason.HARD_BOUNCE else since <= at
            for since, reason in self.barred[customer]
            if category != "service" or reason is not SuppressionReason.COMPLAINT
        )

    def _newcomer(self, number: int, now: int) -> Contact:
        consents: dict[str, bool] = {}
        for category in ASKING:
            throw = self.dice.random()
            if throw < 0.5:
                consents[category] = wanted = throw < 0.35
                self.said[number, category].append((now, wanted))
        return Contact(
            org_id=org_of(number),
            customer_id=str(number),
            email=address_of(number),
            time_zone=zone_of(number).key,
            consents=consents,
        )

    def _whole(self, count: float) -> int:
        return int(count) + (self.dice.random() < count % 1)


async def every_delivery(store: Store) -> AsyncIterator[Delivery]:
    """Go through all deliveries of a store."""
    token = ""
    while True:
        page = await store.list_deliveries(DeliveryFilter(), page_size=1000, page_token=token)
        for each in page.deliveries:
            yield each
        token = page.next_token
        if not token:
            return
