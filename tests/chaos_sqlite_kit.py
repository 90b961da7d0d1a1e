"""One gateway on SQLite that is killed again and again while events pour in."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from chaos_kit import BATCH, CONCURRENCY, ORGS, Account, Clients, FarSides, everybody, left_open
from family_kit import writer_process
from gateway_kit import CRM_SECRET, TIDINGS, environment, running_gateway, write_config
from rulebook_kit import write_rulebook
from sink_kit import HttpSink, http_sink
from smtp_kit import SmtpSink, smtp_sink
from tidings.store import open_store

LONGEST_LIFE: Final = 1.0
"""Seconds for which a gateway is left to work at the most,"""
MOST_AWAITED: Final = 150
"""and how many acknowledged events are waited for after that, so that a slow machine sees work too."""
STILLBORN: Final = 0.15
"""The share of gateways that are killed while they start,"""
BEREFT: Final = 0.4
"""and of the others, those that lose the process that writes for them first: no message may be sent twice for it."""


async def chaos(folder: Path, *, kills: int, seed: int, tell: Callable[[Account], None] = lambda _: None) -> Account:
    """Kill ``kills`` gateways one after the other, let a last one finish, and return the account.

    Args:
        folder: where database, rules and configuration go.
        kills: how many.
        seed: of every die that is thrown; the machine's own moments are not replayed by it.
        tell: called after each kill.
    """
    dice = random.Random(seed)  # noqa: S311 (nobody is to be kept from guessing)
    account = Account(seed)
    async with AsyncExitStack() as closing:
        smtp = await closing.enter_async_context(smtp_sink())
        hooks = await closing.enter_async_context(http_sink(CRM_SECRET))
        config = await _configured(folder, smtp, hooks)
        far = FarSides(smtp, hooks, account, dice)
        clients = Clients(account, dice)
        async with clients.publishing():
            for _ in range(kills):
                far.be_moody()
                await _live_and_die(config, clients, dice)
                await asyncio.sleep(0.1)  # what is on its way comes in; the next gateway takes longer to start
                far.count()
                account.kills += 1
                tell(account)
            far.be_kind()
            _make_due(folder / "tidings.db")
            gateway = await closing.enter_async_context(running_gateway(config))
            closing.enter_context(clients.served_by(gateway))
        account.open = await left_open(gateway)
        far.count()
    return account


async def _configured(folder: Path, smtp: SmtpSink, hooks: HttpSink) -> Path:
    """Write rules and configuration, and give every customer an address."""
    email = {
        "transport": f"smtp://127.0.0.1:{smtp.port}?tls=none",
        "timeout": "4s",
        "domains": {"default": {"connections": None, "rate": None}},
    }
    config = write_config(
        folder,
        rules=str(write_rulebook(folder / "rules", crm=hooks.url, orgs=ORGS)),
        email=email,
        webhook={"allow_networks": ["127.0.0.0/8"], "timeout": "4s"},
        dispatch={"lease": "5s", "concurrency": CONCURRENCY, "email_concurrency": 8, "batch": BATCH},
    )
    async with open_store(f"sqlite:///{folder}/tidings.db") as store:
        await store.upsert_contacts(everybody())
    return config


async def _live_and_die(config: Path, clients: Clients, dice: random.Random) -> None:
    """Start a gateway and kill it, be it ready or not."""
    if dice.random() < STILLBORN:
        await _kill_while_it_starts(config, after=dice.uniform(0.2, 1.5))
        return
    async with running_gateway(config) as gateway:
        with clients.served_by(gateway):
            await asyncio.sleep(dice.uniform(0, LONGEST_LIFE))
            await clients.acknowledged(dice.randrange(MOST_AWAITED))
            if dice.random() < BEREFT:
                os.kill(writer_process(gateway.process.pid), signal.SIGKILL)
                await clients.acknowledged(dice.randrange(MOST_AWAITED))
        await gateway.kill()
        await clients.hung_up(gateway)


async def _kill_while_it_starts(config: Path, *, after: float) -> None:
    process = await asyncio.create_subprocess_exec(
        TIDINGS, "serve", "--config", str(config), stderr=asyncio.subprocess.DEVNULL, env=environment()
    )
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), after)
        assert process.returncode is None, f"the gateway ended by itself: exit {process.returncode}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _make_due(database: Path) -> None:
    """Bring every pause and every dead gateway's lease to its end."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE delivery SET wake_at = 0 WHERE wake_at IS NOT NULL")
