"""Events that the store could not take of late: told in the log now and then, and to whoever asks how the gateway does.

A store can answer a look and still have no room for events.
"""

import time
from collections.abc import Callable
from typing import Final

from tidings.errors import StoreUnavailable
from tidings.telemetry import events, get_logger

log = get_logger()

REMEMBERED_SECONDS: Final = 10.0
"""How long a refusal counts as of late, and how long the log is silent about further ones in the same words."""


class Refusals:
    """What was refused for the store's sake."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last: tuple[float, str] | None = None
        self._told: dict[str, float] = {}
        """When each thing was told that was told of late."""
        self._untold = 0

    def note(self, error: StoreUnavailable, count: int) -> None:
        """Remember that so many events were refused, and tell the log unless it was told so just now."""
        now, said = self._monotonic(), str(error)
        self._last = now, said
        self._untold += count
        self._told = {each: at for each, at in self._told.items() if now - at < REMEMBERED_SECONDS}
        if said not in self._told:
            log.warning(events.STORE_UNAVAILABLE, error=said, refused=self._untold)
            self._told[said] = now
            self._untold = 0

    def of_late(self) -> str | None:
        """Return what the store said when it last refused events, None when that is a while ago."""
        if self._last is None or self._monotonic() - self._last[0] >= REMEMBERED_SECONDS:
            return None
        return self._last[1]
