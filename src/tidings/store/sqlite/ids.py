"""Finds an event by (organisation, event id) at a cost that does not grow with the events stored.

Event ids are random. Kept in one ordered index, each would change a page of its own: at a million
events, storing 100 rewrites 100 pages and is three times slower than into an empty database. So the
newest identities stay in memory, and join ``event_key`` by the ten thousand, sorted, so that one
page takes many. They join slice by slice beside the recording, because no caller should wait for all of
them. ``ledger.indexed_seq`` says how far the table covers the events; the rest is read again at the start.

One thread of this process writes; any thread may ``glance``. Other processes may write to the same database: each
transaction that records takes in first what they have recorded since. Every process lets its own run join the table;
whoever is through first spares the others what is left of theirs.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import orjson

from tidings.store.sqlite.driver import MOST_ROWS, SQL, Connection, insert_rows, rows_of

_RUN: Final = 65_536
"""How many identities join the table together: about 10 MB of memory."""
_SLICE: Final = 2
"""How many of them join for each event recorded: a run is through before the next is full."""
_TOGETHER: Final = MOST_ROWS
"""How many of them join at a time, in one statement; so most transactions that record have none to see to."""

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


@dataclass(slots=True)
class _Run:
    """Identities on their way into the table."""

    seqs: dict[int, int]
    through_seq: int
    order: list[int] = field(init=False)
    done: int = 0

    def __post_init__(self) -> None:
        self.order = sorted(self.seqs)


@dataclass(slots=True)
class _Pending:
    """What the open transaction has changed, and memory takes over once it is committed."""

    seqs: dict[int, int] = field(default_factory=dict)
    last_seq: int = 0
    done: int = 0
    forgotten: set[tuple[int, int]] = field(default_factory=set)
    taken_in: bool = False
    """Whether identities were taken in whose keys memory had already: those are in the table only if this commits."""


class EventIds:
    """The identities of the newest events, and the way of all others into the table."""

    def __init__(self, *, run: int = _RUN, key_of: Callable[[Identity], int] = event_key) -> None:
        self.key_of = key_of
        self._keys_together = key_of is event_key
        self.last_seq = 0
        """The newest event whose identity is in memory or in the table."""
        self._run = run
        self._indexed_seq = 0
        self._newest: dict[int, int] = {}
        self._joining: _Run | None = None
        self._pending = _Pending()

    def keys_of(self, identities: Sequence[Sequence[Any]]) -> Sequence[int]:
        """Return the keys of many identities, of each its first two items."""
        if self._keys_together:
            return event_keys(identities)
        return [self.key_of((org_id, event_id)) for org_id, event_id, *_ in identities]

    def glance(self, key: int) -> list[int]:
        """Return the seqs of events in memory that may have this key."""
        newest, joining = self._newest, self._joining  # in this order: a run moves from the first to the second
        found = (newest.get(key), None if joining is None else joining.seqs.get(key))
        return [seq for seq in found if seq is not None]

    def find(self, connection: Connection, keys: Sequence[int]) -> list[int]:
        """Return the seqs of all events that may have one of these keys.

        Call it in the transaction that is to record, also once before anything else: it takes in what other
        processes have recorded since.
        """
        wanted = {"keys": orjson.dumps(keys).decode()}
        last_seq, indexed_seq, hits = connection.execute(SQL["look_up_keys"], wanted).fetchone()
        if indexed_seq != self._indexed_seq:
            self._drop_indexed(indexed_seq)
        if last_seq != self.last_seq and self._take_in(connection, last_seq):
            hits = connection.execute(SQL["look_up_keys"], wanted).fetchone()[2]
        known = [self._newest] if self._joining is None else [self._newest, self._joining.seqs]
        recent = [seqs[key] for seqs in known for key in keys if key in seqs]
        return recent if hits is None else [*recent, *orjson.loads(hits)]

    def are_new_here(self, keys: Sequence[int]) -> bool:
        """Say whether no event that memory knows of may have one of these keys, nor two of them the same."""
        newest, joining = self._newest, self._joining
        if not newest.keys().isdisjoint(keys) or len(set(keys)) < len(keys):
            return False
        return joining is None or joining.seqs.keys().isdisjoint(keys)

    @property
    def indexed_seq(self) -> int:
        """How far the table covers the events, as memory knows it."""
        return self._indexed_seq

    @property
    def are_to_join(self) -> bool:
        """Whether so many events were recorded that others are to join the table beside the next ones."""
        if self._joining is None:
            return len(self._newest) >= self._run
        return self._to_join(self._joining) >= min(_TOGETHER, len(self._joining.order) - self._joining.done)

    def reserve(self, connection: Connection, identities: Sequence[tuple[int, int]]) -> None:
        """Take over new events as (key, seq), rising in seq, and let older ones join the table beside them."""
        if not identities:
            return
        self._pending.last_seq = identities[-1][1]
        if taken := self._keep(identities):
            insert_rows(connection, "insert_keys", taken)
        self.let_join(connection)

    def reserve_new(self, keys: Sequence[int], first_seq: int) -> None:
        """Take over new events, one after the other, whose keys ``are_new_here``; ``let_join`` is to be called too."""
        self._pending.last_seq = first_seq + len(keys) - 1
        self._pending.seqs.update(zip(keys, count(first_seq)))

    def let_join(self, connection: Connection) -> None:
        """Let older events join the table beside the new ones, where any are to."""
        if self.are_to_join:
            self._join(connection)

    def forget(self, identities: Sequence[tuple[int, int]]) -> None:
        """Let go of events as (key, seq), which the table has been rid of: they are not to join it again."""
        self._pending.forgotten.update(identities)

    def committed(self) -> None:
        """Remember what was reserved, and not what was to be forgotten."""
        pending = self._pending
        self._newest.update(pending.seqs)
        for key, seq in pending.forgotten:
            for seqs in [self._newest] if self._joining is None else [self._newest, self._joining.seqs]:
                if seqs.get(key) == seq:
                    del seqs[key]
        self.last_seq = max(self.last_seq, pending.last_seq)
        if self._joining is not None and pending.done:
            self._joining.done = pending.done
            if pending.done == len(self._joining.order):
                self._indexed_seq, self._joining = self._joining.through_seq, None
        self._pending = _Pending()

    def rolled_back(self) -> None:
        """Forget what was reserved."""
        if self._pending.taken_in:
            self._newest, self._joining, self.last_seq = {}, None, self._indexed_seq
        self._pending = _Pending()

    def _keep(self, identities: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Put identities into memory; return those whose key is taken there, which go to the table at once."""
        taken = []
        for key, seq in identities:
            if key in self._newest or key in self._pending.seqs:
                taken.append((key, seq))
            else:
                self._pending.seqs[key] = seq
        return taken

    def _to_join(self, run: _Run) -> int:
        """Return how many of a run would have joined by now if each event recorded since had taken its share along."""
        return _SLICE * (len(self._newest) + len(self._pending.seqs)) - run.done

    def _join(self, connection: Connection) -> None:
        run = self._joining
        if run is None:
            run, self._newest = _Run(self._newest, self.last_seq), {}
            self._joining = run
        done = min(run.done + max(self._to_join(run), 0), len(run.order))
        keys, forgotten = run.order[run.done : done], self._pending.forgotten
        joining = list(zip(keys, map(run.seqs.get, keys), strict=True))
        if forgotten or len(run.seqs) < len(run.order):
            joining = [(key, seq) for key, seq in joining if seq is not None and (key, seq) not in forgotten]
        insert_rows(connection, "insert_keys", joining)
        self._pending.done = done
        if done == len(run.order):
            connection.execute(SQL["set_indexed_seq"], {"indexed_seq": run.through_seq})

    def _drop_indexed(self, indexed_seq: int) -> None:
        """Let go of what another process has brought into the table."""
        if self._joining is not None and self._joining.through_seq <= indexed_seq:
            self._joining = None
        self._newest = {key: seq for key, seq in self._newest.items() if seq > indexed_seq}
        self._indexed_seq = indexed_seq

    def _take_in(self, connection: Connection, last_seq: int) -> bool:
        """Read what other processes have recorded, and at the start all that the table does not cover.

        Returns whether some of it went to the table, because memory had their keys already.
        """
        rows = rows_of(connection, "identities_since", {"known_seq": max(self.last_seq, self._indexed_seq)})
        taken = self._keep([(self.key_of((org_id, event_id)), seq) for seq, org_id, event_id in rows])
        insert_rows(connection, "insert_keys", taken)
        self._pending.taken_in |= bool(taken)
        self._newest.update(self._pending.seqs)
        self._pending.seqs = {}
        self.last_seq = last_seq
        return bool(taken)
