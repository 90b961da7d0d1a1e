"""Letting go of what is past its time, a little at a time, so that nobody waits for it."""

import asyncio
from collections.abc import Callable
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from tidings.channels import Duration
from tidings.errors import TidingsError
from tidings.store import Retention, Store
from tidings.telemetry import events, get_logger

log = get_logger()

_DAY: Final = 86_400.0
_LONGEST_WINDOW_MS: Final = 31 * 86_400_000
"""What a throttle or cap can look back at the most: see ``tidings.rules.forms``."""
_BATCH: Final = 100
"""Rows a transaction: a publish that comes at the wrong moment waits for one batch at the most."""
_REST: Final = 4
"""How many times as long as a batch took the store is then left to everybody else."""


class RetentionSettings(BaseModel):
    """The ``retention`` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Duration = Field(default=30 * _DAY, gt=0)
    """How long events are kept; one that an open delivery needs stays for as long as that."""

    deliveries: Duration = Field(default=90 * _DAY, gt=0)
    """How long deliveries and their attempts are kept, counted from their end."""

    every: Duration = Field(default=600.0, gt=0)
    """How often it is looked what is past its time."""


async def keep_retention(store: Store, settings: RetentionSettings, *, clock: Callable[[], int]) -> None:
    """Purge now and then, in small batches, until cancelled."""
    while True:
        try:
            await purge_all(store, settings, clock=clock)
        except TidingsError as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
        await asyncio.sleep(settings.every)


async def purge_all(store: Store, settings: RetentionSettings, *, clock: Callable[[], int]) -> int:
    """Delete everything that is past its time; return how many rows went."""
    now = clock()
    retention = Retention(
        events_before=now - int(settings.events * 1000),
        deliveries_before=now - int(settings.deliveries * 1000),
        reservations_before=now - _LONGEST_WINDOW_MS,
    )
    total = 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    while gone := await store.purge(retention, limit=_BATCH):
        total += gone
        await asyncio.sleep(_REST * (loop.time() - began))
        began = loop.time()
    if total:
        log.info(events.PURGED, rows=total)
    return total
