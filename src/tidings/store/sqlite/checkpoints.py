"""Copying the write-ahead log into the database beside the writing.

By itself SQLite copies all of it within the commit that makes it long enough: that one, and whoever waits for the next,
wait for 15 to 40 ms. Copying needs no turn at writing, so a thread of its own does nearly all of it, and then what was
written meanwhile. The little that still comes then is copied between two transactions, because only a log of which
everything is copied is begun anew.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from tidings.store.sqlite.driver import SqliteSettings, connect, copy_log, log_pages, trouble

_FIRST_GUESS: Final = 16.0
"""How many pages a transaction adds to the log, before anything is known."""
_AGAIN: Final = 4
"""By a log's so many'th more is tried again where not everything could be copied."""


class Checkpoints:
    """Belongs to the thread that writes.

    SQLite tells how long the log is only to who copies, so that is reckoned by the transactions since. Should it get
    twice as long as it is to be, for others write too or copying fails, SQLite copies within commits, as by itself.
    """

    def __init__(self, path: str, settings: SqliteSettings) -> None:
        """Open a connection; raises InvalidConfiguration and StoreUnavailable as ``connect`` does."""
        self._connection = connect(path, settings)
        """Of one thread at a time: of this one while the other has nothing to do."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._under_way: Future[tuple[int, int]] | None = None
        self._transactions = 0
        """How many were committed so far."""
        self._known = 0
        """How many pages the log had,"""
        self._known_at = 0
        """after so many transactions,"""
        self._pages_each = _FIRST_GUESS
        """and about how many each one adds."""
        self._enough = log_pages(self._connection)
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
        self._transactions = transactions
        if self._under_way is None:
            if self._reckoned() >= self._copy_at:
                self._under_way = self._thread.submit(self._copy_most)
        elif not self.busy:
            (left, at), self._under_way = self._under_way.result(), None
            self._copy_rest(left, at)

    def _reckoned(self) -> float:
        return self._known + (self._transactions - self._known_at) * self._pages_each

    def _copy_most(self) -> tuple[int, int]:
        """Copy all there is, which takes long, and then what came meanwhile, which does not.

        Returns how many pages the log has from then on, and after how many transactions.
        """
        self._copy()
        return _length(*self._copy()), self._transactions

    def _copy_rest(self, before: int, before_at: int) -> None:
        pages, copied = self._copy()
        if pages < 0:  # another process copies, or the disk fails
            self._copy_at = int(self._reckoned()) + self._enough // _AGAIN
            return
        if 0 <= before < pages and before_at < self._transactions:
            self._pages_each = (pages - before) / (self._transactions - before_at)
        self._known, self._known_at = _length(pages, copied), self._transactions
        self._copy_at = self._known + self._enough // _AGAIN if self._known else self._enough

    def _copy(self) -> tuple[int, int]:
        """Copy as far as that can be done; what fails is done the next time, as SQLite does by itself."""
        try:
            return copy_log(self._connection)
        except Exception as error:
            if trouble(error) is None:
                raise
            return -1, -1


def _length(pages: int, copied: int) -> int:
    """Return how many pages a log is going to have: one of which everything is copied is begun anew."""
    return 0 if copied == pages >= 0 else pages
