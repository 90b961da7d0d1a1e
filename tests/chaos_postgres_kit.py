"""Three gateways on one PostgreSQL: killed, paused past their leases, and with a database that crashes.

The database itself keeps the books (``chaos_books_kit``), so that every repeat can be laid at the door of a lease that
lapsed or an answer that came too late, and each of these at the door of what was done (``chaos_repeats_kit``).
"""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from chaos_books_kit import SharedAccount, execute, open_books, read_books
from chaos_kit import BATCH, CONCURRENCY, ORGS, Account, Clients, FarSides, left_open
from chaos_repeats_kit import FAR_SIDES, TIMEOUT_SECONDS, Blow
from gateway_kit import CRM_SECRET, RunningGateway, running_gateway, write_config
from postgres_kit import Cluster, a_cluster
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from smtp_kit import smtp_sink

ROLES: Final = ("intake", "dispatch", "all")
TAKING_IN: Final = frozenset({"intake", "all"})
ORDERED: Final = ORGS[0]
"""The organisation whose endpoint wants the webhooks of each customer in order."""
LEASE_SECONDS: Final = 5
PAUSE_SECONDS: Final = LEASE_SECONDS + 1.5
BETWEEN_EVENTS: Final = 0.25
"""How long a client rests between two events, on average: three gateways share a machine."""
PATIENCE_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.1
_STALL_SECONDS: Final = 1.0
MOST_AWAITED: Final = 100
"""How many acknowledged events are waited for, at the most, before the next blow."""
HASTY: Final = {
    "connect_timeout_ms": "2000",
    "statement_timeout_ms": "4000",
    "idle_timeout_ms": "2000",
    "transaction_timeout_ms": "6000",
    "poll_ms": "500",
}


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
            with self._noted("kill", victim):
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
        with self._noted("pause", victim):
            victim.gateway.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_SECONDS)
            if crash_meanwhile:
                await self._crash()
            victim.gateway.process.send_signal(signal.SIGCONT)

    async def _crash(self) -> None:
        """Crash the database and start it: everybody's leases may lapse and everybody's last words be in doubt."""
        with self._noted("crash", *self._replicas):
            await asyncio.to_thread(self._cluster.stop, at_once=True)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(self._cluster.start)

    @contextmanager
    def _noted(self, kind: str, *victims: _Replica) -> Iterator[None]:
        """Put the block on record as what was done to gateways."""
        names, since = [each.name for each in victims], time.time()
        try:
            yield
        finally:
            self._account.blows += [Blow(each, kind, since, time.time()) for each in names]


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
        await open_books(cluster)

        def url(name: str) -> str:
            return cluster.url("postgres", application_name=name, **HASTY)

        await closing.enter_async_context(_noting_stalls(account))
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
        await read_books(cluster, account)
    return account


@asynccontextmanager
async def _noting_stalls(account: SharedAccount) -> AsyncIterator[None]:
    """Put on record when the far sides, who live in this process, did not come to answer."""

    async def look() -> None:
        last = time.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.time()
            if now - last > _STALL_SECONDS:
                account.blows.append(Blow(FAR_SIDES, "stall", last, now))
            last = now

    looking = asyncio.create_task(look(), name="stalls of the far sides")
    try:
        yield
    finally:
        looking.cancel()


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
            "timeout": f"{TIMEOUT_SECONDS}s",
            "domains": {"default": {"connections": None, "rate": None}},
        },
        "webhook": {"allow_networks": ["127.0.0.0/8"], "timeout": f"{TIMEOUT_SECONDS}s"},
        "dispatch": {
            "lease": f"{LEASE_SECONDS}s",
            "concurrency": CONCURRENCY,
            "email_concurrency": CONCURRENCY // 2,
            "batch": BATCH,
        },
    }


async def _make_due(cluster: Cluster) -> None:
    """Bring every pause to its end; what is in hand stays there."""
    await execute(
        cluster,
        "UPDATE delivery SET wake_at = 0 WHERE wake_at IS NOT NULL AND state <> 'sending';"
        "UPDATE delivery SET parked_at = 0 WHERE parked_at IS NOT NULL AND state <> 'sending'",
    )
