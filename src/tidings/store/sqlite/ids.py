"""Finds an event by (organisation, event id) at a cost that does not grow with the events stored.

Event ids are random. Kept in one ordered index, each would change a page of its own. So the newest identities stay in
memory until they are written together, as a run of ``key_runs``; ``ledger.indexed_seq`` says how far runs cover the
events, and the rest is read again at the start. Whether an identity is among the older ones is nearly always told by
a ``KeyFilter`` in memory, without a look into the runs.

One thread of this process writes; any thread may ``glance``. Other processes may write to the same database: each
transaction that records takes in first what they have recorded since. Whoever has a run together writes it, and the
others let go of what it covers.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from tidings.store.sqlite.driver import SQL, Connection, rows_of
from tidings.store.sqlite.key_filter import KeyFilter
from tidings.store.sqlite.key_runs import (
    PAGES,
    RUN,
    keys_beyond,
    keys_in_runs,
    merge_part,
    seqs_of,
    write_run,
)

_PAGES_AT_ONCE: Final = 32
"""How many pages the filter takes in beside the recording: about 2 ms."""
_TIMES_WHILE_MISSED: Final = 4
"""How often it does so while it lacks keys, because until it has them each event is looked for in runs."""
_TIMES_AT_START: Final = 128
"""How often before anything is recorded: for two million keys, within half a second."""
_SELDOM: Final = 32
"""Of how many new keys one may seem to be there by chance; it is one in two hundred at worst."""
_TAKEN_TOGETHER: Final = 8_192
"""How many identities that others recorded are read together."""

_EMPTY: Final = hashlib.blake2b(digest_size=8)

Identity = tuple[int, str]
"""Organisation and event id."""


def event_key(identity: Identity) -> int:
    """Hash an identity to a signed 64-bit integer. Two identities may share one: look at the event itself."""
    (key,) = event_keys((identity,))
    return key


def event_keys(identities: Iterable[Sequence[Any]]) -> tuple[int, ...]:
    """Hash many, of each its first two items."""
    digests = []
    for each in identities:
        state = _EMPTY.copy()  # takes half the time that making one does
        state.update(f"{each[0]}:{each[1]}".encode())
        digests.append(state.digest())
    return struct.unpack(f">{len(digests)}q", b"".join(digests))


class _Known:
    """Events by their keys, of which several may share one."""

    def __init__(self) -> None:
        self.seqs: dict[int, int] = {}
        self._more: dict[int, tuple[int, ...]] = {}
        """Other events with a key of those."""

    def add(self, identities: Iterable[tuple[int, int]]) -> None:
        for key, seq in identities:
            if self.seqs.setdefault(key, seq) != seq:
                self._more[key] = (*self._more.get(key, ()), seq)

    def __len__(self) -> int:
        return len(self.seqs) + sum(map(len, self._more.values()))

    def of(self, key: int) -> list[int]:
        seq = self.seqs.get(key)
        return [] if seq is None else [seq, *self._more.get(key, ())]

    def all(self) -> tuple[list[int], list[int]]:
        """Return keys, and the events in the same order."""
        keys, seqs = list(self.seqs), list(self.seqs.values())
        for key, more in self._more.items():
            keys += [key] * len(more)
            seqs += more
        return keys, seqs

    def discard(self, key: int, seq: int) -> None:
        match [each for each in self.of(key) if each != seq]:
            case [first, *more]:  # never without them all for a moment: others may glance
                self.seqs[key], self._more[key] = first, tuple(more)
            case []:
                self.seqs.pop(key, None)
                self._more.pop(key, None)

    def after(self, last_seq: int) -> "_Known":
        left = _Known()
        left.add((key, seq) for key, seq in zip(*self.all(), strict=True) if seq > last_seq)
        return left


@dataclass(slots=True)
class _Covered:
    """A filter, and which keys in runs it has: those of events up to one, and of the pages up to one beyond that."""

    filter: KeyFilter
    seq: int = 0
    page: int = -1


@dataclass(slots=True)
class _Pending:
    """What the open transaction has changed, and memory takes over once it is committed."""

    seqs: dict[int, int] = field(default_factory=dict)
    """Events by keys that no other has."""
    others: list[tuple[int, int]] = field(default_factory=list)
    """Keys that others may have too, and their events."""
    last_seq: int = 0
    written_seq: int | None = None
    """How far the run goes that was written."""
    read: tuple[_Covered, int, int] | None = None
    """Whose keys were read, and how far."""
    forgotten: set[tuple[int, int]] = field(default_factory=set)


class EventIds:
    """The identities of the newest events, and the way to all others."""

    def __init__(self, *, run: int = RUN, key_of: Callable[[Identity], int] = event_key) -> None:
        self.key_of = key_of
        self._keys_together = key_of is event_key
        self.last_seq = 0
        """The newest event whose identity is in memory or in a run."""
        self._run = run
        self._indexed_seq = 0
        self._newest = _Known()
        self._covered = _Covered(KeyFilter(2 * run))
        self._next: _Covered | None = None
        """Makes a larger filter, or one without the keys of events that are gone."""
        self._pending = _Pending()
        self._may_merge = True
        self._recorded = 0
        """How many since a part of a run was moved."""

    def keys_of(self, identities: Sequence[Sequence[Any]]) -> Sequence[int]:
        """Return the keys of many identities, of each its first two items."""
        if self._keys_together:
            return event_keys(identities)
        return [self.key_of((org_id, event_id)) for org_id, event_id, *_ in identities]

    def glance(self, key: int) -> list[int]:
        """Return the seqs of events in memory that may have this key."""
        return self._newest.of(key)

    def find(self, connection: Connection, keys: Sequence[int]) -> list[int]:
        """Return the seqs of all events that may have one of these keys.

        Call it in the transaction that is to record, also once before anything else: it takes in what other
        processes have recorded since.
        """
        last_seq, indexed_seq = connection.execute(SQL["how_far_events_go"]).fetchone()
        if indexed_seq != self._indexed_seq:
            self._follow(indexed_seq)
            self._newest = self._newest.after(indexed_seq)
        if last_seq != self.last_seq:
            self._take_in(connection, last_seq)
        recent = [seq for key in keys for seq in self._newest.of(key)]
        return recent + self._in_runs(connection, keys, self._covered.filter.suspects(keys))

    def are_new(self, connection: Connection, keys: Sequence[int]) -> bool:
        """Say whether surely no event that memory knows to be there has one of these keys, nor two of them the same."""
        if not self._newest.seqs.keys().isdisjoint(keys) or len(set(keys)) < len(keys):
            return False
        suspects = self._covered.filter.suspects(keys)
        if len(suspects) > len(keys) // _SELDOM:
            return False  # repeats, by all appearances, which whoever records them looks for anyway
        return not self._in_runs(connection, keys, suspects)

    @property
    def indexed_seq(self) -> int:
        """How far runs cover the events, as memory knows it."""
        return self._indexed_seq

    @property
    def is_behind(self) -> bool:
        """Whether more is to be done than to record: a run to be written, keys to be read, or a part to be moved."""
        return len(self._newest) >= self._run or self._is_reading or self._is_merging

    def reserve(self, connection: Connection, identities: Sequence[tuple[int, int]]) -> None:
        """Take over new events as (key, seq), rising in seq, and ``catch_up`` beside them."""
        if not identities:
            return
        self._pending.last_seq = identities[-1][1]
        self._pending.others += identities
        self.catch_up(connection)

    def reserve_new(self, keys: Sequence[int], first_seq: int) -> None:
        """Take over new events, one after the other, whose keys ``are_new``; ``catch_up`` is to be called too."""
        self._pending.last_seq = first_seq + len(keys) - 1
        self._pending.seqs.update(zip(keys, count(first_seq)))

    def catch_up(self, connection: Connection) -> None:
        """Do a little of what is to be done besides."""
        if len(self._newest) >= self._run:
            self._write(connection)
        elif self._is_reading:
            self._read(connection, times=_TIMES_WHILE_MISSED if self._lacks_keys else 1)
        elif self._is_merging:
            self._may_merge, self._recorded = merge_part(connection), 0

    def start(self, connection: Connection) -> None:
        """Take in what is to be in memory, before anything is recorded."""
        self.find(connection, [])
        if self._is_reading:
            self._covered = self._new_filter(connection)
            self._read(connection, times=_TIMES_AT_START)

    def read_ahead(self, connection: Connection) -> bool:
        """Let the filter take in some of the keys it lacks, outside a transaction; False: it has them all."""
        if self._lacks_keys:
            self._read(connection)
            self.committed()
        return self._lacks_keys

    def forget(self, identities: Iterable[tuple[int, int]]) -> None:
        """Let go of events as (key, seq), which are gone: they need not be written."""
        self._pending.forgotten.update(identities)

    def committed(self) -> None:
        """Remember what was reserved, and not what was to be forgotten."""
        pending, self._pending = self._pending, _Pending()
        if pending.written_seq is not None:
            self._follow(pending.written_seq)
            self._newest = _Known()
        self._newest.seqs.update(pending.seqs)
        self._newest.add(pending.others)
        for key, seq in pending.forgotten:
            self._newest.discard(key, seq)
        self.last_seq = max(self.last_seq, pending.last_seq)
        self._recorded += len(pending.seqs) + len(pending.others)
        if pending.read is not None:
            covered, seq, page = pending.read
            covered.seq, covered.page = seq, page
            if covered is self._next and covered.seq == self._indexed_seq:
                self._covered, self._next = covered, None

    def rolled_back(self) -> None:
        """Forget what was reserved."""
        self._pending = _Pending()
        self._may_merge = True

    @property
    def _is_reading(self) -> bool:
        """Whether a filter is to be made, or lacks keys."""
        return self._lacks_keys or self._covered.filter.is_full or self._next is not None

    @property
    def _lacks_keys(self) -> bool:
        """Whether some keys in runs are not in the filter yet."""
        return self._covered.seq < self._indexed_seq

    @property
    def _is_merging(self) -> bool:
        return self._may_merge and self._recorded >= max(self._run // PAGES, 1)

    def _in_runs(self, connection: Connection, keys: Sequence[int], suspects: Sequence[int]) -> list[int]:
        """Return the seqs of older events that may have one of these keys, some of which the filter suspects."""
        covered = self._covered
        found = seqs_of(connection, suspects)
        if self._lacks_keys:
            found += seqs_of(connection, list(set(keys).difference(suspects)), (covered.seq, covered.page))
        return found

    def _write(self, connection: Connection) -> None:
        """Write the newest events' keys as a run; those of the open transaction stay in memory."""
        keys, seqs = self._newest.all()
        write_run(connection, keys, seqs, after_seq=self._indexed_seq, through_seq=self.last_seq)
        connection.execute(SQL["set_indexed_seq"], {"indexed_seq": self.last_seq})
        self._pending.written_seq = self.last_seq

    def _read(self, connection: Connection, *, times: int = 1) -> None:
        """Let a filter take in keys from runs, some pages at a time; memory notes how far once that is committed."""
        covered = self._covered
        if not self._lacks_keys:
            covered = self._next = self._next or self._new_filter(connection)
        read = covered.page
        for _ in range(times):
            keys, last = keys_beyond(connection, (covered.seq, read), pages=_PAGES_AT_ONCE)
            covered.filter.add(keys)
            if last is None:
                self._pending.read = covered, self._indexed_seq, -1
                return
            read = last
        self._pending.read = covered, covered.seq, read

    def _new_filter(self, connection: Connection) -> _Covered:
        """Make one with room for twice as many keys as there are."""
        return _Covered(KeyFilter(2 * max(keys_in_runs(connection), self._run)))

    def _follow(self, indexed_seq: int) -> None:
        """Note that a run was written, whose keys are those in memory unless others have recorded more meanwhile."""
        if not self._lacks_keys and self.last_seq == indexed_seq:
            keys, _ = self._newest.all()
            self._covered.filter.add(keys)
            self._covered.seq = indexed_seq
        self._indexed_seq, self._may_merge = indexed_seq, True

    def _take_in(self, connection: Connection, last_seq: int) -> None:
        """Read what other processes have recorded, and at the start all that is in no run."""
        self.last_seq = max(self.last_seq, self._indexed_seq)
        while self.last_seq < last_seq:
            values = {"after_seq": self.last_seq, "limit": _TAKEN_TOGETHER}
            rows = rows_of(connection, "identities_after", values)
            self._newest.add((self.key_of((org_id, event_id)), seq) for seq, org_id, event_id in rows)
            self.last_seq = rows[-1][0] if len(rows) == _TAKEN_TOGETHER else last_seq
