"""Tells other processes that work came, and hears from them.

Telling is no part of the transaction that brings work: PostgreSQL lets transactions that notify commit one at a
time. A word that is lost costs no more than the time until the next look.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from tidings.errors import StoreUnavailable
from tidings.store.feed import Feed
from tidings.store.postgres.driver import Connection, trouble
from tidings.store.postgres.settings import PostgresSettings
from tidings.store.values import (
    DeliveryChange,
)

_CHANNEL: Final = "tidings_work"
_PAUSE: Final = 1.0
"""Seconds between tries to listen again."""
_PROOF: Final = 30.0
"""Seconds of silence after which the listening connection has to prove that it is alive."""


class Wakeups:
    """What this process knows of work that came; belongs to one event loop."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.feed = Feed()
        self._settings = settings
        self._name = uuid.uuid4().hex
        self._work = asyncio.Event()
        self._to_tell = asyncio.Event()
        self._listening = False
        self._heard_once = asyncio.Event()
        self._missed = False
        """Whether something may have been told while we did not listen."""

    def came(self, work: bool, changes: Sequence[DeliveryChange]) -> None:  # noqa: FBT001 (called by position)
        """Take note of what a transaction of this process did."""
        if work:
            self._work.set()
            self._to_tell.set()
        self.feed.publish(changes)

    async def wait(self, seconds: float) -> None:
        """Return when work came since the last call, after so many seconds, or when it is time to look by ourselves."""
        poll_ms = self._settings.poll_ms if self._listening else self._settings.poll_unheard_ms
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, poll_ms / 1_000)):
                await self._work.wait()
        self._work.clear()

    async def tell(self, tell_others: Callable[[str], Awaitable[None]]) -> None:
        """Tell the others for as long as it takes, however often work comes."""
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            with suppress(StoreUnavailable):
                await tell_others(self._name)

    async def begin_to_listen(self) -> None:
        """Return once ``listen`` hears the others, or when that takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.connect_timeout_ms / 1_000):
                await self._heard_once.wait()
                return
        self._missed = True

    async def listen(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        """Hear from the others for as long as it takes, however often the connection is lost."""
        while True:
            try:
                await self._listen(await connect())
            except Exception as error:
                if trouble(error) is None:
                    raise
            await asyncio.sleep(_PAUSE)

    async def _listen(self, connection: Connection) -> None:
        lost = asyncio.Event()
        try:
            await connection.listen(_CHANNEL, self._hear, lost.set)
            self._listening = True
            self._heard_once.set()
            if self._missed:
                self._work.set()
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PROOF):
                        await lost.wait()
                        return
                async with asyncio.timeout(self._settings.connect_timeout_ms / 1_000):
                    await connection.script("SELECT 1")
        finally:
            self._listening, self._missed = False, True
            connection.drop()

    def _hear(self, teller: str) -> None:
        if teller != self._name:
            self._work.set()
