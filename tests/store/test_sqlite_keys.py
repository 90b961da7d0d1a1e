"""Where older events are found by their keys: runs in the database, and the filter in memory before them."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from sqlite3 import Connection

import pytest

from keys_kit import keys_by_run, stored_keys
from long_kit import at_length
from store_kit import T0, make_event, make_publication
from tidings.store import Recorded, Retention
from tidings.store.feed import Feed
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.driver import SqliteSettings, connect
from tidings.store.sqlite.ids import EventIds
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.key_filter import KeyFilter
from tidings.store.sqlite.key_runs import (
    drop_past,
    keys_beyond,
    keys_in_runs,
    merge_part,
    seqs_of,
    write_all,
    write_run,
)
from tidings.store.sqlite.migrate import MIGRATIONS, migrate
from tidings.store.sqlite.reading import EventReader
from tidings.store.sqlite.recording import Recorder
from tidings.store.sqlite.retention import Purger
from tidings.store.sqlite.transactor import Transactor

KEYS = (-(2**63), -1, 0, 1, 2**63 - 1)
"""Those at the ends of parts and words."""


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database in memory at the newest version."""
    with closing(connect(None, SqliteSettings())) as opened:
        migrate(opened)
        yield opened


def some_keys(dice: random.Random, count: int) -> list[int]:
    """Draw keys; some are drawn often."""
    return [dice.choice(KEYS) if dice.random() < 0.05 else dice.getrandbits(64) - 2**63 for _ in range(count)]


def fill_events(connection: Connection, seqs: Sequence[int]) -> None:
    connection.executemany("INSERT INTO event VALUES (?, 1, 'e', 'n', 0, 'r', x'', x'', NULL, '[]', NULL)", zip(seqs))


class TestRuns:
    """Keys are found while runs are written, merged and let go of."""

    @pytest.mark.parametrize("seed", range(at_length(3, 12)))
    def test_every_key_is_found_at_any_time(self, connection: Connection, seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 (variety, not secrecy)
        stored: dict[int, set[int]] = {}
        last = 0
        for _ in range(150):
            keys = some_keys(dice, dice.randrange(1, 20))
            seqs = list(range(last + 1, last + 1 + len(keys)))
            fill_events(connection, seqs)
            write_run(connection, keys, seqs, after_seq=last, through_seq=seqs[-1])
            last = seqs[-1]
            for key, seq in zip(keys, seqs, strict=True):
                stored.setdefault(key, set()).add(seq)
            for _ in range(dice.randrange(30)):
                merge_part(connection)
            asked = [*dice.sample(sorted(stored), min(20, len(stored))), *some_keys(dice, 5), *KEYS]
            wanted = Counter(seq for key in set(asked) for seq in stored.get(key, ()))
            assert Counter(seqs_of(connection, list(set(asked)))) == wanted
        assert sorted(stored_keys(connection)) == sorted((key, seq) for key in stored for seq in stored[key])
        assert keys_in_runs(connection) <= last

    def test_few_runs_are_left_however_many_were_written(self, connection: Connection) -> None:
        dice = random.Random(1)  # noqa: S311 (variety, not secrecy)
        for number in range(200):
            fill_events(connection, [number + 1])
            write_run(connection, some_keys(dice, 1), [number + 1], after_seq=number, through_seq=number + 1)
        while merge_part(connection):
            pass

        sizes = [len(pairs) for pairs in keys_by_run(connection).values()]
        assert sorted(sizes, reverse=True) == [64, 64, 64, 8]  # of 200: three times eight times eight, and eight
        assert not merge_part(connection)

    def test_few_runs_are_there_at_any_time_at_the_pace_of_recording(self, connection: Connection) -> None:
        written = at_length(100, 600)
        most = 0
        for number in range(written):
            fill_events(connection, [number + 1])
            write_run(connection, [0], [number + 1], after_seq=number, through_seq=number + 1)
            for _ in range(64):
                if not merge_part(connection):
                    break
            most = max(most, len(keys_by_run(connection)))

        assert most <= (18 if written == 100 else 27)

    def test_those_of_a_database_that_has_none_are_written_and_merged(self, connection: Connection) -> None:
        fill_events(connection, range(1, 206))
        write_all(connection, lambda identities: [number << 40 for number in range(len(identities))], run=10)

        sizes = [len(pairs) for pairs in keys_by_run(connection).values()]
        assert sorted(sizes) == [10, 10, 10, 10, 80, 80]
        assert {seq for _, seq in stored_keys(connection)} == set(range(1, 201))
        assert connection.execute("SELECT indexed_seq FROM ledger").fetchone() == (200,)

    @pytest.mark.parametrize("seed", range(at_length(3, 12)))
    def test_who_reads_page_after_page_misses_no_key_that_moves_meanwhile(
        self, connection: Connection, seed: int
    ) -> None:
        dice = random.Random(seed)  # noqa: S311 (variety, not secrecy)
        last = 0

        def write(runs: int) -> set[int]:
            nonlocal last
            written: set[int] = set()
            for _ in range(runs):
                keys = [dice.getrandbits(64) - 2**63 for _ in range(10)]
                seqs = range(last + 1, last + 11)
                fill_events(connection, seqs)
                write_run(connection, keys, seqs, after_seq=last, through_seq=last + 10)
                last += 10
                written.update(keys)
            return written

        covered = write(20)
        covered_seq = last
        there = write(30)
        read: set[int] = set()
        page: int | None = -1
        while page is not None:
            beyond = (covered_seq, page)
            keys, page = keys_beyond(connection, beyond, pages=dice.randrange(1, 40))
            read.update(keys)
            for _ in range(dice.randrange(40)):
                merge_part(connection)
            # whatever was not read so far is among the pages that are still to be read
            some = dice.sample(sorted(there), 5)
            found = seqs_of(connection, some, (covered_seq, page)) if page is not None else []
            assert len(found) >= sum(key not in read for key in some)
            if dice.random() < 0.2:
                there |= write(1)
                page = beyond[1] if page is None else page

        assert there <= read
        assert read <= there | covered

    def test_whoever_has_read_some_pages_is_told_only_of_what_is_in_others(self, connection: Connection) -> None:
        keys = some_keys(random.Random(1), 500)  # noqa: S311 (variety, not secrecy)
        write_run(connection, keys, range(1, 501), after_seq=0, through_seq=500)
        read, page = keys_beyond(connection, (0, -1), pages=10)
        assert page is not None

        found = {keys[seq - 1] for seq in seqs_of(connection, keys, (0, page))}

        assert found == set(keys) - set(read)
        assert 0 < len(found) < len(set(keys))
        assert seqs_of(connection, keys, (500, -1)) == []

    def test_a_key_is_not_seen_where_two_others_meet(self, connection: Connection) -> None:
        keys = [0x0001020303020100, 0x0001020303020101]
        between = int.from_bytes(b"".join(key.to_bytes(8, "big") for key in keys)[3:11], "big")
        assert between >> 58 == keys[0] >> 58  # it would stand in the same page
        write_run(connection, keys, [1, 2], after_seq=0, through_seq=2)

        assert seqs_of(connection, [between]) == []
        assert seqs_of(connection, keys) == [1, 2]

    def test_a_run_goes_with_the_last_of_its_events(self, connection: Connection) -> None:
        dice = random.Random(1)  # noqa: S311 (variety, not secrecy)
        for first in range(0, 300, 100):
            seqs = range(first + 1, first + 101)
            fill_events(connection, seqs)
            write_run(connection, some_keys(dice, 100), seqs, after_seq=first, through_seq=first + 100)
        connection.execute("DELETE FROM event WHERE seq <= 199")
        gone = []
        while pages := drop_past(connection, limit=7):
            gone.append(pages)

        assert len(gone) > 3
        assert all(pages <= 7 for pages in gone)
        assert [sorted(seq for _, seq in pairs) for pairs in keys_by_run(connection).values()] == [
            list(range(101, 201)),
            list(range(201, 301)),
        ]

    def test_a_run_that_is_being_merged_is_left_and_its_past_events_are_not_taken_along(
        self, connection: Connection
    ) -> None:
        dice = random.Random(1)  # noqa: S311 (variety, not secrecy)
        for first in range(0, 80, 10):
            seqs = range(first + 1, first + 11)
            fill_events(connection, seqs)
            write_run(connection, some_keys(dice, 10), seqs, after_seq=first, through_seq=first + 10)
        merge_part(connection)
        connection.execute("DELETE FROM event WHERE seq <= 45")
        assert drop_past(connection, limit=1_000) == 0
        while merge_part(connection):
            pass

        (left,) = keys_by_run(connection).values()
        assert {seq for _, seq in left} >= set(range(46, 81))
        assert len(left) < 45
        connection.execute("DELETE FROM event")
        assert drop_past(connection, limit=1_000) > 0
        assert drop_past(connection, limit=1_000) == 0
        assert keys_by_run(connection) == {}


class TestFilter:
    """It may suspect what is not there, and nothing that is there passes it."""

    @pytest.mark.parametrize("count", [0, 1, 100, 5_000, 70_000])
    def test_nothing_passes_that_was_added(self, count: int) -> None:
        dice = random.Random(count)  # noqa: S311 (variety, not secrecy)
        keys = [*KEYS, *some_keys(dice, count)]
        known = KeyFilter(count)
        known.add(keys)

        assert known.suspects(keys) == keys

    def test_little_else_is_suspected_up_to_what_it_is_made_for(self) -> None:
        dice = random.Random(1)  # noqa: S311 (variety, not secrecy)
        known = KeyFilter(1 << 17)
        assert known.suspects(some_keys(dice, 1_000)) == []
        while not known.is_full:
            known.add(some_keys(dice, 4_096))

        suspected = known.suspects(dice.getrandbits(64) - 2**63 for _ in range(100_000))
        assert 50 < len(suspected) < 1_000


def recorded(connection: Connection, known: EventIds, numbers: Sequence[int], *, fails: bool = False) -> list[Recorded]:
    """Record events in a transaction of their own."""
    moves = MovesSeen(Feed(), lambda _work, _changes: None)
    publications = [make_publication(make_event(f"e-{number}"), deliveries=0) for number in numbers]
    connection.execute("BEGIN IMMEDIATE")
    (results,) = Recorder(known, Interventions(moves), moves).record(connection, [publications])
    if fails:
        connection.execute("ROLLBACK")
        known.rolled_back()
    else:
        connection.execute("COMMIT")
        known.committed()
    return [each.recorded for each in results]


@pytest.mark.parametrize("run", [4, 16, 64])
def test_events_are_found_through_filters_that_are_made_anew_again_and_again(connection: Connection, run: int) -> None:
    """Also after transactions that were rolled back, and a restart in between."""
    dice = random.Random(run)  # noqa: S311 (variety, not secrecy)
    known, made, count = EventIds(run=run), 0, 0
    for turn in range(at_length(200, 600)):
        before = known._older._covered.filter
        new = list(range(count, count + dice.randrange(1, run)))
        recorded(connection, known, new, fails=True)
        assert recorded(connection, known, new) == [Recorded.NEW] * len(new)
        count = new[-1] + 1
        old = dice.sample(range(count), min(10, count))
        assert recorded(connection, known, old, fails=dice.random() < 0.5) == [Recorded.DUPLICATE] * len(old)
        made += known._older._covered.filter is not before
        if turn % 100 == 99:
            known = EventIds(run=run)
            connection.execute("BEGIN IMMEDIATE")
            known.start(connection)
            connection.execute("COMMIT")
            known.committed()
            assert not known._older._covered.filter.is_full

    assert made  # besides those that a start makes
    everything = list(range(count))
    assert recorded(connection, known, everything) == [Recorded.DUPLICATE] * count
    found = EventReader(known).read(connection, [(50750, f"e-{number}") for number in everything])
    assert [each and each.event_id for each in found] == [f"e-{number}" for number in everything]


def test_keys_that_were_gone_only_for_a_transaction_that_failed_are_read(connection: Connection) -> None:
    before = EventIds(run=100)
    for start in range(0, 350, 50):
        recorded(connection, before, range(start, start + 50))
    known = EventIds(run=100)
    connection.execute("BEGIN IMMEDIATE")
    known.find(connection, [])
    connection.execute("DELETE FROM event WHERE seq <= 100")
    while drop_past(connection, limit=100):
        pass
    known.catch_up(connection)
    connection.execute("ROLLBACK")
    known.rolled_back()
    known.committed()  # of a transaction that records nothing

    for number in range(350, 370):
        assert recorded(connection, known, [number]) == [Recorded.NEW]
    assert recorded(connection, known, range(370)) == [Recorded.DUPLICATE] * 370


def test_a_run_that_is_written_before_the_filter_has_all_others_does_not_hide_them(connection: Connection) -> None:
    before = EventIds(run=100)
    for start in range(0, 650, 50):
        recorded(connection, before, range(start, start + 50))
    known = EventIds(run=100)
    assert recorded(connection, known, range(650, 700)) == [Recorded.NEW] * 50
    assert known.read_ahead(connection)  # some are still to be read
    assert recorded(connection, known, [700]) == [Recorded.NEW]
    assert known.indexed_seq == 700

    assert recorded(connection, known, range(702)) == [Recorded.DUPLICATE] * 701 + [Recorded.NEW]
    while known.read_ahead(connection):
        pass
    assert recorded(connection, known, range(703)) == [Recorded.DUPLICATE] * 702 + [Recorded.NEW]


def test_runs_are_merged_beside_the_recording_for_good(connection: Connection) -> None:
    known = EventIds(run=256)
    for start in range(0, 256 * at_length(20, 100), 4):
        recorded(connection, known, range(start, start + 4))

    runs = connection.execute("SELECT bits, count(*) FROM event_run WHERE made IS NULL GROUP BY bits").fetchall()
    assert all(count <= 11 for _, count in runs)
    assert len(runs) > 1


def test_the_filter_is_filled_while_nobody_asks_for_anything(connection: Connection) -> None:
    before = EventIds(run=100)
    for start in range(0, 350, 50):
        recorded(connection, before, range(start, start + 50))
    known = EventIds(run=100)
    assert known.read_ahead(connection) is False  # it knows of no runs yet
    connection.execute("BEGIN IMMEDIATE")
    known.find(connection, [])
    connection.execute("COMMIT")
    known.committed()
    steps = 1
    while known.read_ahead(connection):
        steps += 1

    assert steps > 3
    new = known.keys_of([(50750, f"e-{number}") for number in range(350, 450)])
    assert len(known._older._covered.filter.suspects(new)) < 20
    assert recorded(connection, known, range(351)) == [Recorded.DUPLICATE] * 350 + [Recorded.NEW]


def test_what_fails_while_nobody_asks_for_anything_is_left_to_the_calls_to_tell(connection: Connection) -> None:
    def fill(given: Connection) -> bool:
        given.execute("CREATE TABLE note (text)")
        given.execute("INSERT INTO note VALUES (zeroblob(1000000))")
        return True

    connection.execute("PRAGMA max_page_count = 1")
    transactor = Transactor(connection, begin="BEGIN", witness=EventIds())

    assert transactor.look(lambda given: given.execute("SELECT 1").fetchone() == (1,))
    assert not transactor.look(fill)
    with pytest.raises(ZeroDivisionError):
        transactor.look(lambda _: bool(1 // 0))


def test_what_another_process_has_recorded_is_read_wherever_it_is(connection: Connection) -> None:
    ours, theirs = EventIds(run=20), EventIds(run=20)
    for start in range(0, 100, 7):
        recorded(connection, theirs, range(start, start + 7))
        found = EventReader(ours).read(connection, [(50750, f"e-{number}") for number in range(start + 8)])
        assert [each and each.event_id for each in found] == [*(f"e-{number}" for number in range(start + 7)), None]


def test_runs_of_events_that_are_past_their_time_go_too(connection: Connection) -> None:
    known = EventIds(run=10)
    for start in range(0, 100, 10):
        recorded(connection, known, range(start, start + 10))
    assert len(stored_keys(connection)) == 90
    purger, retention = Purger(known), Retention(events_before=T0 + 99, deliveries_before=0)
    while purger.purge(connection, [(retention, 30)]) != [0]:
        known.committed()

    assert keys_by_run(connection) == {}
    assert len(known._newest) == 0
    assert recorded(connection, known, range(100)) == [Recorded.NEW] * 100


@pytest.mark.parametrize("count", [0, 5, 40_000])
def test_events_of_an_older_database_are_found(count: int) -> None:
    before = next(number for number, step in enumerate(MIGRATIONS) if "DROP TABLE event_key" in step)
    with closing(connect(None, SqliteSettings())) as older:
        migrate(older, MIGRATIONS[:before])
        values = [(number + 1, f"e-{number}") for number in range(count)]
        older.executemany("INSERT INTO event VALUES (?, 50750, ?, 'n', 0, 'r', x'', x'', NULL, '[]', NULL)", values)
        older.execute("UPDATE ledger SET indexed_seq = ?", [count])
        migrate(older)
        known = EventIds()
        numbers = [number for number in (0, 4, 20_000, 39_999) if number < count]

        assert recorded(older, known, [*numbers, count]) == [Recorded.REUSED] * len(numbers) + [Recorded.NEW]
        assert len(stored_keys(older)) == count // 32_768 * 32_768
