"""Copying the write-ahead log into the database beside the writing.

By itself SQLite copies all of it within the commit that makes it long enough: that one, and whoever waits for the next,
wait for 15 to 50 ms. Copying needs no turn at writing, so a thread of its own does nearly all of it, and then what was
written meanwhile. The little that still comes then is copied between two transactions, because only a log of which
everything is copied is begun anew.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from tidings.store.sqlite.driver import SqliteSettings, connect, copy_log, log_pages, trouble

_FIRST_GUESS: Final = 16.0
"""How many pages a transaction adds to the log, before anything is known."""
_AGAIN: Final = 4
"""By a log's so many'th more is copied anew where someone needs pages as they were."""


class Checkpoints:
    """Belongs to the thread that writes.

    SQLite tells how long the log is only to who copies, so that is reckoned by the transactions. Should it get twice as
    long as it is to be, for others write too or copying fails, SQLite copies within commits, as it would by itself.
    """

    def __init__(self, path: str, settings: SqliteSettings) -> None:
        """Open a connection; raises InvalidConfiguration and StoreUnavailable as ``connect`` does."""
        self._connection = connect(path, settings)
        """Of one thread at a time: of this one while the other has nothing to do."""
        self._enough = log_pages(self._connection)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._under_way: Future[None] | None = None
        self._begun_at = 0
        """How many transactions there were before those in the log."""
        self._pages_each = _FIRST_GUESS
        self._copy_at = self._enough
        """How many pages the log is to have to be copied the next time."""

    @property
    def busy(self) -> bool:
        """Whether the log is being copied beside."""
        return self._under_way is not None and not self._under_way.done()

    def close(self) -> None:
        """Wait for what is under way, and close the connection."""
        self._thread.shutdown()
        self._connection.close()

    def follow(self, transactions: int) -> None:
        """Take how many were committed so far, and see to the log if it is time to."""
        if self._under_way is None:
            if (transactions - self._begun_at) * self._pages_each >= self._copy_at:
                self._under_way = self._thread.submit(self._copy_most)
        elif not self.busy:
            self._under_way = None
            self._copy_rest(transactions)

    def _copy_most(self) -> None:
        """Copy all there is, which takes long, and then what came meanwhile, which does not."""
        for _ in range(2):
            self._copy()

    def _copy_rest(self, transactions: int) -> None:
        pages, copied = self._copy()
        if pages < 0:  # another process copies, or the disk fails
            self._copy_at += self._enough // _AGAIN
            return
        self._pages_each = max(pages, 1) / max(transactions - self._begun_at, 1)
        if copied == pages:
            self._begun_at, self._copy_at = transactions, self._enough
        else:
            self._copy_at = pages + self._enough // _AGAIN

    def _copy(self) -> tuple[int, int]:
        """Copy as far as that can be done; what fails is done the next time, as SQLite does by itself."""
        try:
            return copy_log(self._connection)
        except Exception as error:
            if trouble(error) is None:
                raise
            return -1, -1
