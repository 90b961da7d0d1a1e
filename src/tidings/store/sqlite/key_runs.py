"""Where older events are found by their keys: runs of pages in the database, each page written once.

A run is of the events of a stretch. Its pages are equal parts of the keys' space, as many as leave each about 500
keys, which stand there as they came, with the numbers of their events beside them. Eight runs in a row become one with
eight times as many pages, a part at a time. So a key is written again whenever its run has grown eightfold, and always
together with hundreds; in an ordered index of millions, each new key changes a page of its own.

All that is known of runs is in the database, and a part moves within a transaction. So several processes may do it in
turns, whoever dies leaves nothing half done, and every key is in one page at any time.
"""

from collections.abc import Callable, Iterator, Sequence
from struct import Struct, pack, unpack
from typing import Final, NamedTuple

import orjson

from tidings.store.sqlite.driver import SQL, Connection, Row, insert_rows, rows_of

RUN: Final = 32_768
"""How many events a run is of when it is written."""
_BITS: Final = 6
PAGES: Final = 1 << _BITS
"""How many pages a run has when it is written."""
_MORE_BITS: Final = 3
_TOGETHER: Final = 1 << _MORE_BITS
"""How many runs become one."""
_PART_BITS: Final = 32
"""Of a page's id; those before them are its run's."""
_NUMBER: Final = Struct(">q")

EVERYWHERE: Final = (-1, -1)
"""What to look beyond, to look at all pages: an event's number, and a page's id."""


class _Run(NamedTuple):
    id: int
    bits: int
    """The leading bits of a key that say in which page it is."""
    after_seq: int
    through_seq: int
    made: int | None
    """How many parts it has taken over from those that it is made of; None once it is whole."""

    def takes(self, other: "_Run") -> bool:
        """Say whether this run is being made of another one."""
        return (
            self.made is not None
            and other.made is None
            and self.after_seq <= other.after_seq
            and other.through_seq <= self.through_seq
        )


def write_run(
    connection: Connection, keys: Sequence[int], seqs: Sequence[int], *, after_seq: int, through_seq: int
) -> None:
    """Write the keys of the events of a stretch, and their numbers in the same order."""
    run = _begun(connection, bits=_BITS, after_seq=after_seq, through_seq=through_seq, made=None)
    insert_rows(connection, "insert_pages", list(_pages(run, 0, keys, seqs, more_bits=_BITS)))


def seqs_of(connection: Connection, keys: Sequence[int], beyond: tuple[int, int] = EVERYWHERE) -> list[int]:
    """Return the numbers of events in runs that have one of these keys.

    Looked at are runs that go beyond an event, and of these the pages beyond one.
    """
    if not keys:
        return []
    wanted = {"keys": orjson.dumps(keys).decode(), "covered_seq": beyond[0], "page": beyond[1]}
    found: list[int] = []
    for key, stored, seqs in connection.execute(SQL["pages_of_keys"], wanted):  # one statement: pages move
        sought = _NUMBER.pack(key)
        place = stored.find(sought)
        while place >= 0:
            if place % 8 == 0:  # and not the end of one key and the beginning of the next
                found += _NUMBER.unpack_from(seqs, place)
            place = stored.find(sought, place + 1)
    return found


def keys_beyond(connection: Connection, beyond: tuple[int, int], *, pages: int) -> tuple[Sequence[int], int | None]:
    """Read the next so many pages as ``seqs_of`` looks at them; their keys, and the last one's id if more may follow.

    Whoever goes on until none is left has read every key, also of pages that moved meanwhile: they move onwards.
    """
    values = {"covered_seq": beyond[0], "page": beyond[1], "limit": pages}
    rows = connection.execute(SQL["pages_beyond"], values).fetchall()
    keys = _numbers(b"".join(stored for _, stored in rows))
    return keys, rows[-1][0] if len(rows) == pages else None


def keys_in_runs(connection: Connection) -> int:
    """Return about how many keys there are: those of events that are gone count until their run is."""
    (count,) = connection.execute(SQL["keys_in_runs"]).fetchone()
    return int(count)


def merge_part(connection: Connection) -> bool:
    """Move a part of the keys of several runs to the one that is being made of them; False: nothing is to be moved."""
    runs = [_Run(*row) for row in connection.execute(SQL["event_runs"])]
    making = [run for run in runs if run.made is not None]
    made = min(filter(None, [*making, _next(connection, runs, making)]), key=lambda run: run.bits, default=None)
    if made is None or made.made is None:
        return False
    sources = [run for run in runs if made.takes(run)]
    ids = orjson.dumps([each.id << _PART_BITS | made.made for each in sources]).decode()
    pages = connection.execute(SQL["pages_by_id"], {"ids": ids}).fetchall()
    keys, seqs = _left(connection, made, *(_numbers(b"".join(each)) for each in zip(*pages, strict=True)))
    connection.execute(SQL["drop_pages"], {"ids": ids})
    first = made.made << _MORE_BITS
    insert_rows(connection, "insert_pages", list(_pages(made, first, keys, seqs, more_bits=_MORE_BITS)))
    moved = made.made + 1
    if moved < 1 << (made.bits - _MORE_BITS):
        connection.execute(SQL["note_parts"], {"id": made.id, "made": moved})
    else:
        connection.execute(SQL["note_parts"], {"id": made.id, "made": None})
        connection.execute(SQL["drop_runs"], {"ids": orjson.dumps([each.id for each in sources]).decode()})
    return True


def drop_past(connection: Connection, *, limit: int) -> int:
    """Let go of up to so many pages of runs none of whose events is left; how many went."""
    for (run,) in connection.execute(SQL["past_runs"]).fetchall():
        values = {"first": run << _PART_BITS, "end": (run + 1) << _PART_BITS, "limit": limit}
        if gone := connection.execute(SQL["drop_pages_of_run"], values).rowcount:
            return gone
        connection.execute(SQL["drop_runs"], {"ids": f"[{run}]"})
    return 0


def write_all(
    connection: Connection, keys_of: Callable[[Sequence[Sequence[object]]], Sequence[int]], *, run: int = RUN
) -> None:
    """Write the runs of a database that has none, and say how far they go: to where memory takes over."""
    done = 0
    while len(rows := rows_of(connection, "identities_after", {"after_seq": done, "limit": run})) == run:
        seqs = [seq for seq, *_ in rows]
        keys = keys_of([identity for _, *identity in rows])
        write_run(connection, keys, seqs, after_seq=done, through_seq=seqs[-1])
        done = seqs[-1]
        while merge_part(connection):
            pass
    connection.execute(SQL["set_indexed_seq"], {"indexed_seq": done})


def _next(connection: Connection, runs: Sequence[_Run], making: Sequence[_Run]) -> _Run | None:
    """Begin to make a run of several, if so many of one size are there; the smallest ones first."""
    free: dict[int, list[_Run]] = {}
    for run in runs:
        if run.made is None and not any(made.takes(run) for made in making):
            free.setdefault(run.bits, []).append(run)
    for bits, alike in sorted(free.items()):
        if len(alike) >= _TOGETHER:
            first, last = alike[0], alike[_TOGETHER - 1]
            return _begun(
                connection, bits=bits + _MORE_BITS, after_seq=first.after_seq, through_seq=last.through_seq, made=0
            )
    return None


def _begun(connection: Connection, *, bits: int, after_seq: int, through_seq: int, made: int | None) -> _Run:
    values = {"bits": bits, "after_seq": after_seq, "through_seq": through_seq, "made": made}
    ((number,),) = connection.execute(SQL["begin_run"], values).fetchall()
    return _Run(number, bits, after_seq, through_seq, made)


def _pages(run: _Run, first: int, keys: Sequence[int], seqs: Sequence[int], *, more_bits: int) -> Iterator[Row]:
    """Divide the keys of one part into the pages of a run that follow from one on; empty ones are left out."""
    shift, last = 64 - run.bits, (1 << more_bits) - 1
    parts: list[tuple[list[int], list[int]]] = [([], []) for _ in range(last + 1)]
    add_key = [part[0].append for part in parts]
    add_seq = [part[1].append for part in parts]
    for key, seq in zip(keys, seqs, strict=True):
        part = key >> shift & last
        add_key[part](key)
        add_seq[part](seq)
    for place, (some_keys, some_seqs) in enumerate(parts, first):
        if some_keys:
            count = len(some_keys)
            yield run.id << _PART_BITS | place, pack(f">{count}q", *some_keys), pack(f">{count}q", *some_seqs)


def _left(
    connection: Connection, made: _Run, keys: Sequence[int] = (), seqs: Sequence[int] = ()
) -> tuple[Sequence[int], Sequence[int]]:
    """Leave out the keys of events before the oldest one that is left."""
    (oldest,) = connection.execute(SQL["oldest_event"]).fetchone()
    if made.after_seq + 1 >= oldest:
        return keys, seqs
    kept = [place for place, seq in enumerate(seqs) if seq >= oldest]
    return [keys[place] for place in kept], [seqs[place] for place in kept]


def _numbers(stored: bytes) -> tuple[int, ...]:
    return unpack(f">{len(stored) // 8}q", stored)
