"""Keeping to endpoints' limits where several gateways send: each uses what the store gave it, and asks now and then.

A gateway that is the only one takes all there is, and nothing is asked. When another one comes it first writes down
what it has under way, and only then says so: until it has, the newcomer sends nothing.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from tidings.dispatch.destination import Destination
from tidings.dispatch.endpoints import Endpoints
from tidings.dispatch.share import Lead
from tidings.errors import TidingsError
from tidings.fleet import Membership
from tidings.store import Ask
from tidings.telemetry import events, get_logger

log = get_logger()

_LOOK_SECONDS: Final = 1.0
"""How often it is looked what is held and not used."""
_AGAIN_SECONDS: Final = 0.2
"""How often a gateway asks again for what it did not get."""
_LEAST_PAUSE: Final = 0.01
"""Seconds between two calls of the store."""


class Sharing(Protocol):
    """Says what of the endpoints' limits is this gateway's."""

    @property
    def may_send(self) -> bool:
        """Whether this gateway may begin to send anything at all just now."""

    def ask(self, destination: Destination) -> None:
        """Have more given to a destination that lacks it."""

    async def run(self) -> None:
        """Work for as long as it takes."""


class Alone:
    """All of it is this gateway's, for there is no other."""

    may_send = True

    def ask(self, destination: Destination) -> None:
        """Do nothing: there is no more."""

    async def run(self) -> None:
        """Do nothing."""


class AmongOthers:
    """Follows which other gateways there are; belongs to the dispatcher's loop."""

    def __init__(
        self,
        membership: Membership,
        endpoints: Endpoints,
        *,
        clock: Callable[[], int],
        pump: Callable[[Destination], None],
    ) -> None:
        """Begin nothing yet; ``pump`` starts what waits for a destination that was given more."""
        self._membership = membership
        self._endpoints = endpoints
        self._clock = clock
        self._pump = pump
        self._begun_as: int | None = None
        """How often this gateway had been dropped when it began; None while it has not."""
        self._short: dict[Destination, None] = {}
        self._asked_at: dict[Destination, float] = {}
        self._asked = asyncio.Event()
        self._looked_at = 0.0
        self._lead = Lead()
        self._to_tell: tuple[Ask, ...] = ()
        """What it held when it was the only one and another one came, until it stands in the store."""

    @property
    def may_send(self) -> bool:
        """Whether it has begun, and nobody can have taken it for gone since."""
        return self._begun_as == self._membership.times_dropped and self._membership.is_sure

    def ask(self, destination: Destination) -> None:
        """Have more given to a destination: at once, unless it has asked just now."""
        self._short[destination] = None
        if time.monotonic() - self._asked_at.get(destination, 0.0) >= _AGAIN_SECONDS:
            self._asked.set()

    async def run(self) -> None:
        """Follow the others and share with them for as long as it takes."""
        while True:
            try:
                await self._step()
            except TidingsError as error:
                log.warning(events.STORE_UNAVAILABLE, error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
            except Exception:
                log.exception(events.DISPATCH_FAULT)
                await asyncio.sleep(_AGAIN_SECONDS)
            await asyncio.sleep(_LEAST_PAUSE)
            await self._wait()

    async def _wait(self) -> None:
        """Wait until somebody asks, something was heard of the others, or it is time to look."""
        pause = _AGAIN_SECONDS if self._short else _LOOK_SECONDS
        waiting = [asyncio.create_task(each.wait()) for each in (self._asked, self._membership.changed)]
        try:
            await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        self._membership.changed.clear()
        self._asked.clear()

    async def _step(self) -> None:
        fellows = self._membership.fellows
        if self._begun_as != self._membership.times_dropped:
            if not fellows.may_begin or not fellows.own.beats:
                return
            await self._begin(sharing=fellows.own.sharing)
        elif not self._endpoints.shared:
            if fellows.have_senders:
                await self._share()
        elif not fellows.own.sharing and not fellows.have_senders:
            await self._have_alone()
        in_company = bool(fellows.others or fellows.silent)
        self._endpoints.on_news = self._asked.set if in_company else None
        if in_company:
            await self._endpoints.tell_and_hear(self._clock())
        if self._endpoints.shared:
            await self._round()

    async def _begin(self, *, sharing: bool) -> None:
        """Hold nothing, or all of it; what it held before it was dropped, if it was, others may have by now."""
        dropped = self._membership.times_dropped
        self._to_tell = ()
        if sharing:
            self._endpoints.share()
            self._endpoints.close_shares()
        else:
            await self._have_alone()
        self._begun_as = dropped
        self._pump_all(self._endpoints.destinations())

    async def _have_alone(self) -> None:
        """Take all there is: by the store's word nobody else sends, and whoever comes waits to be seen."""
        booked = await self._membership.store.booked()
        self._endpoints.have_alone({(each.org_id, each.name): each.free_at for each in booked})
        self._short.clear()
        self._asked_at.clear()

    async def _share(self) -> None:
        """Write down what is under way, and from then on use what the store gives."""
        self._to_tell = self._endpoints.share()
        await self._tell()

    async def _tell(self) -> None:
        told = self._to_tell
        if told and await self._membership.store.share_out(self._own_id, told, now=self._clock()) is None:
            return
        self._to_tell = ()
        await self._membership.beat(sharing=True)

    @property
    def _own_id(self) -> str:
        return self._membership.fellows.own.id

    async def _round(self) -> None:
        """Ask for what is lacking and give back what is not needed."""
        if not self._membership.fellows.own.sharing:
            await self._tell()
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            wanted = self._endpoints.in_use()
            for each in wanted:
                each.look()
        else:
            wanted = list(self._short)
        self._short.clear()
        self._asked_at = dict.fromkeys(wanted, now) if wanted else self._asked_at
        if wanted:
            await self._ask_for(wanted)

    async def _ask_for(self, destinations: list[Destination]) -> None:
        now, asked_at = self._clock(), time.monotonic()
        usable = now * 1_000 + self._lead.microseconds
        asks = [each.ask(*self._endpoints.key_of(each), not_before=usable) for each in destinations]
        parts = await self._membership.store.share_out(self._own_id, asks, now=now)
        self._lead.record(time.monotonic() - asked_at)
        if parts is None:  # dropped: nothing here is ours any more, as the next beat will say
            self._membership.beat_soon()
            return
        if any(each.fails for each in destinations):  # whoever had the slot before may have found out more
            await self._endpoints.tell_and_hear(self._clock())
        for destination, part in zip(destinations, parts, strict=True):
            destination.take(part)
            if destination.holds_too_much:
                self._short[destination] = None
        self._pump_all(destinations)

    def _pump_all(self, destinations: Iterable[Destination]) -> None:
        for each in destinations:
            self._pump(each)
