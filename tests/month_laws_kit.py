"""The laws of the simulated month, each a function from what happened to what breaks it.

They are told another way than the gates know them: by the clock on each customer's wall, by what customers said as
they said it, and by counting afterwards.
"""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final

from month_gateways_kit import World
from month_kit import zone_of
from tidings.model import Delivery, State
from timing_kit import DAY, HOUR

CATEGORIES: Final = {
    "expiring": "reminders", "offer": "offers", "tier": "reminders", "summary": "reminders", "receipt": "service",
}  # fmt: skip
"""What the rules of the month are about."""
THROTTLED: Final = ("tier", 1, 7 * DAY)
DELAYED: Final = ("expiring", 2 * HOUR)
TIMED: Final = ("offer", time(18, 30))
STOPS: Final = {
    "consent": re.compile(r"^customer \d+ (objects|has not agreed) to messages of category (offers|reminders)$"),
    "address": re.compile(r"^its address is suppressed since 2026-\d\d-\d\d: (complaint|manual|hard_bounce)$"),
    "throttle": re.compile(r"^throttled: "),
    "cap": re.compile(r"^over the cap of "),
}
"""What suppresses deliveries, and the reason that each then has."""
LONGEST: Final = 20 * DAY
"""A digest gathers for a week, a cap may keep a message for another, and a busy relay for some hours."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the brands promise their customers, from a time on."""

    since: int
    quiet: tuple[time, time]
    caps: Mapping[tuple[str, ...], tuple[int, int]]
    """By categories, how many e-mails in how many milliseconds."""


@dataclass(slots=True)
class Account:
    """What happened in a month."""

    world: World
    promises: Sequence[Promise]
    promised: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By delivery the events that were told it would speak of them."""
    undecided: list[str] = field(default_factory=list)
    """Events for which something else was decided than their kind calls for."""
    redeemed: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By customer when they redeemed points, which calls off what was to remind them."""
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    """As they ended."""

    @property
    def sent(self) -> Iterator[tuple[int, Delivery]]:
        """When and what the relay took."""
        return ((each.at, self.deliveries[each.delivery_id]) for each in self.world.taken)

    def promise(self, at: int) -> Promise:
        """Return what was promised at a time."""
        return self.promises[bisect_right(self.promises, at, key=lambda each: each.since) - 1]

    def by_customer(self, categories: Sequence[str]) -> dict[str, list[tuple[int, str]]]:
        """Return by customer when they got which messages of these categories."""
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for at, delivery in self.sent:
            if CATEGORIES[delivery.rule_id] in categories:
                found[f"{delivery.org_id} {delivery.recipient.name}"].append((at, delivery.id))
        return found


def at_night(account: Account) -> list[str]:
    """Name what went while the clock on the customer's wall was within the quiet hours, and was not urgent."""
    return [
        f"{each.id} at {_wall(at, each)}"
        for at, each in account.sent
        if each.rule_id != "receipt" and _is_night(account, at, each)
    ]


def _is_night(account: Account, at: int, delivery: Delivery) -> bool:
    start, end = account.promise(at).quiet
    wall = _wall(at, delivery).time()
    return wall >= start or wall < end


def over_a_cap(account: Account) -> list[str]:
    """Name what was one too many, by the caps that held when the message first had room."""
    found = []
    for categories in account.promises[0].caps:
        for sent in account.by_customer(categories).values():
            for at, name in sent:
                limit, per = account.promise(account.world.tried[name]).caps[categories]
                if _other(sent, name, since=at - per, until=at) >= limit:
                    found.append(f"{name} at {at}: more than {limit} of {categories}")
    return found


def over_a_throttle(account: Account) -> list[str]:
    """Name what its rule's throttle should have stopped."""
    rule, limit, per = THROTTLED
    by_customer: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for at, each in account.sent:
        if each.rule_id == rule:
            by_customer[each.recipient.name].append((at, each.id))
    return [
        name
        for sent in by_customer.values()
        for at, name in sent
        if _other(sent, name, since=at - per, until=at) >= limit
    ]


def too_late(account: Account) -> list[str]:
    """Name what went after its time."""
    return [each.id for at, each in account.sent if each.expires_at is not None and at >= each.expires_at]


def too_early(account: Account) -> list[str]:
    """Name what went before its delay had passed, or before its hour."""
    return [each.id for at, each in account.sent if at < each.created_at or _before_its_hour(at, each)]


def _before_its_hour(at: int, delivery: Delivery) -> bool:
    if delivery.rule_id == DELAYED[0]:
        return at < delivery.created_at + DELAYED[1]
    if delivery.rule_id != TIMED[0]:
        return False
    decided, hour = _wall(delivery.created_at, delivery), TIMED[1]
    day = decided.date() + timedelta(days=decided.time() > hour)
    return _wall(at, delivery) < datetime.combine(day, hour)


def twice(account: Account) -> list[str]:
    """Name what was accepted more than once, though no gateway fell before it could write so down."""
    counts = Counter(each.delivery_id for each in account.world.taken)
    return [name for name, count in counts.items() if count > 1 + (name in account.world.may_repeat)]


def unasked(account: Account) -> list[str]:
    """Name what went to somebody who at that moment objected, or had not agreed where that is needed."""
    voices = account.world.voices
    return [
        f"{each.id} {category} at {at}"
        for at, each in account.sent
        if (category := CATEGORIES[each.rule_id]) != "service" and not voices.wants(_whose(each), category, at)
    ]


def to_the_suppressed(account: Account) -> list[str]:
    """Name what went to an address that was suppressed at that moment."""
    barred = account.world.voices.is_barred
    return [each.id for at, each in account.sent if barred(_whose(each), CATEGORIES[each.rule_id], at)]


def called_off(account: Account) -> list[str]:
    """Name what reminded somebody of points after they had redeemed them."""
    return [
        each.id
        for at, each in account.sent
        if each.rule_id == "expiring"
        and any(each.created_at < redeemed <= at for redeemed in account.redeemed[each.recipient.name])
    ]


def untold(account: Account) -> list[str]:
    """Name the digests that told of other events than had joined them."""
    return [
        each.delivery_id
        for each in account.world.taken
        if account.deliveries[each.delivery_id].rule_id == "summary"
        and sorted(each.tells) != sorted(account.promised[each.delivery_id])
    ]


def lost(account: Account) -> list[str]:
    """Name what a publisher was told of and is not there, and what is there and nobody was told of."""
    return sorted(account.promised.keys() ^ account.deliveries.keys())


def undecided(account: Account) -> list[str]:
    """Name the events for which something else was decided than their kind calls for."""
    return account.undecided


def unexplained(account: Account) -> list[str]:
    """Name what has not ended in time, or ended undelivered without a word, or says it was delivered and was not."""
    ended = {State.DELIVERED, State.DEAD, State.EXPIRED, State.SUPPRESSED, State.CANCELLED}
    taken = {each.delivery_id for each in account.world.taken}
    return [
        f"{each.id} {each.state} {each.reason}"
        for each in account.deliveries.values()
        if each.state not in ended
        or (each.state is not State.DELIVERED and not each.reason)
        or (each.state is State.DELIVERED) != (each.id in taken)
        or (each.state is State.SUPPRESSED and stopped_by(each) not in STOPS)
        or (each.settled_at or 0) > each.created_at + LONGEST
    ]


def wrongly_stopped(account: Account) -> list[str]:
    """Name what was stopped though nothing stood in its way."""
    voices = account.world.voices
    found = []
    for each in account.deliveries.values():
        category, why, at = CATEGORIES[each.rule_id], stopped_by(each), each.settled_at or 0
        if (
            (why == "consent" and voices.wants(_whose(each), category, at))
            or (why == "address" and not voices.is_barred(_whose(each), category, at + 1))
            or (each.state is State.EXPIRED and not _must_expire(account, each))
            or (each.state is State.CANCELLED and at not in account.redeemed[each.recipient.name])
        ):
            found.append(f"{each.id} {each.reason}")
    return found


def _must_expire(account: Account, delivery: Delivery) -> bool:
    """Say whether its time had passed, or will while it is night or while a busy relay is left alone."""
    at, until = delivery.settled_at or 0, delivery.expires_at
    if until is None or at >= until or delivery.id in account.world.tried:
        return until is not None
    return all(_is_night(account, moment, delivery) for moment in range(at, until, HOUR // 2))


def needlessly_counted(account: Account) -> list[str]:
    """Name what a throttle or a cap stopped though it had room."""
    world, found = account.world, []
    ended = {each.id: each.settled_at or 0 for each in account.deliveries.values() if each.id in world.tried}
    tried: dict[str, list[str]] = defaultdict(list)
    for name in ended:
        tried[account.deliveries[name].recipient.name].append(name)
    for each in account.deliveries.values():
        if (why := stopped_by(each)) not in ("throttle", "cap"):
            continue
        at = each.settled_at or 0
        limits: list[tuple[tuple[str, ...], tuple[int, int]]] = [(("tier",), THROTTLED[1:])]
        if why == "cap":
            mine = CATEGORIES[each.rule_id]
            limits = [(names, cap) for names, cap in account.promise(at).caps.items() if mine in names]
        if not any(
            _is_full(account, [name for name in tried[each.recipient.name] if name != each.id], ended, at, *limit)
            for limit in limits
        ):
            found.append(f"{each.id} {each.reason}")
    return found


def _is_full(
    account: Account,
    others: Sequence[str],
    ended: Mapping[str, int],
    at: int,
    kinds: tuple[str, ...],
    limit: tuple[int, int],
) -> bool:
    """Say whether a limit may have had no room: what was under way counted as well."""
    counted = [
        name
        for name in others
        if (account.deliveries[name].rule_id in kinds or CATEGORIES[account.deliveries[name].rule_id] in kinds)
        and account.world.tried[name] <= at
        and ended[name] > at - limit[1]
    ]
    return len(counted) >= limit[0]


def stopped_by(delivery: Delivery) -> str:
    """Say by its reason what suppressed a delivery; empty when it ended in another way."""
    if delivery.state is not State.SUPPRESSED:
        return ""
    return next((name for name, words in STOPS.items() if words.search(delivery.reason)), delivery.reason)


LAWS: Final[tuple[Callable[[Account], list[str]], ...]] = (
    at_night, over_a_cap, over_a_throttle, too_late, too_early, twice, unasked, to_the_suppressed, called_off, untold,
    lost, undecided, unexplained, wrongly_stopped, needlessly_counted,
)  # fmt: skip


def _other(sent: Sequence[tuple[int, str]], name: str, *, since: int, until: int) -> int:
    """Count the messages but this one that went within a window that ends at a time, which is in it."""
    return len({other for at, other in sent if since < at <= until and other != name})


def _wall(at: int, delivery: Delivery) -> datetime:
    """Return what the calendar and the clock on the customer's wall show."""
    return datetime.fromtimestamp(at / 1000, zone_of(_whose(delivery))).replace(tzinfo=None)


def _whose(delivery: Delivery) -> int:
    return int(delivery.recipient.name)
