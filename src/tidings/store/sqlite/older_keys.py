"""Finds older events by their keys, in the runs of ``key_runs`` with a ``KeyFilter`` in memory before them.

What is to be done with the runs besides, a little at a time and beside the recording, is seen to here: keys that the
filter lacks are read, it is made anew when it is full, and runs are merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tidings.store.sqlite.driver import SQL, Connection
from tidings.store.sqlite.key_filter import KeyFilter
from tidings.store.sqlite.key_runs import PAGES, keys_beyond, keys_in_runs, merge_part, seqs_of, write_run

_PAGES_AT_ONCE: Final = 32
"""How many pages the filter takes in beside the recording: 2 to 3 ms."""
_TIMES_WHILE_MISSED: Final = 4
"""How often it does so while it lacks keys, because until it has them each event is looked for in runs."""
_TIMES_AT_START: Final = 128
"""How often before anything is recorded: for two million keys, within half a second."""
_SELDOM: Final = 32
"""Of how many new keys one may seem to be there by chance; it is one in 160 at worst."""


@dataclass(slots=True)
class _Covered:
    """A filter, and which keys it has: those of events up to one, and of the pages up to one beyond that."""

    filter: KeyFilter
    seq: int = 0
    page: int = -1


class OlderKeys:
    """The keys of events that memory does not hold one by one."""

    def __init__(self, run: int) -> None:
        """Take how many events a run is of."""
        self.indexed_seq = 0
        """How far runs cover the events."""
        self._run = run
        self._covered = _Covered(KeyFilter(2 * run))
        self._next: _Covered | None = None
        """Makes a larger filter, or one without the keys of events that are gone."""
        self._read: tuple[_Covered, int, int] | None = None
        """What the open transaction has read, and how far: which counts once it is committed."""
        self._may_merge = True
        self._recorded = 0
        """How many events since a part of a run was moved."""

    def find(self, connection: Connection, keys: Sequence[int]) -> list[int]:
        """Return the seqs of events that may have one of these keys."""
        return self._find(connection, keys, self._covered.filter.suspects(keys))

    def surely_lack(self, connection: Connection, keys: Sequence[int]) -> bool:
        """Say whether no event has one of these keys; False also where that takes as long as to ``find`` them."""
        suspects = self._covered.filter.suspects(keys)
        if len(suspects) > len(keys) // _SELDOM:
            return False
        return not self._find(connection, keys, suspects)

    @property
    def are_behind(self) -> bool:
        """Whether keys are to be read, or a part of a run to be moved."""
        return self._is_reading or self._is_merging

    def catch_up(self, connection: Connection) -> None:
        """Do a little of that."""
        if self._is_reading:
            self._read_pages(connection, times=_TIMES_WHILE_MISSED if self._lacks_keys else 1)
        elif self._is_merging:
            self._may_merge, self._recorded = merge_part(connection), 0

    def start(self, connection: Connection) -> None:
        """Read what is to be in the filter before anything is recorded."""
        if self._lacks_keys:
            self._covered = self._new_filter(connection)
            self._read_pages(connection, times=_TIMES_AT_START)

    def read_ahead(self, connection: Connection) -> bool:
        """Let the filter take in some of the keys it lacks, outside a transaction; False: it has them all."""
        if self._lacks_keys:
            self._read_pages(connection)
            self._note_read()
        return self._lacks_keys

    def write(self, connection: Connection, keys: Sequence[int], seqs: Sequence[int], *, through_seq: int) -> None:
        """Write a run of the events that no other covers; ``follow`` is to be called once that is committed."""
        write_run(connection, keys, seqs, after_seq=self.indexed_seq, through_seq=through_seq)
        connection.execute(SQL["set_indexed_seq"], {"indexed_seq": through_seq})

    def follow(self, indexed_seq: int, keys: Sequence[int] | None) -> None:
        """Note that runs cover the events up to one, by whomever they were written; None: not all keys are known."""
        if not self._lacks_keys and keys is not None:
            self._covered.filter.add(keys)
            self._covered.seq = indexed_seq
        self.indexed_seq, self._may_merge = indexed_seq, True

    def committed(self, *, recorded: int) -> None:
        """Note what was read, and how many events were recorded."""
        self._recorded += recorded
        self._note_read()

    def rolled_back(self) -> None:
        """Forget what was read: pages may be there that seemed to be gone."""
        self._read = None

    @property
    def _is_reading(self) -> bool:
        """Whether a filter is to be made, or lacks keys."""
        return self._lacks_keys or self._covered.filter.is_full or self._next is not None

    @property
    def _lacks_keys(self) -> bool:
        """Whether some keys in runs are not in the filter yet."""
        return self._covered.seq < self.indexed_seq

    @property
    def _is_merging(self) -> bool:
        return self._may_merge and self._recorded >= max(self._run // PAGES, 1)

    def _find(self, connection: Connection, keys: Sequence[int], suspects: Sequence[int]) -> list[int]:
        """Look for those that the filter suspects, and for the others where it may lack them."""
        covered = self._covered
        found = seqs_of(connection, suspects)
        if self._lacks_keys:
            found += seqs_of(connection, list(set(keys).difference(suspects)), (covered.seq, covered.page))
        return found

    def _read_pages(self, connection: Connection, *, times: int = 1) -> None:
        """Let a filter take in keys from runs, some pages at a time."""
        covered = self._covered
        if not self._lacks_keys:
            covered = self._next = self._next or self._new_filter(connection)
        page = covered.page
        for _ in range(times):
            keys, last = keys_beyond(connection, (covered.seq, page), pages=_PAGES_AT_ONCE)
            covered.filter.add(keys)
            if last is None:
                self._read = covered, self.indexed_seq, -1
                return
            page = last
        self._read = covered, covered.seq, page

    def _note_read(self) -> None:
        if self._read is None:
            return
        covered, seq, page = self._read
        covered.seq, covered.page, self._read = seq, page, None
        if covered is self._next and covered.seq == self.indexed_seq:
            self._covered, self._next = covered, None

    def _new_filter(self, connection: Connection) -> _Covered:
        """Make one with room for twice as many keys as there are."""
        return _Covered(KeyFilter(2 * max(keys_in_runs(connection), self._run)))
