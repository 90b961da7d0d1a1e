"""A gateway's place among those on one store: it tells of itself every few seconds, and learns of the others.

Two stopwatches make it safe. Who could not tell of itself for ``surely_there`` sends nothing any more; whom nobody
heard of for longer than that, and for as long as a send can take besides, is dropped with all that it held.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tidings.errors import TidingsError
from tidings.fleet.place import has_ended
from tidings.store import FleetStore, Presence
from tidings.telemetry import events, get_logger

log = get_logger()

BEAT_SECONDS: Final = 2.0
"""How often a gateway tells of itself."""
_BEATS_MISSED: Final = 5
"""Who has missed so many is not counted any more."""
_LONGEST_LEAVE: Final = 2.0
"""Seconds that a stop waits for its leave to be noted."""
_MARGIN_SECONDS: Final = 1.0
"""How much earlier it gives up by itself: stopwatches differ a little, and what was looked at must still be begun."""


@dataclass(frozen=True, slots=True)
class Fellows:
    """The gateways that are known to be there."""

    own: Presence
    others: tuple[Presence, ...] = ()
    """Those heard of lately."""
    silent: tuple[Presence, ...] = ()
    """Those not heard of lately whose holdings still stand."""

    @property
    def dispatching(self) -> int:
        """How many send, this one included if it does, at least 1."""
        return max(1, sum(each.dispatches for each in (self.own, *self.others)))

    @property
    def taking_in(self) -> int:
        """How many answer callers, at least 1."""
        return max(1, sum(each.role != "dispatch" for each in (self.own, *self.others)))

    @property
    def seat(self) -> tuple[int, int]:
        """Say which one this is among those that send, from 0, and how many they are."""
        senders = sorted((each.started_at, each.id) for each in (self.own, *self.others) if each.dispatches)
        own = (self.own.started_at, self.own.id)
        return (senders.index(own), len(senders)) if self.own.dispatches else (0, 1)

    @property
    def have_senders(self) -> bool:
        """Whether another one sends, or has what it sent with."""
        return any(each.dispatches for each in (*self.others, *self.silent))

    @property
    def may_begin(self) -> bool:
        """Whether no other one takes limits for its own: whoever does has yet to see this one."""
        return not self.own.sharing or all(each.sharing for each in (*self.others, *self.silent) if each.dispatches)


@dataclass(slots=True)
class _Heard:
    beats: int
    at: float
    """The stopwatch's reading when this count was first seen."""


class Membership:
    """Keeps one gateway known to the others; belongs to its loop."""

    def __init__(
        self,
        fleet: FleetStore,
        own: Presence,
        *,
        clock: Callable[[], int],
        revision: Callable[[], str],
        longest_send: float,
        every: float = BEAT_SECONDS,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        """Be nobody's fellow yet.

        Args:
            fleet: where gateways tell of themselves.
            own: what this one says of itself.
            clock: gives the hour, epoch milliseconds.
            revision: gives the rulebook that is live.
            longest_send: how long a send can take, seconds: what one that is gone had begun may last as long.
            every: seconds from one beat to the next.
            stopwatch: gives seconds; nobody can set it.
        """
        self.store = fleet
        self.fellows = Fellows(own)
        self._clock = clock
        self._revision = revision
        self._every = every
        self._silent_after = _BEATS_MISSED * every
        self._dropped_after = self._silent_after + longest_send
        self._stopwatch = stopwatch
        self._surely_until = 0.0
        self._heard: dict[str, _Heard] = {}
        self._wanted = asyncio.Event()
        self._beating = asyncio.Lock()
        self.changed = asyncio.Event()
        """Set with every beat; whoever acts upon it clears it."""
        self.times_dropped = 0
        """How often the others took this one for gone: each time it has lost what it held."""

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken this one for gone."""
        return self._stopwatch() < self._surely_until

    async def beat(self, *, sharing: bool | None = None) -> Fellows:
        """Tell of this one now, and hear of the others; raise StoreUnavailable.

        Args:
            sharing: whether what it holds of the limits stands in the store from now on; None: as before.
        """
        async with self._beating:
            own = self.fellows.own
            told = replace(
                own,
                seen_at=self._clock(),
                revision=self._revision(),
                sharing=own.sharing if sharing is None else sharing,
            )
            began = self._stopwatch()
            there = await self.store.beat(told)
            self._surely_until = began + self._silent_after - min(_MARGIN_SECONDS, self._every / 2)
            self._take_note(own, there)
            await self._drop_the_dead()
            self.changed.set()
            return self.fellows

    def beat_soon(self) -> None:
        """Have a beat out of turn: there is something to tell."""
        self._wanted.set()

    async def run(self) -> None:
        """Beat for as long as it takes."""
        while True:
            self._wanted.clear()
            try:
                await self.beat()
            except TidingsError as error:
                log.warning(events.STORE_UNAVAILABLE, error=str(error))
            except Exception:
                log.exception(events.FLEET_FAULT)
            pause = self._every if self.fellows.may_begin else self._every / 8
            try:
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def leave(self) -> None:
        """Take leave; what is held goes to the others at once. The store being away, they notice by themselves."""
        try:
            async with asyncio.timeout(_LONGEST_LEAVE), self._beating:
                await self.store.drop(self.fellows.own.id)
        except (TidingsError, TimeoutError) as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error) or "no answer")

    async def all_there(self) -> tuple[Presence, ...]:
        """Return every gateway that runs, oldest first, asking the store; raise StoreUnavailable."""
        silent = {each.id for each in self.fellows.silent}
        return tuple(each for each in await self.store.gateways() if each.id not in silent)

    def _take_note(self, before: Presence, there: tuple[Presence, ...]) -> None:
        now = self._stopwatch()
        own = next(each for each in there if each.id == before.id)
        if before.beats and own.beats <= before.beats:
            self.times_dropped += 1
            log.warning(events.GATEWAY_DROPPED, gateway=own.id)
        others = [each for each in there if each.id != own.id]
        self._heard = {
            each.id: known
            if (known := self._heard.get(each.id)) and known.beats == each.beats
            else _Heard(each.beats, now)
            for each in others
        }
        is_silent = {
            each.id: self._silence(each, now) >= self._silent_after or has_ended(each.place) for each in others
        }
        self.fellows = Fellows(
            own,
            tuple(each for each in others if not is_silent[each.id]),
            tuple(each for each in others if is_silent[each.id]),
        )

    def _silence(self, other: Presence, now: float) -> float:
        return now - self._heard[other.id].at

    async def _drop_the_dead(self) -> None:
        """Drop whom nobody can hear of again, and what they held."""
        now = self._stopwatch()
        dead = [
            each
            for each in self.fellows.silent
            if self._silence(each, now) >= self._dropped_after or has_ended(each.place)
        ]
        for each in dead:
            await self.store.drop(each.id, beats=each.beats)
            log.info(events.GATEWAY_GONE, gateway=each.id, host=each.host)
        if dead:
            left = tuple(each for each in self.fellows.silent if each not in dead)
            self.fellows = replace(self.fellows, silent=left)
            self.beat_soon()
