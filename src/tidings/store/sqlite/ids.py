"""Finds an event by (organisation, event id) at a cost that does not grow with the events stored.

Event ids are random. Kept in one ordered index, each would change a page of its own. So the newest identities stay in
memory until they are written together, as a run that ``older_keys`` looks through; ``ledger.indexed_seq`` says how far
runs cover the events, and the rest is read again at the start.

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
from tidings.store.sqlite.key_runs import RUN
from tidings.store.sqlite.older_keys import OlderKeys

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
class _Pending:
    """What the open transaction has changed, and memory takes over once it is committed."""

    seqs: dict[int, int] = field(default_factory=dict)
    """Events by keys that no other has."""
    others: list[tuple[int, int]] = field(default_factory=list)
    """Keys that others may have too, and their events."""
    last_seq: int = 0
    written_seq: int | None = None
    """How far the run goes that was written."""
    forgotten: set[tuple[int, int]] = field(default_factory=set)


class EventIds:
    """The identities of the newest events, and the way to all others."""

    def __init__(self, *, run: int = RUN, key_of: Callable[[Identity], int] = event_key) -> None:
        self.key_of = key_of
        self._keys_together = key_of is event_key
        self.last_seq = 0
        """The newest event whose identity is in memory or in a run."""
        self._run = run
        self._newest = _Known()
        self._older = OlderKeys(run)
        self._pending = _Pending()

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
        if indexed_seq != self._older.indexed_seq:
            self._follow(indexed_seq)
            self._newest = self._newest.after(indexed_seq)
        if last_seq != self.last_seq:
            self._take_in(connection, last_seq)
        recent = [seq for key in keys for seq in self._newest.of(key)]
        return recent + self._older.find(connection, keys)

    def are_new(self, connection: Connection, keys: Sequence[int]) -> bool:
        """Say whether surely no event that memory knows to be there has one of these keys, nor two of them the same."""
        if not self._newest.seqs.keys().isdisjoint(keys) or len(set(keys)) < len(keys):
            return False
        return self._older.surely_lack(connection, keys)

    @property
    def indexed_seq(self) -> int:
        """How far runs cover the events, as memory knows it."""
        return self._older.indexed_seq

    @property
    def is_behind(self) -> bool:
        """Whether more is to be done than to record."""
        return len(self._newest) >= self._run or self._older.are_behind

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
        if len(self._newest) < self._run:
            self._older.catch_up(connection)
        else:  # those of the open transaction stay in memory
            self._older.write(connection, *self._newest.all(), through_seq=self.last_seq)
            self._pending.written_seq = self.last_seq

    def start(self, connection: Connection) -> None:
        """Take in what is to be in memory, before anything is recorded."""
        self.find(connection, [])
        self._older.start(connection)

    def read_ahead(self, connection: Connection) -> bool:
        """Take in more of it, outside a transaction, while there is nothing to record; False: nothing is left."""
        return self._older.read_ahead(connection)

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
        self._older.committed(recorded=len(pending.seqs) + len(pending.others))

    def rolled_back(self) -> None:
        """Forget what was reserved."""
        self._pending = _Pending()
        self._older.rolled_back()

    def _follow(self, indexed_seq: int) -> None:
        """Note that a run was written: of what is in memory, unless others have recorded more meanwhile."""
        keys, _ = self._newest.all()
        self._older.follow(indexed_seq, keys if self.last_seq == indexed_seq else None)

    def _take_in(self, connection: Connection, last_seq: int) -> None:
        """Read what other processes have recorded, and at the start all that is in no run."""
        self.last_seq = max(self.last_seq, self._older.indexed_seq)
        while self.last_seq < last_seq:
            values = {"after_seq": self.last_seq, "limit": _TAKEN_TOGETHER}
            rows = rows_of(connection, "identities_after", values)
            keys = self.keys_of([identity for _, *identity in rows])
            self._newest.add(zip(keys, (seq for seq, *_ in rows), strict=True))
            self.last_seq = rows[-1][0] if len(rows) == _TAKEN_TOGETHER else last_seq
