"""When a message may go: the gates that look at the clock, asked on every attempt. Pure, the hour is an argument.

A rule is asked as it was when it decided, a brand as it is now: its quiet hours count as soon as they are written down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from typing import Final
from zoneinfo import ZoneInfo

from tidings.dispatch.destination import Hold
from tidings.model import Brand, Contact, Delivery
from tidings.rules import Rule
from tidings.rules.hours import clock_at, next_time, quiet_until, zone_named
from tidings.rules.planning import Evaluate, goes_to_customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """An attempt that is about to be made."""

    delivery: Delivery
    rule: Rule
    brand: Brand
    zone: ZoneInfo
    """The customer's time zone, or the brand's where the customer's is not known."""
    now: int
    evaluate: Evaluate
    """Evaluates an expression of the rule on the event, as of the decision."""
    until: int = 0
    """Of a digest, until when it gathers."""

    @property
    def is_to_customer(self) -> bool:
        """Whether this is an e-mail to a customer."""
        delivery, actions = self.delivery, self.rule.actions
        return delivery.action < len(actions) and goes_to_customer(delivery.recipient, actions[delivery.action])


Gate = Callable[[Occasion], Hold | None]
"""Says what keeps a message back, and until when."""


def _send_at(occasion: Occasion) -> Hold | None:
    clock = occasion.rule.timing.send_at
    if not isinstance(clock, time) or not occasion.is_to_customer:
        return None
    due_at = next_time(occasion.delivery.created_at + occasion.rule.timing.delay, clock, occasion.zone)
    if due_at <= occasion.now:
        return None
    reason = f"it goes at {clock:%H:%M} by the customer's clock ({occasion.zone.key})"
    return Hold(kind="send_at", reason=reason, due_at=due_at)


def _gathering(occasion: Occasion) -> Hold | None:
    """Hold a digest that somebody made due before its time, as an endpoint that is enabled again does."""
    if occasion.until <= occasion.now:
        return None
    return Hold(kind="digest", reason="gathering until its time", due_at=occasion.until)


def _quiet_hours(occasion: Occasion) -> Hold | None:
    quiet = occasion.brand.quiet_hours
    if quiet is None or occasion.rule.timing.urgent or not occasion.is_to_customer:
        return None
    end = quiet_until(occasion.now, quiet, occasion.zone)
    if end is None:
        return None
    reason = f"quiet hours of the customer until {clock_at(end, occasion.zone)} ({occasion.zone.key})"
    return Hold(kind="quiet_hours", reason=reason, due_at=end)


CLOCK_GATES: Final[tuple[Gate, ...]] = (_gathering, _send_at, _quiet_hours)
"""In the order they are asked."""


def hold_back(occasion: Occasion) -> Hold | None:
    """Return what the first gate that keeps the message back says, or None when none does."""
    for gate in CLOCK_GATES:
        held = gate(occasion)
        if held is not None:
            return held
    return None


def zone_of(contact: Contact | None, brand: Brand) -> ZoneInfo:
    """Return the customer's time zone, or the brand's when it is not known or is no zone."""
    return (contact is not None and zone_named(contact.time_zone)) or brand.time_zone
