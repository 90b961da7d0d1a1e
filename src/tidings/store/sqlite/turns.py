"""Taking turns at writing with other processes on the same database.

SQLite lets one write at a time and has no queue: who finds it locked sleeps and looks again, after a while only every
100 ms, and one that writes without pause is hardly ever found in between. So we look often by ourselves, and whoever
has met another lately leaves it a gap after each of its own transactions.
"""

import time
from typing import Final

from tidings.store.sqlite.driver import Connection, is_locked, never_wait

_LOOK_SECONDS: Final = 0.0003
"""How often who waits looks."""
_GAP_SECONDS: Final = 0.001
"""How long others are left after a transaction: some looks long."""
_MEMORY_SECONDS: Final = 1.0
"""How long another process is reckoned with after it was met."""


class Turns:
    """Begins transactions on a connection of which nobody else makes use."""

    def __init__(self, connection: Connection, *, begin: str, patience: float | None) -> None:
        """Take the statement that begins one, and how long it waits for others, seconds; None: what SQLite waits."""
        if patience is not None:
            never_wait(connection)
        self._connection = connection
        self._begin = begin
        self._patience = 0.0 if patience is None else patience
        self._met_at = -_MEMORY_SECONDS
        self._ended_at = 0.0

    def leave_gap(self) -> None:
        """Let others begin first, if there are any."""
        now = time.monotonic()
        if now - self._met_at < _MEMORY_SECONDS and (left := self._ended_at + _GAP_SECONDS - now) > 0:
            time.sleep(left)

    def begin(self) -> None:
        """Begin a transaction; raise the driver's error when it cannot be, or others are in the way for too long."""
        until: float | None = None
        while True:
            try:
                self._connection.execute(self._begin)
            except Exception as error:
                if not self.meets_others(error):
                    raise
                until = until or self._met_at + self._patience
                if self._met_at >= until:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def meets_others(self, error: Exception) -> bool:
        """Say whether a statement failed because another process writes, and remember that there is one."""
        if is_locked(error):
            self._met_at = time.monotonic()
            return True
        return False

    def end(self) -> None:
        """Note that a transaction has ended."""
        self._ended_at = time.monotonic()
