"""What stands in the runs of keys of a SQLite database."""

import struct
from sqlite3 import Connection


def keys_by_run(connection: Connection) -> dict[int, list[tuple[int, int]]]:
    """Return keys with the numbers of their events, by the run they are in; fail where they are in a wrong page."""
    bits = dict(connection.execute("SELECT id, bits FROM event_run"))
    found: dict[int, list[tuple[int, int]]] = {run: [] for run in bits}
    for page, keys, seqs in connection.execute("SELECT id, keys, seqs FROM event_page"):
        run, part = page >> 32, page % 2**32
        count = len(keys) // 8
        pairs = list(zip(struct.unpack(f">{count}q", keys), struct.unpack(f">{count}q", seqs), strict=True))
        assert pairs
        assert {key % 2**64 >> (64 - bits[run]) for key, _ in pairs} == {part}
        found[run] += pairs
    return found


def stored_keys(connection: Connection) -> list[tuple[int, int]]:
    """Return all keys in runs, with the numbers of their events."""
    return [pair for pairs in keys_by_run(connection).values() for pair in pairs]
