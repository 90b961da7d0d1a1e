"""Events that pour in while gateways are killed, and the accounts of what came of them.

Clients publish and, like a careful service, repeat an event under its own id until it is acknowledged. The far sides
are real: now and then they answer late, with a temporary error, or not at all after they have read everything.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeVar

import grpc

from gateway_kit import (
    RunningGateway,
)
from sink_kit import HttpSink, Reply
from smtp_kit import DROP, Answer, Fault, ReceivedEmail, Slow, SmtpSink
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.delivery_service_pb2 import DeliveryState, ListDeliveriesRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.gateway.v1.event_service_pb2 import PublishResponse
from tidings.model import Contact

T = TypeVar("T")

ORGS: Final = (50750, 50261, 51186)
CUSTOMERS: Final = range(381750905, 381750929)
"""Each with an address in every organisation."""
CLIENTS: Final = 24
PAUSE_SECONDS: Final = 0.04
"""How long a client rests between two events, on average."""
PATIENCE_SECONDS: Final = 20.0
"""How long a client waits for an answer before it publishes again."""
AGAIN_SECONDS: Final = 0.01
"""How long it waits once it was refused."""
CONCURRENCY: Final = 16
BATCH: Final = 8
IN_HAND: Final = CONCURRENCY + 2 * BATCH
"""How many deliveries a gateway with these settings has in hand at the most: what one crash may repeat."""
REPLIES: Final[Sequence[tuple[float, Reply]]] = (
    (0.80, Reply()),
    (0.08, Reply(delay=0.15)),
    (0.04, Reply(status=503)),
    (0.03, Reply(status=429, headers={"retry-after": "1"})),
    (0.03, Reply(fault="reset-late")),
    (0.02, Reply(fault="reset-early")),
)
ANSWERS: Final[Sequence[tuple[float, Answer]]] = (
    (0.85, "250 2.0.0 taken"),
    (0.08, Slow(0.15)),
    (0.05, "451 4.3.2 later"),
    (0.02, DROP),
)
_SCRIPTED: Final = 400
"""How many answers are thrown for each far side before every life."""
_AGAIN: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)
_LOOKS: Final = 400
"""How often to look whether something has come about."""
_OPEN: Final = tuple(DeliveryState.Value(f"DELIVERY_STATE_{name}") for name in ("WAITING", "HELD", "SENDING"))


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that reached its far side whole."""

    name: str
    """The delivery's id, as the message carries it."""
    body: bytes
    life: int
    """How many gateways had been killed before."""
    taken: bool
    """Whether the far side said yes to it."""
    at: float = 0.0
    """When, epoch seconds."""


@dataclass(slots=True)
class Account:
    """What the clients were told, and what the far sides saw."""

    seed: int
    kills: int = 0
    acknowledged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The deliveries of each event, as first acknowledged."""
    contradicted: list[str] = field(default_factory=list)
    """Events that were acknowledged again with other deliveries."""
    repeats: int = 0
    """How often a client had to publish an event again."""
    arrivals: list[Arrival] = field(default_factory=list)
    unverified: int = 0
    open: int = 0
    """Deliveries that had not ended when patience did."""

    def acknowledge(self, answer: PublishResponse) -> None:
        """Keep an answer, and compare it with an earlier one to the same event."""
        names = tuple(answer.delivery_ids)
        if self.acknowledged.setdefault(answer.event_id, names) != names:
            self.contradicted.append(answer.event_id)

    @property
    def twice(self) -> list[tuple[Arrival, Arrival]]:
        """Return what was taken again, each with the arrival before it."""
        last: dict[str, Arrival] = {}
        found = []
        for arrival in self.arrivals:
            if arrival.taken:
                if arrival.name in last:
                    found.append((last[arrival.name], arrival))
                last[arrival.name] = arrival
        return found

    def faults(self) -> Iterator[str]:
        """Say in words whatever must not have happened."""
        wanted = {name for names in self.acknowledged.values() for name in names}
        taken = {each.name for each in self.arrivals if each.taken}
        if lost := wanted - taken:
            yield f"{len(lost)} acknowledged deliveries never arrived, such as {min(lost)}"
        if strange := {each.name for each in self.arrivals} - wanted:
            yield f"{len(strange)} messages belong to no acknowledged event, such as {min(strange)}"
        if self.contradicted:
            yield f"acknowledged with other deliveries the second time: {self.contradicted[:3]}"
        if self.unverified:
            yield f"{self.unverified} webhooks had no valid signature"
        if self.open:
            yield f"{self.open} deliveries never ended"
        if len({(each.name, each.body) for each in self.arrivals}) > len({each.name for each in self.arrivals}):
            yield "a repeat's body differs from the first one's"
        yield from self._careless_repeats()

    def _careless_repeats(self) -> Iterator[str]:
        """Only a crash may repeat what was taken, and only what the gateway then had in hand."""
        crashes = Counter(first.life for first, again in self.twice if again.life > first.life)
        if careless := [again.name for first, again in self.twice if again.life == first.life]:
            yield f"{len(careless)} messages were sent again without a crash between, such as {careless[0]}"
        if (most := max(crashes.values(), default=0)) > IN_HAND:
            yield f"one crash repeated {most} messages, though at most {IN_HAND} can have been in hand"

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {len(self.acknowledged)} events acknowledged ({self.repeats} published again), "
            f"{len(self.arrivals)} messages arrived, {len(self.twice)} taken again"
        )


class Clients:
    """Services that publish events and know the gateways of the moment."""

    def __init__(
        self,
        account: Account,
        dice: random.Random,
        *,
        pause: float = PAUSE_SECONDS,
        again: float = AGAIN_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._account = account
        self._dice = dice
        self._pause = pause
        self._again = again
        self._patience = patience
        self._numbers = count()
        self._gateways: list[RunningGateway] = []
        self._there = asyncio.Event()
        self._under_way: Counter[int] = Counter()
        """Calls, by the gateway's gRPC port."""
        self._enough = False
        reminder = convert_one(sample("pointsExpiryReminder")).event
        reminder.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
        self._kinds = (reminder, convert_one(sample("pointsIssued")).event)

    @contextmanager
    def served_by(self, gateway: RunningGateway) -> Iterator[None]:
        """Let the clients publish to a gateway, too, while the block runs."""
        self._gateways.append(gateway)
        self._there.set()
        try:
            yield
        finally:
            self._gateways.remove(gateway)
            if not self._gateways:
                self._there.clear()

    async def acknowledged(self, wanted: int) -> None:
        """Wait until so many more events are acknowledged, on a slow machine not for ever."""
        wanted += len(self._account.acknowledged)
        for _ in range(_LOOKS):
            if len(self._account.acknowledged) >= wanted:
                return
            await asyncio.sleep(0.02)

    async def hung_up(self, gateway: RunningGateway) -> None:
        """Return once no call to a gateway is under way."""
        while self._under_way[gateway.grpc_port]:  # noqa: ASYNC110 (a count)
            await asyncio.sleep(0.005)

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """Publish while the block runs, then see what is under way acknowledged: a gateway has to be there."""
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._publish(), name=f"client {number}")
            yield
            self._enough = True

    async def _publish(self) -> None:
        while not self._enough:
            event = self._next()
            self._account.acknowledge(await self._until_acknowledged(event))
            if self._dice.random() < 0.03:  # a client that is not sure
                self._account.acknowledge(await self._until_acknowledged(event))
            await asyncio.sleep(self._dice.expovariate(1 / self._pause))

    def _next(self) -> Event:
        event = Event()
        event.CopyFrom(self._dice.choice(self._kinds))
        event.event_id = f"chaos-{next(self._numbers)}"
        event.org_id = self._dice.choice(ORGS)
        kind = getattr(event, str(event.WhichOneof("data")))
        kind.customer_identifiers.customer_id = self._dice.choice(CUSTOMERS)
        return event

    async def _until_acknowledged(self, event: Event) -> PublishResponse:
        while True:
            await self._there.wait()
            gateway = self._dice.choice(self._gateways)
            self._under_way[gateway.grpc_port] += 1
            try:
                return await gateway.publish(event, timeout=self._patience)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise
            finally:
                self._under_way[gateway.grpc_port] -= 1
            self._account.repeats += 1
            await asyncio.sleep(self._again)


class FarSides:
    """The mail server and the webhook receiver, with moods."""

    def __init__(self, smtp: SmtpSink, hooks: HttpSink, account: Account, dice: random.Random) -> None:
        self._smtp = smtp
        self._hooks = hooks
        self._account = account
        self._dice = dice
        self._read = 0
        smtp.on_message = self._take_mail

    def be_moody(self) -> None:
        """Throw the answers to come."""
        self.be_kind()
        self._hooks.script(*_thrown(REPLIES, self._dice))
        self._smtp.script("MESSAGE", *_thrown(ANSWERS, self._dice))

    def be_kind(self) -> None:
        """Say yes to everything from now on."""
        self._hooks.replies.clear()
        self._smtp.answers.clear()

    def count(self) -> None:
        """Enter what the webhook receiver got since the last count; e-mails are entered as they come."""
        for call in self._hooks.received[self._read :]:
            taken = call.reply.status == 200 and not call.reply.fault
            self._enter(call.headers["webhook-id"], call.body, taken=taken, at=call.at)
            self._account.unverified += not call.verified
        self._read = len(self._hooks.received)

    def _take_mail(self, mail: ReceivedEmail, answer: Answer | None) -> None:
        refused = isinstance(answer, Fault) or (isinstance(answer, str) and not answer.startswith("2"))
        name = str(mail.message["message-id"]).strip("<>").partition("@")[0]
        self._enter(name, mail.content, taken=not refused, at=time.time())

    def _enter(self, name: str, body: bytes, *, taken: bool, at: float) -> None:
        self._account.arrivals.append(Arrival(name, body, self._account.kills, taken, at))


def _thrown(moods: Sequence[tuple[float, T]], dice: random.Random) -> list[T]:
    return dice.choices([mood for _, mood in moods], [weight for weight, _ in moods], k=_SCRIPTED)


def everybody() -> list[Contact]:
    """Return every customer with an address."""
    return [
        Contact(org_id=org, customer_id=str(customer), email=f"c{customer}@example.com")
        for org in ORGS
        for customer in CUSTOMERS
    ]


async def left_open(gateway: RunningGateway) -> int:
    """Wait until every delivery has ended; return how many had not when patience ended."""
    stub = DeliveryServiceStub(gateway.channel)
    found = 0
    for _ in range(_LOOKS):
        found = len((await stub.ListDeliveries(ListDeliveriesRequest(states=_OPEN, page_size=1000))).deliveries)
        if not found:
            return 0
        await asyncio.sleep(0.1)
    return found
