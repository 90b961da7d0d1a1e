"""Dividing an endpoint's limits among gateways: pure, whichever store the numbers stand in.

Slots are handed over, never split in two: a gateway gets no more than the others have left, so that all parts
together stay within the limit, however late anybody hears of it. Who has more than its part gives back what it does
not use; where there are fewer slots than gateways with work, they take turns. Of a rate times are booked, a second
ahead at the most: whoever has work books, and what a gateway that dies has booked passes. What one that lives could not
use in time it gives back, for at a slow rate a time is worth an hour.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from tidings.store.fleet import Ask, Part

TURN_MS: Final = 1_000
"""How long a gateway keeps a slot that another one waits for."""
_AHEAD: Final = 1_000_000
"""Microseconds: how far ahead times of a rate are booked."""
_PUT_BACK: Final = 10_000_000
"""Microseconds; times that are free so much later than they can be tell of a clock that was put back."""
_ROOMY: Final = 4
"""Where there are so many slots for each gateway, one is left for each that has none."""


class Holding(NamedTuple):
    """What a gateway holds of an endpoint."""

    gateway_id: str
    slots: int
    wanted: int
    turn_at: int
    """Since when it has held any, or held some last, epoch milliseconds; 0: it never has."""


def divide(ask: Ask, own: Holding, others: Sequence[Holding], *, gateways: int, now: int) -> tuple[Holding, Part]:
    """Say what a gateway holds from now on of an endpoint's slots, given what it held and what others hold.

    Args:
        ask: what it could use.
        own: what it holds.
        others: what each of the others holds.
        gateways: how many there are that send, this one included.
        now: epoch milliseconds.
    """
    claim = own._replace(wanted=min(ask.wanted, ask.limit))
    fair = _fair_parts(ask.limit, [claim, *others], now)
    held = sum(each.slots for each in others)
    target = fair[own.gateway_id]
    if claim.wanted:  # a little more than it wants, where nobody wants it
        spare = ask.limit - sum(fair.values())
        target = max(target, min(ask.limit // gateways, target + spare))
    left_alone = gateways - 1 - sum(each.slots > 0 for each in others) if ask.limit >= _ROOMY * gateways else 0
    room = max(0, min(target, ask.limit - max(0, left_alone) - held))
    if claim.wanted and not room:
        room = max(0, min(1, target, ask.limit - held))
    slots = max(ask.keep, room)
    turn_at = own.turn_at if own.slots or not slots else now
    short = any(each.slots < fair[each.gateway_id] for each in others)
    return claim._replace(slots=slots, turn_at=turn_at), Part(slots, min(slots, max(room, 0)), short)


def _fair_parts(limit: int, claims: Sequence[Holding], now: int) -> dict[str, int]:
    """Give each as much as it wants as far as all can have as much; what is left over goes by turns."""
    parts = {each.gateway_id: 0 for each in claims}
    left, unmet = limit, [each for each in claims if each.wanted > 0]
    while left and unmet:
        each_gets = left // len(unmet)
        if not each_gets:
            for claim in sorted(unmet, key=lambda claim: _turn(claim, now))[:left]:
                parts[claim.gateway_id] += 1
            break
        for claim in unmet:
            given = min(each_gets, claim.wanted - parts[claim.gateway_id])
            parts[claim.gateway_id] += given
            left -= given
        unmet = [each for each in unmet if parts[each.gateway_id] < each.wanted]
    return parts


def _turn(claim: Holding, now: int) -> tuple[bool, int, str]:
    """Order by whose turn it is: whoever has begun one has it to its end, then whoever has waited for longest."""
    under_way = claim.slots > 0 and 0 <= now - claim.turn_at < TURN_MS
    return not under_way, claim.turn_at, claim.gateway_id


def book(ask: Ask, part: Part, free_at: int, *, now: int) -> tuple[int, int, int]:
    """Book times of a rate: the first of them, how many, and from when on times are free then.

    None for a gateway without a slot to use them in. Times are microseconds, but for ``now``. Without any booked
    the first is when the next is free.
    """
    at = now * 1_000
    if free_at > at + _AHEAD + ask.interval + _PUT_BACK:
        free_at = at + ask.interval
    if ask.unused_at and free_at == ask.unused_at + ask.interval:
        free_at = ask.unused_at
    free_at = max(free_at, ask.booked_until)
    first = max(free_at, ask.not_before, at)
    within = (at + _AHEAD - first) // ask.interval + 1
    count = max(0, min(ask.times, within)) if part.room else 0
    return (first, count, first + count * ask.interval) if count else (max(free_at, at), 0, free_at)
