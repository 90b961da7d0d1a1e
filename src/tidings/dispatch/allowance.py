"""What a message counts against before it is sent, its rule's throttle and its brand's caps, and what follows. Pure.

The store does the counting. A throttle counts events, so that a rule's e-mail and its webhook of one event are one; a
cap counts e-mails. What is counted goes by a digest, so that the count names no customer.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tidings.dispatch.destination import Hold, Stop
from tidings.dispatch.timing import Occasion
from tidings.expressions import Expression
from tidings.model import Cap
from tidings.rules import Throttle
from tidings.rules.planning import due
from tidings.store import Claim, Limit

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_CAP_WAIT_MS: Final = 7 * 86_400_000
"""How long a message waits for a cap at the most, from when it was first due."""
_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))


def claim_of(occasion: Occasion) -> Claim | None:
    """Return what a message counts against, the throttle first, or None when it counts against nothing."""
    throttle, caps = occasion.rule.timing.throttle, caps_on(occasion)
    if throttle is None and not caps:
        return None
    delivery = occasion.delivery
    limits = [] if throttle is None else [_throttling(throttle, occasion)]
    limits += [_capping(cap, occasion) for cap in caps]
    return Claim(org_id=delivery.org_id, delivery_id=delivery.id, limits=tuple(limits), now=occasion.now)


def caps_on(occasion: Occasion) -> tuple[Cap, ...]:
    """Return the caps of the brand that a message counts against."""
    caps = occasion.brand.caps
    if not caps or not occasion.is_to_customer:
        return ()
    return tuple(cap for cap in caps if cap.covers(occasion.rule.category))


def refusal(occasion: Occasion, free: Sequence[int | None]) -> Hold | Stop | None:
    """Say what becomes of a message, given when each limit of its claim has room; None: it may go."""
    throttle, caps = occasion.rule.timing.throttle, caps_on(occasion)
    if throttle is not None and free[0] is not None:
        return Stop(
            reason=f"throttled: rule {occasion.rule.id} is limited to {throttle.text}, and has room again from "
            f"{_iso(free[0])}"
        )
    full = [(at, cap) for cap, at in zip(caps, free[len(free) - len(caps) :], strict=True) if at is not None]
    return _over(occasion, *max(full, key=lambda each: each[0])) if full else None


def _over(occasion: Occasion, free_at: int, cap: Cap) -> Hold | Stop:
    """Hold what is over a cap until there is room, where that is soon enough, and stop it otherwise."""
    reason = f"over the cap of {cap.limit} in {_length(cap.per)} for this customer"
    expires_at = occasion.delivery.expires_at
    if expires_at is not None and free_at >= expires_at:
        return Stop(reason=f"{reason}, and there is no room before its time passes")
    zone = occasion.brand.time_zone
    first_due = due(occasion.rule, occasion.evaluate, zone, now=occasion.delivery.created_at)
    if free_at > first_due + LONGEST_CAP_WAIT_MS:
        return Stop(reason=f"{reason}, and there is no room within {_length(LONGEST_CAP_WAIT_MS)}")
    return Hold(kind="cap", reason=reason, due_at=free_at)


def _throttling(throttle: Throttle, occasion: Occasion) -> Limit:
    key = _key("throttle", occasion.rule.id, *_counted(throttle, occasion))
    return Limit(key=key, limit=throttle.limit, per=throttle.per, unit=occasion.delivery.event_id)


def _counted(throttle: Throttle, occasion: Occasion) -> tuple[Any, ...]:
    """Return what a throttle tells apart; an event without a customer goes by whom the message is for."""
    if isinstance(throttle.by, Expression):
        return "value", occasion.evaluate(throttle.by)
    return ("brand",) if throttle.by == "brand" else _customer(occasion)


def _customer(occasion: Occasion) -> tuple[str, str]:
    customer = occasion.delivery.customer_id
    return ("customer", customer) if customer else ("recipient", str(occasion.delivery.recipient))


def _capping(cap: Cap, occasion: Occasion) -> Limit:
    """Caps on the same categories share a count, each with a limit and a window of its own."""
    categories = None if cap.categories is None else sorted(cap.categories)
    return Limit(key=_key("cap", categories, *_customer(occasion)), limit=cap.limit, per=cap.per)


def _key(*parts: Any) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _iso(moment: int) -> str:
    return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="seconds").replace("+00:00", "Z")


def _length(milliseconds: int) -> str:
    """Write a length of time as a rulebook does, such as ``7d``."""
    size, unit = next((size, unit) for size, unit in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"
