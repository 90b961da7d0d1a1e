"""Several processes that write to one database: an identity is one event, memory stays bounded, work is heard of."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from keys_kit import stored_keys
from long_kit import at_length
from store_kit import T0, make_event, make_publication, make_publications
from tidings.store import Recorded, open_store
from tidings.store.feed import Feed
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.driver import SqliteSettings, connect
from tidings.store.sqlite.ids import EventIds, event_key
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.migrate import migrate
from tidings.store.sqlite.recording import Recorder
from tidings.store.sqlite.store import open_sqlite

RUN = 64
COLLIDING: Callable[[tuple[int, str]], int] = lambda identity: event_key(identity) % 40  # noqa: E731 (one of two)


class Writer:
    """What the writing lane of a process is made of."""

    def __init__(self, path: str, key_of: Callable[[tuple[int, str]], int]) -> None:
        self.connection = connect(path, SqliteSettings())
        migrate(self.connection)
        self.ids = EventIds(run=RUN, key_of=key_of)
        moves = MovesSeen(Feed(), lambda *_: None)
        self._recorder = Recorder(self.ids, Interventions(moves), moves)
        self.alone = 0
        """How often one statement did it all."""

    def record(self, numbers: Sequence[int], *, fails: bool = False) -> list[bool]:
        """Record events by number as the lane does; say which were new. What fails is rolled back."""
        publications = [make_publication(make_event(f"e-{number}"), deliveries=0) for number in numbers]
        if not fails and (alone := self._recorder.record_alone(self.connection, [publications])) is not None:
            assert not self.connection.in_transaction
            self.ids.committed()
            self.alone += 1
            return [each.recorded is Recorded.NEW for each in alone[0]]
        self.connection.execute("BEGIN IMMEDIATE")
        (results,) = self._recorder.record(self.connection, [publications])
        if fails:
            self.connection.execute("ROLLBACK")
            self.ids.rolled_back()
            self._recorder.forget_revisions()
            return []
        self.connection.execute("COMMIT")
        self.ids.committed()
        return [each.recorded is Recorded.NEW for each in results]


@pytest.mark.parametrize("key_of", [event_key, COLLIDING], ids=["keys apart", "keys that collide"])
@pytest.mark.parametrize("seed", range(at_length(2, 8)))
def test_an_identity_is_new_once_whoever_records_it(
    tmp_path: Path, seed: int, key_of: Callable[[tuple[int, str]], int]
) -> None:
    """Three writers in any order, some transactions rolled back, one writer that starts late."""
    dice = random.Random(seed)  # noqa: S311 (variety, not secrecy)
    path = str(tmp_path / "tidings.db")
    writers = [Writer(path, key_of) for _ in range(2)]
    writer = writers[0]
    known: set[int] = set()
    for turn in range(300):
        if turn == 150:
            writers.append(Writer(path, key_of))
        fresh = range(2_000 + turn * 8, 2_000 + turn * 8 + dice.randrange(1, 8))
        numbers = list(fresh) if turn % 3 else [dice.randrange(1_500) for _ in fresh]
        writer = writer if dice.random() < 0.5 else dice.choice(writers)
        if dice.random() < 0.1:
            writer.record(numbers, fails=True)
            continue
        expected = []
        for number in numbers:
            expected.append(number not in known)
            known.add(number)
        assert writer.record(numbers) == expected
    stored = [seq for _, seq in stored_keys(writers[0].connection)]
    assert len(known) / 2 < len(stored) == len(set(stored))
    assert key_of is COLLIDING or sum(writer.alone for writer in writers) > 20
    for writer in writers:
        assert len(writer.ids._newest) < len(known) / 2
        writer.connection.close()


async def test_two_that_write_at_once_record_each_event_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tidings.db'}"
    publications = make_publications(400)
    async with open_store(url) as one, open_store(url) as other:
        both = [store.record(publications[start : start + 10]) for start in range(0, 400, 10) for store in (one, other)]
        results = [result for answer in await asyncio.gather(*both) for result in answer]
        assert sum(result.recorded is Recorded.NEW for result in results) == 400
        assert sum(result.recorded is Recorded.DUPLICATE for result in results) == 400
        found = [await one.get_event(50750, f"e-{number}") for number in range(400)]
        assert found == [await other.get_event(50750, f"e-{number}") for number in range(400)]
        assert None not in found


async def test_who_waits_for_work_hears_of_what_another_process_records(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tidings.db'}"
    async with open_store(url) as one, open_store(url) as other:
        assert await one.lease(now=T0, until=T0 + 60_000, limit=10) == []
        await one.wait_for_work(timeout=30)  # its own opening is heard of once
        waiting = asyncio.create_task(one.wait_for_work(timeout=30))
        await other.record([make_publication()])
        async with asyncio.timeout(10):
            await waiting
        assert len(await one.lease(now=T0, until=T0 + 60_000, limit=10)) == 1


async def test_nobody_is_woken_while_nobody_writes(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'tidings.db'}") as store:
        await store.wait_for_work(timeout=30)
        began = asyncio.get_running_loop().time()
        await store.wait_for_work(timeout=0.3)
        assert asyncio.get_running_loop().time() - began >= 0.29


async def test_two_that_write_without_pause_take_turns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tidings.db'}"
    async with open_sqlite(str(tmp_path / "tidings.db")) as hog, open_store(url) as other:
        numbers = iter(range(1_000_000))
        done = asyncio.Event()

        async def write() -> None:
            while not done.is_set():
                await hog.record([make_publication(make_event(f"e-{next(numbers)}")) for _ in range(50)])

        async with asyncio.TaskGroup() as writing:
            for _ in range(4):
                writing.create_task(write())
            await other.check()
            before, checks = hog.transactions, 0
            # Now and then one copies its log to the database, which keeps nobody else from writing.
            while checks < 30 or (hog.transactions < before + 10 and checks < 2_000):
                await other.check()
                checks += 1
            passed = hog.transactions - before
            done.set()

    assert 10 <= passed <= checks * 6
