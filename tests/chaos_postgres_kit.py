"""Three gateways on one PostgreSQL: killed, paused past their leases, and with a database that crashes.

The database itself keeps the books: a trigger notes who took each delivery and who moved it on, so that every repeat
can be laid at the door of a lease that lapsed, and every lease that lapsed at the door of what was done to its holder.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from chaos_kit import BATCH, CONCURRENCY, IN_HAND, ORGS, Account, Clients, FarSides, everybody, left_open
from gateway_kit import CRM_SECRET, RunningGateway, running_gateway, write_config
from postgres_kit import Cluster, a_cluster
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from smtp_kit import smtp_sink
from tidings.model import MOVES, State
from tidings.store import open_store

ROLES: Final = ("intake", "dispatch", "all")
TAKING_IN: Final = frozenset({"intake", "all"})
ORDERED: Final = ORGS[0]
"""The organisation whose endpoint wants the webhooks of each customer in order."""
LEASE_SECONDS: Final = 5
PAUSE_SECONDS: Final = LEASE_SECONDS + 1.5
BETWEEN_EVENTS: Final = 0.25
"""How long a client rests between two events, on average: three gateways share a machine."""
PATIENCE_SECONDS: Final = 3.0
MOST_AWAITED: Final = 100
"""How many acknowledged events are waited for, at the most, before the next blow."""
HASTY: Final = {
    "connect_timeout_ms": "2000",
    "statement_timeout_ms": "4000",
    "idle_timeout_ms": "2000",
    "transaction_timeout_ms": "6000",
    "poll_ms": "500",
}
_BOOKS: Final = """
CREATE TABLE move (
    number bigserial PRIMARY KEY, delivery text NOT NULL, holder text NOT NULL,
    was text NOT NULL, became text NOT NULL, taken boolean NOT NULL
);
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO move (delivery, holder, was, became, taken)
    VALUES (NEW.id, current_setting('application_name'), OLD.state, NEW.state, NEW.fence > OLD.fence);
    RETURN NULL;
END$$;
CREATE TRIGGER note_move AFTER UPDATE ON delivery FOR EACH ROW
WHEN (OLD.state <> NEW.state OR OLD.fence <> NEW.fence) EXECUTE FUNCTION note_move();
"""
_LANES: Final = """
SELECT array_agg(id ORDER BY seq) AS ids FROM delivery WHERE lane IS NOT NULL GROUP BY org_id, lane
"""
_MISCOUNTED: Final = """
SELECT id FROM delivery WHERE attempts <> (SELECT count(*) FROM attempt WHERE delivery_seq = seq)
    OR (state = 'delivered') <> (settled_at IS NOT NULL)
    OR coalesce(wake_at, parked_at) IS NOT NULL
"""


_UNANSWERED: Final = """
SELECT id, count(*) AS times FROM attempt JOIN delivery ON delivery.seq = attempt.delivery_seq
WHERE status_code = 0 AND detail LIKE ANY (ARRAY['%no answer in time%', '%no answer within%']) GROUP BY id
"""


class Move(NamedTuple):
    """What the database's books say of one delivery at one moment."""

    delivery: str
    holder: str
    """The gateway that moved it: its role and how often that was started before."""
    was: str
    became: str
    taken: bool = False
    """Whether it was taken in hand."""


@dataclass(slots=True)
class SharedAccount(Account):
    """What became of events that several gateways worked on."""

    moves: Sequence[Move] = ()
    """In the order in which they were made."""
    lanes: Sequence[Sequence[str]] = ()
    """Deliveries that were to go one after the other."""
    kept: frozenset[str] = frozenset()
    """All deliveries that the database holds."""
    miscounted: Sequence[str] = ()
    """Deliveries of which the database contradicts itself."""
    unanswered: Counter[str] = field(default_factory=Counter)
    """How many attempts at each delivery ended without an answer in time: it may have been taken all the same."""
    blows: Counter[str] = field(default_factory=Counter)
    """How often each holder was killed or paused, or lost its database."""

    def faults(self) -> Iterator[str]:
        """Say in words whatever must not have happened."""
        yield from Account.faults(self)
        wanted = {name for names in self.acknowledged.values() for name in names}
        if strange := self.kept ^ wanted:
            yield f"{len(strange)} deliveries are stored or acknowledged, not both, such as {min(strange)}"
        if self.miscounted:
            yield f"the database contradicts itself about {len(self.miscounted)}, such as {min(self.miscounted)}"
        if wrong := {(each.was, each.became) for each in self.moves} - _ALLOWED:
            told = ", ".join(f"{was} to {became}" for was, became in sorted(wrong))
            yield f"moves unknown to the table of states: {told}"
        yield from self._stolen()
        yield from self._out_of_order()

    def _careless_repeats(self) -> Iterator[str]:
        """Only a lease that lapsed may repeat a message, or an answer that came too late for whoever stood still.

        And only a blow may let leases lapse.
        """
        lapsed = [first for first, then in self._pairs() if first.taken and then.taken]
        by_delivery = Counter(each.delivery for each in lapsed)
        taken = Counter(each.name for each in self.arrivals if each.taken)
        allowed = by_delivery + self.unanswered
        if careless := [name for name, times in taken.items() if times > 1 + allowed[name]]:
            yield f"{len(careless)} messages were sent again although no lease had lapsed, as {min(careless)}"
        for holder, times in Counter(each.holder for each in lapsed).items():
            if times > self.blows[holder] * IN_HAND:
                blows = self.blows[holder]
                yield f"{times} leases of {holder} lapsed, though {blows} blows found at most {IN_HAND} in hand each"

    def _stolen(self) -> Iterator[str]:
        """A gateway settles what it holds, and nothing that another has taken."""
        if stolen := [then for first, then in self._pairs() if not then.taken and then.holder != first.holder]:
            last = f"{stolen[-1].delivery} by {stolen[-1].holder}"
            yield f"{len(stolen)} deliveries were settled by others than who held them, as {last}"

    def _pairs(self) -> Iterator[tuple[Move, Move]]:
        """Yield each move of a delivery with the one before it."""
        last: dict[str, Move] = {}
        for each in self.moves:
            if each.delivery in last:
                yield last[each.delivery], each
            last[each.delivery] = each

    def _out_of_order(self) -> Iterator[str]:
        """What follows in a lane is taken in hand after what went before it has ended, and arrives after it."""
        first_taken: dict[str, int] = {}
        ended: dict[str, int] = {}
        for number, move in enumerate(self.moves):
            if move.taken:
                first_taken.setdefault(move.delivery, number)
            elif move.became == State.DELIVERED:
                ended[move.delivery] = number
        arrived: dict[str, int] = {}
        for number, arrival in enumerate(self.arrivals):
            if arrival.taken:
                arrived.setdefault(arrival.name, number)
        for before, after in (pair for lane in self.lanes for pair in pairwise(lane)):
            if ended.get(before, -1) > first_taken.get(after, len(self.moves)):
                yield f"{after} was taken in hand before {before} had ended"
            if arrived.get(before, -1) > arrived.get(after, len(self.arrivals)):
                yield f"{after} arrived before {before}"

    def __str__(self) -> str:
        lapsed = sum(first.taken and then.taken for first, then in self._pairs())
        return (
            f"{Account.__str__(self).replace('kills', 'blows')}, {lapsed} leases lapsed, "
            f"{self.unanswered.total()} attempts without an answer in time"
        )


_ALLOWED: Final = frozenset({(str(was), str(became)) for (was, _), became in MOVES.items()} | {("sending", "sending")})
"""Moves of the table; a lease that has lapsed is taken again without a move."""


class _Replica:
    """A gateway of one role, and whoever follows it when it is killed."""

    def __init__(self, role: str, folder: Path, url: Callable[[str], str], sections: dict[str, object]) -> None:
        self.role = role
        self.lives = 0
        self._gateway: RunningGateway | None = None
        self._folder = folder / role
        self._folder.mkdir()
        self._url = url
        self._sections = sections
        self._running = AsyncExitStack()
        self._serving = ExitStack()

    @property
    def gateway(self) -> RunningGateway:
        """What runs now."""
        assert self._gateway is not None
        return self._gateway

    @property
    def name(self) -> str:
        """What the database knows it by."""
        return f"{self.role}-{self.lives}"

    async def start(self, clients: Clients) -> None:
        """Start the next life, and let clients come if it takes anything in."""
        self.lives += 1
        config = write_config(self._folder, store=self._url(self.name), **self._sections)
        running = running_gateway(config, arguments=("--role", self.role))
        self._gateway = await self._running.enter_async_context(running)
        if self.role in TAKING_IN:
            self._serving.enter_context(clients.served_by(self.gateway))

    async def kill(self, clients: Clients) -> None:
        """Kill it under its clients' hands."""
        if self._gateway is not None:
            await self._gateway.kill()
            self._serving.close()
            await clients.hung_up(self._gateway)
        await self._running.aclose()


class _Blows:
    """What is done to gateways and their database."""

    def __init__(
        self, replicas: Sequence[_Replica], cluster: Cluster, clients: Clients, far: FarSides, account: SharedAccount
    ) -> None:
        self._replicas = replicas
        self._cluster = cluster
        self._clients = clients
        self._far = far
        self._account = account

    async def strike(self, kind: str, dice: random.Random) -> None:
        """Wait for some work, then do it."""
        self._far.be_moody()
        await self._clients.acknowledged(dice.randrange(10, MOST_AWAITED))
        victim = dice.choice(self._replicas)
        if kind == "kill":
            self._account.blows[victim.name] += 1
            await victim.kill(self._clients)
            await self._clients.acknowledged(dice.randrange(10))
            await victim.start(self._clients)
        elif kind == "pause":
            await self._pause(victim, crash_meanwhile=dice.random() < 0.5)
        else:
            await self._crash()
        self._far.count()
        self._account.kills += 1

    async def _pause(self, victim: _Replica, *, crash_meanwhile: bool) -> None:
        """Let others take what it holds, then let it go on as if nothing had been."""
        self._account.blows[victim.name] += 1
        victim.gateway.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        if crash_meanwhile:
            await self._crash()
        victim.gateway.process.send_signal(signal.SIGCONT)

    async def _crash(self) -> None:
        """Crash the database and start it: everybody's leases may lapse and everybody's last words be in doubt."""
        for each in self._replicas:
            self._account.blows[each.name] += 1
        await asyncio.to_thread(self._cluster.stop, at_once=True)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(self._cluster.start)


async def chaos_of_replicas(
    folder: Path, *, kills: int, seed: int, tell: Callable[[Account], None] = lambda _: None
) -> SharedAccount:
    """Strike ``kills`` times, let everybody finish, and return the account.

    Args:
        folder: where rules and configurations go.
        kills: how many blows; kills, pauses and crashes in turns, in an order that the dice give.
        seed: of every die that is thrown; the machine's own moments are not replayed by it.
        tell: called after each blow.
    """
    dice = random.Random(seed)  # noqa: S311 (nobody is to be kept from guessing)
    account = SharedAccount(seed)
    async with AsyncExitStack() as closing:
        cluster = closing.enter_context(a_cluster(durable=True))
        smtp = await closing.enter_async_context(smtp_sink())
        hooks = await closing.enter_async_context(http_sink(CRM_SECRET))
        sections = _sections(_ordered_rulebook(folder, hooks.url), smtp.port)
        await _open_books(cluster)

        def url(name: str) -> str:
            return cluster.url("postgres", application_name=name, **HASTY)

        far = FarSides(smtp, hooks, account, dice)
        clients = Clients(account, dice, pause=BETWEEN_EVENTS, again=0.1, patience=PATIENCE_SECONDS)
        replicas = [_Replica(role, folder, url, sections) for role in ROLES]
        for replica in replicas:
            closing.push_async_callback(replica.kill, clients)
            await replica.start(clients)
        struck = _Blows(replicas, cluster, clients, far, account)
        async with clients.publishing():
            for kind in _kinds(kills, dice):
                await struck.strike(kind, dice)
                tell(account)
            far.be_kind()
        await _make_due(cluster)
        account.open = await left_open(replicas[-1].gateway)
        far.count()
        await _read_books(cluster, account)
    return account


def _kinds(blows: int, dice: random.Random) -> list[str]:
    kinds: list[str] = []
    while len(kinds) < blows:
        kinds += dice.sample(("kill", "pause", "crash"), 3)
    return kinds[:blows]


def _ordered_rulebook(folder: Path, crm: str) -> Path:
    """Write rules; the first organisation's endpoint wants its customers' webhooks in order."""
    rules = write_rulebook(folder / "rules", crm=crm, orgs=ORGS)
    brands = rules / "brands" / "all.yaml"
    brands.write_text(brands.read_text().replace("{name: crm,", "{name: crm, ordering: customer,", 1))
    assert brands.read_text().index("ordering") > brands.read_text().index(f"org: {ORDERED}")
    return rules


def _sections(rules: Path, smtp_port: int) -> dict[str, object]:
    return {
        "rules": str(rules),
        "email": {
            "transport": f"smtp://127.0.0.1:{smtp_port}?tls=none",
            "timeout": "4s",
            "domains": {"default": {"connections": None, "rate": None}},
        },
        "webhook": {"allow_networks": ["127.0.0.0/8"], "timeout": "4s"},
        "dispatch": {
            "lease": f"{LEASE_SECONDS}s",
            "concurrency": CONCURRENCY,
            "email_concurrency": CONCURRENCY // 2,
            "batch": BATCH,
        },
    }


async def _open_books(cluster: Cluster) -> None:
    """Make the tables, give every customer an address, and begin to note who does what."""
    async with open_store(cluster.url("postgres")) as store:
        await store.upsert_contacts(everybody())
    await _execute(cluster, _BOOKS)


async def _make_due(cluster: Cluster) -> None:
    """Bring every pause to its end; what is in hand stays there."""
    await _execute(
        cluster,
        "UPDATE delivery SET wake_at = 0 WHERE wake_at IS NOT NULL AND state <> 'sending';"
        "UPDATE delivery SET parked_at = 0 WHERE parked_at IS NOT NULL AND state <> 'sending'",
    )


async def _read_books(cluster: Cluster, account: SharedAccount) -> None:
    connection = await asyncpg.connect(cluster.url("postgres"))
    try:
        columns = "delivery, holder, was, became, taken"
        account.moves = [Move(*row) for row in await connection.fetch(f"SELECT {columns} FROM move ORDER BY number")]  # noqa: S608 (names of ours)
        account.lanes = [row["ids"] for row in await connection.fetch(_LANES)]
        account.kept = frozenset(row["id"] for row in await connection.fetch("SELECT id FROM delivery"))
        account.unanswered = Counter({row["id"]: row["times"] for row in await connection.fetch(_UNANSWERED)})
        account.miscounted = [row["id"] for row in await connection.fetch(_MISCOUNTED)]
    finally:
        await connection.close()


async def _execute(cluster: Cluster, script: str) -> None:
    connection: Any = await asyncpg.connect(cluster.url("postgres"))
    try:
        await connection.execute(script)
    finally:
        await connection.close()
