"""The gateways of the simulated month, on one database and by one clock, which moves only when all of them are at rest.

Everything is real but the clock and the relay. Gateways stop in order, or fall with messages in their hands, and others
take their place; the rulebook is replaced while messages wait.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from channels_kit import SECRETS, secrets_of
from month_kit import Voices
from tidings.channels import WebhookSettings, open_webhook_channel
from tidings.dispatch import Dispatcher, DispatchSettings
from tidings.intake import Publish
from tidings.model import Accepted, Deferred, Email, Outcome, Refused
from tidings.rulebook import Rulebook, Rulebooks, load, pack, unpack
from tidings.store import Revision, Settlement, Store, open_store
from tidings.telemetry.metrics import Metrics

Trouble = Literal["stop", "fall before", "fall after"]
"""A gateway stops in order, or falls just before or just after the relay has taken a message."""

_SETTINGS: Final = DispatchSettings(email_concurrency=256, drain=0.5)
_MOST_LOOKS: Final = 100
"""How often something may be due at one moment before nobody seems to take it."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that the relay took."""

    at: int
    delivery_id: str
    tells: tuple[str, ...]
    """The events that it lists, of a digest."""


@dataclass(slots=True)
class World:
    """The clock, what the relay got, and what goes wrong when."""

    now: int
    voices: Voices
    troubles: deque[tuple[int, Trouble]] = field(default_factory=deque)
    """From when on the next gateway with a message in its hands has it."""
    taken: list[Handed] = field(default_factory=list)
    tried: dict[str, int] = field(default_factory=dict)
    """When each delivery was first handed to the relay."""
    may_repeat: set[str] = field(default_factory=set)
    """What the relay had taken from a gateway that fell before it had written so down."""
    had: list[Trouble] = field(default_factory=list)
    """What has gone wrong."""
    dice: random.Random = field(default_factory=lambda: random.Random(13))  # noqa: S311 (the same month each time)

    def __call__(self) -> int:
        return self.now

    def answer(self, email: Email) -> Outcome:
        """Stand for a relay that is busy now and then, and now and then refuses."""
        self.tried.setdefault(email.delivery_id, self.now)
        throw = self.dice.random()
        if throw < 0.05:
            return Deferred(status_code=451, detail="busy")
        if throw < 0.06:
            return Refused(status_code=554, detail="not today")
        if throw < 0.065:
            self.voices.bounced(email.recipient, now=self.now)
            return Refused(status_code=550, detail="nobody here", bad_address=True)
        told = [line.removeprefix("event ") for line in email.text.splitlines() if line.startswith("event ")]
        self.taken.append(Handed(self.now, email.delivery_id, tuple(told)))
        return Accepted()

    def trouble(self) -> Trouble | None:
        """Return what goes wrong now."""
        if not self.troubles or self.troubles[0][0] > self.now:
            return None
        self.had.append(self.troubles.popleft()[1])
        return self.had[-1]


async def _for_ever(*_: object, **__: object) -> None:
    """Do nothing any more, as who has fallen does."""
    await asyncio.Event().wait()


@dataclass(slots=True)
class _Port:
    """A gateway's store: who waits for work sleeps until the clock has moved, and who has fallen reaches it no more."""

    store: Store
    stir: Callable[[], None]
    taken: set[str] = field(default_factory=set)
    """What the relay has taken and is not written down yet."""
    asleep: bool = False
    fallen: bool = False
    called: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return _for_ever if self.fallen else getattr(self.store, name)

    async def settle(self, settlements: list[Settlement]) -> list[bool]:
        if self.fallen:
            await _for_ever()
        kept = await self.store.settle(settlements)
        self.taken.difference_update(each.delivery_id for each in settlements)
        self.stir()
        return kept

    async def wait_for_work(self, *, timeout: float) -> None:  # noqa: ASYNC109 (as in the port)
        self.asleep = True
        self.stir()
        await self.called.wait()

    def wake(self) -> None:
        self.called.set()
        self.called = asyncio.Event()
        self.asleep = False


@dataclass(slots=True)
class Gateway:
    """Publishes and dispatches until it stops or falls."""

    world: World
    port: _Port
    rulebooks: Rulebooks
    publish: Publish
    closing: AsyncExitStack
    over: asyncio.Event = field(default_factory=asyncio.Event)
    dispatcher: Dispatcher = field(init=False)
    running: asyncio.Task[None] = field(init=False)

    def start(self, dispatcher: Dispatcher) -> None:
        """Begin to dispatch."""
        self.dispatcher = dispatcher
        self.running = asyncio.create_task(dispatcher.run(self.over))

    async def end(self) -> None:
        """Let it stop in order, or leave it lying; its connections are gone either way."""
        if self.port.fallen:
            self.running.cancel()
        else:
            await self.running
        await self.closing.aclose()

    @property
    def rests(self) -> bool:
        """Whether it has nothing to do before the clock has moved."""
        return self.port.asleep and not len(self.dispatcher._in_hand)

    async def send(self, email: Email) -> Outcome:
        """Hand a message to the relay, unless something happens first."""
        trouble = self.world.trouble()
        if trouble == "stop":
            self.over.set()
        elif trouble == "fall before":
            self._fall()
        if self.port.fallen:
            await _for_ever()
        outcome = self.world.answer(email)
        if isinstance(outcome, Accepted):
            self.port.taken.add(email.delivery_id)
        if trouble == "fall after":
            self._fall()
            await _for_ever()
        return outcome

    def _fall(self) -> None:
        self.port.fallen = True
        self.world.may_repeat |= self.port.taken
        self.over.set()
        self.port.stir()


class Month:
    """Moves the clock from one thing that happens to the next, and keeps up the number of gateways."""

    def __init__(self, world: World, *, url: str, gateways: int, rulebook: Rulebook, metrics: Metrics) -> None:
        self.world = world
        self.rulebook = rulebook
        self.gateways: list[Gateway] = []
        self._url = url
        self._count = gateways
        self._metrics = metrics
        self._stirred = asyncio.Event()
        self._fallen: list[asyncio.Task[None]] = []

    async def live(self, *, until: int, step: int, happen: Callable[[], Awaitable[None]]) -> None:
        """Let something happen with each step until a time, and then go on until nothing waits any more."""
        step_at: int | None = self.world.now
        looks = 0
        while True:
            await self._rest()
            due = await self.store.next_due()
            coming = [each for each in (due, step_at) if each is not None]
            if not coming:
                return
            looks = looks + 1 if due is not None and due <= self.world.now != step_at else 0
            assert looks < _MOST_LOOKS, "something is due that nobody takes"
            self.world.now = max(self.world.now, min(coming))
            if self.world.now == step_at:
                step_at = step_at + step if step_at + step <= until else None
                await happen()
            for each in self.gateways:
                each.port.wake()

    @property
    def store(self) -> Store:
        """The database, as the first gateway sees it."""
        return self.gateways[0].port.store

    async def reload(self, rulebook: Rulebook) -> None:
        """Let another rulebook go live in every gateway."""
        self.rulebook = rulebook
        await self._keep(self.store)
        for each in self.gateways:
            each.rulebooks.replace(rulebook)

    async def close(self) -> None:
        """Stop all gateways."""
        for each in self.gateways:
            each.over.set()
            each.port.wake()
        for each in self.gateways:
            await self._end(each)
        await asyncio.gather(*self._fallen, return_exceptions=True)

    async def _rest(self) -> None:
        while True:
            self._stirred.clear()
            for each in [each for each in self.gateways if each.over.is_set()]:
                self.gateways.remove(each)
                await self._end(each)
            while len(self.gateways) < self._count:
                self.gateways.append(await self._open())
            if all(each.rests for each in self.gateways):
                return
            await self._stirred.wait()

    async def _open(self) -> Gateway:
        closing = AsyncExitStack()
        store = await closing.enter_async_context(open_store(self._url))
        hooks = await closing.enter_async_context(open_webhook_channel(WebhookSettings(), secrets_of(SECRETS)))
        await self._keep(store)

        async def past(revision: str) -> Rulebook | None:
            found = await store.get_revision(revision)
            return None if found is None else load(unpack(found.archive), rehearse=False)

        rulebooks = Rulebooks(self.rulebook, read_past=past)
        port = _Port(store, self._stirred.set)
        ports: dict[str, Any] = {"store": cast("Store", port), "rulebooks": rulebooks, "metrics": self._metrics}
        gateway = Gateway(self.world, port, rulebooks, Publish(**ports, clock=self.world), closing)
        gateway.start(
            Dispatcher(**ports, email=gateway, webhook=hooks, clock=self.world, settings=_SETTINGS, dice=lambda: 0.5)
        )
        return gateway

    async def _end(self, gateway: Gateway) -> None:
        await gateway.end()
        self._fallen.append(gateway.running)

    async def _keep(self, store: Store) -> None:
        archive = pack(self.rulebook.sources)
        await store.save_revision(Revision(id=self.rulebook.revision, created_at=self.world.now, archive=archive))
