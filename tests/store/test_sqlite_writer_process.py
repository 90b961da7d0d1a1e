"""A process of its own that writes to SQLite: what becomes of calls, signals, logs and whoever loses it."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from family_kit import writer_process
from store_kit import make_event, make_publication, make_publications, settlement, waiting
from tidings.app.affinity import usable_processors
from tidings.errors import InvalidConfiguration, Overloaded, StoreUnavailable
from tidings.model import (
    Attempt,
    Cause,
    Channel,
    Contact,
    Delivery,
    PlannedDelivery,
    Recipient,
    RecipientKind,
    State,
)
from tidings.store import CallOff, Leased, Publication, Recorded, RecordResult, Settlement, StoredEvent
from tidings.store.moved import MovesSeen
from tidings.store.publications import Publications
from tidings.store.sqlite.calls import Work
from tidings.store.sqlite.codecs import codecs_of
from tidings.store.sqlite.directory import beat
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.leases import LeaseRequest
from tidings.store.sqlite.store import SqliteStore, open_sqlite
from tidings.store.sqlite.wire import Asking, Codec, Frames, frame, heard, pickled, told
from tidings.store.sqlite.writing import Writing


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(str(tmp_path / "tidings.db"), apart=True) as opened:
        yield opened


async def until_it_writes(store: SqliteStore) -> None:
    """Wait until a new process has taken the place of one that ended."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.check()
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def test_another_process_takes_the_place_of_one_that_is_killed(store: SqliteStore) -> None:
    kept, lost, later = make_publications(3)
    await store.record([kept])
    first = writer_process()
    os.kill(first, signal.SIGSTOP)
    under_way = asyncio.create_task(store.record([lost]))
    await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)

    with pytest.raises(StoreUnavailable, match="it is being started again"):
        await under_way
    with pytest.raises(StoreUnavailable, match="it is being started again"):
        await store.check()
    await until_it_writes(store)

    assert writer_process() != first
    assert [each.recorded for each in await store.record([kept, later])] == [Recorded.DUPLICATE, Recorded.NEW]
    assert [each.delivery.id for each in await store.lease(now=later.deliveries[0].due_at, until=1 << 50, limit=9)] == [
        each.deliveries[0].id for each in (kept, later)
    ]


async def test_signals_to_the_whole_group_do_not_end_it(store: SqliteStore) -> None:
    process = writer_process()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(process, number)
    await store.record(make_publications(3))

    assert writer_process() == process


async def test_it_ends_with_its_store(tmp_path: Path) -> None:
    async with open_sqlite(str(tmp_path / "tidings.db"), apart=True):
        process = writer_process()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize("unread", [False, True], ids=["all answers read", "an answer unread"])
async def test_whose_gateway_is_gone_does_what_was_asked_but_leases_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, unread: bool
) -> None:
    path, (first, second) = str(tmp_path / "tidings.db"), make_publications(2)
    async with open_sqlite(path) as store:
        await store.record([first])
    works = [work for work, _ in codecs_of(WRITING)]
    lease: Work = WRITING.leases.lease
    record: Work = WRITING.recorder.record
    wanted = LeaseRequest(now=1 << 49, until=1 << 50, limit=9, weights={})
    asked = [
        (0, works.index(lease), 1, CODECS[lease].ask(wanted)),
        (1, works.index(record), 1, CODECS[record].ask([second])),
    ]
    ours, theirs = socket.socketpair()
    with ours:
        program = [sys.executable, "-P", "-m", "tidings.store.sqlite.writer", str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(program, pass_fds=[theirs.fileno()])  # noqa: ASYNC220 (nothing else runs here)
        ours.sendall(frame((pickled((path, SqliteSettings())),)))
        (ready,) = Frames().feed(ours.recv(1 << 16))
        if unread:
            ours.sendall(frame(Asking(False, [(2, works.index(beat), 1, CODECS[beat].ask(None))], [])))  # noqa: FBT003
            ours.recv(1, socket.MSG_PEEK)
        process.send_signal(signal.SIGSTOP)
        ours.sendall(frame(Asking(False, asked, [])))  # noqa: FBT003 (nobody follows)
    process.send_signal(signal.SIGCONT)

    assert (ready[0], process.wait(30)) == (True, 0)
    assert capfd.readouterr().err == ""
    async with open_sqlite(path) as store:
        assert await store.get_event(50750, second.event.event_id) == second.event
        assert await store.get_delivery(first.deliveries[0].id) == (waiting(first), ())


async def test_what_is_given_up_before_it_began_is_left_undone(store: SqliteStore) -> None:
    first, second = make_publications(2)
    process = writer_process()
    os.kill(process, signal.SIGSTOP)
    given_up, awaited = asyncio.create_task(store.record([first])), asyncio.create_task(store.record([second]))
    await asyncio.sleep(0.02)  # both are on their way
    given_up.cancel()
    await asyncio.sleep(0.02)
    os.kill(process, signal.SIGCONT)
    await awaited

    assert [await store.get_event(50750, each.event.event_id) for each in (first, second)] == [None, second.event]
    assert given_up.cancelled()


async def test_what_cannot_travel_harms_nobody_else(store: SqliteStore) -> None:
    good, bad = make_publications(2)
    odd = bad._replace(event=bad.event._replace(name=object()))  # type: ignore[arg-type]  # a fault of ours

    answers = await asyncio.gather(store.record([odd]), store.record([good]), return_exceptions=True)

    assert isinstance(answers[0], ValueError)
    assert answers[1] == [RecordResult(Recorded.NEW, good.event.matched_rules, (good.deliveries[0].id,))]


async def test_a_fault_of_the_work_tells_where_it_was(store: SqliteStore) -> None:
    (publication,) = make_publications(1)
    odd = publication._replace(event=publication.event._replace(event_id=None))  # type: ignore[arg-type]  # likewise
    with pytest.raises(sqlite3.IntegrityError) as caught:
        await store.record([odd])

    assert any("recording.py" in each for each in caught.value.__notes__)


async def test_what_keeps_it_from_opening_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="there is no folder"):
        async with open_sqlite(str(tmp_path / "missing" / "tidings.db"), apart=True):
            pass


async def test_a_machine_that_lets_no_process_start_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "missing"))
    with pytest.raises(StoreUnavailable, match="cannot be started: No such file"):
        async with open_sqlite(str(tmp_path / "tidings.db"), apart=True):
            pass


async def test_who_follows_hears_of_moves(store: SqliteStore) -> None:
    (publication,) = make_publications(1)
    async with store.changes() as changes:
        await store.record([publication])
        (leased,) = await store.lease(now=1 << 49, until=1 << 50, limit=1)
        await store.settle([settlement(leased, Cause.ACCEPTED)])
        moved = [await anext(changes), await anext(changes)]

    assert [(each.delivery_id, each.state) for each in moved] == [
        (leased.delivery.id, State.SENDING),
        (leased.delivery.id, State.DELIVERED),
    ]


async def test_two_processes_on_one_file_see_what_the_other_recorded(tmp_path: Path) -> None:
    path, (one, two) = str(tmp_path / "tidings.db"), make_publications(2)
    async with open_sqlite(path, apart=True) as left, open_sqlite(path) as right:
        await left.record([one])
        assert [each.recorded for each in await right.record([one, two])] == [Recorded.DUPLICATE, Recorded.NEW]
        assert await left.get_event(50750, two.event.event_id) == two.event
        assert await left.get_delivery(two.deliveries[0].id) == (waiting(two), ())


def test_a_gateway_counts_the_processors_that_it_may_use() -> None:
    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        assert len(usable_processors()) == 1
    finally:
        os.sched_setaffinity(0, usable)
    assert usable_processors() == usable


# What travels

texts = st.text(st.characters(), max_size=8)
numbers = st.integers(-(1 << 62), 1 << 62)
recipients = st.builds(Recipient, st.sampled_from(RecipientKind), texts)
planned = st.builds(
    PlannedDelivery,
    texts,
    texts,
    numbers,
    st.sampled_from(Channel),
    recipients,
    numbers,
    st.none() | texts,
    st.none() | numbers,
    st.none() | texts,
    st.booleans(),
    st.none() | texts,
)
stored = st.builds(
    StoredEvent,
    numbers,
    texts,
    texts,
    numbers,
    texts,
    st.binary(max_size=8),
    st.binary(min_size=1, max_size=8),  # a digest is never empty
    st.none() | texts,
    st.lists(texts, max_size=2).map(tuple),
    texts,
)
call_offs = st.builds(CallOff, rule_id=texts, customer_id=texts, reason=texts)
contacts = st.builds(Contact, org_id=numbers, customer_id=texts, attributes=st.dictionaries(texts, texts, max_size=2))
publications = st.builds(
    Publication,
    stored,
    st.lists(planned, max_size=2).map(tuple),
    st.lists(call_offs, max_size=1).map(tuple),
    st.none() | contacts,
    st.none() | st.tuples(texts, texts),
)
attempts = st.builds(Attempt, numbers, numbers, numbers, st.sampled_from(Cause), numbers, texts)
settlements = st.builds(
    Settlement, texts, numbers, st.sampled_from(Cause), numbers, texts, st.none() | numbers, st.none() | attempts
)
deliveries = st.builds(
    Delivery,
    texts,
    numbers,
    texts,
    texts,
    texts,
    numbers,
    texts,
    st.sampled_from(Channel),
    recipients,
    st.none() | texts,
    st.sampled_from(State),
    texts,
    numbers,
    numbers,
    st.none() | numbers,
    numbers,
    st.none() | numbers,
)
leases = st.builds(Leased, deliveries, numbers, st.binary(max_size=8), texts)
results = st.builds(
    RecordResult,
    st.sampled_from(Recorded),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
)


class _Nobody:
    followed = False


WRITING = Writing(MovesSeen(_Nobody(), lambda _work, _changes: None))
CODECS: dict[Work, Codec] = dict(codecs_of(WRITING))


@given(st.lists(publications, max_size=4), st.data())
def test_what_is_recorded_travels_as_it_is(asked: list[Publication], data: st.DataObject) -> None:
    codec = CODECS[WRITING.recorder.record]
    answers = data.draw(
        st.lists(results | st.just(RecordResult(Recorded.NEW)), min_size=len(asked), max_size=len(asked))
    )

    arrived = list(codec.hear(codec.ask(asked)))

    assert arrived == asked
    assert [_types(each) for each in arrived] == [_types(each) for each in asked]
    assert codec.read(codec.answer(answers), asked) == answers


@given(st.lists(st.tuples(st.lists(publications, max_size=3), st.booleans()), min_size=1, max_size=4))
def test_publications_of_several_calls_are_all_of_them_in_order(calls: list[tuple[list[Publication], bool]]) -> None:
    requests = [Publications.of(asked) if apart else asked for asked, apart in calls]
    whole = [each for asked, _ in calls for each in asked]

    joined = Publications.joined(requests)

    assert list(joined) == whole
    assert [_types(each) for each in joined] == [_types(each) for each in whole]
    assert list(joined[1:]) == whole[1:]
    assert joined[-1:] == whole[-1:]


@given(st.lists(leases, max_size=4))
def test_what_is_leased_travels_as_it_is(leased: list[Leased]) -> None:
    codec = CODECS[WRITING.leases.lease]
    arrived = codec.read(codec.answer(leased), None)

    assert arrived == leased
    assert [_types(each) for each in arrived] == [_types(each) for each in leased]


@given(st.lists(settlements, max_size=4))
def test_what_is_settled_travels_as_it_is(asked: list[Settlement]) -> None:
    codec = CODECS[WRITING.leases.settle]
    arrived = codec.hear(codec.ask(asked))

    assert arrived == asked
    assert [_types(each) for each in arrived] == [_types(each) for each in asked]
    assert codec.read(codec.answer([True, False]), asked) == [True, False]


def _types(value: object) -> object:
    """Return the types of a value and of all in it: tuples of different kinds are equal, and so are texts and names."""
    within = [_types(each) for each in value] if isinstance(value, tuple) else []
    return type(value), within


def test_an_error_that_cannot_travel_is_told_by_its_kind() -> None:
    arrived = heard(told(ValueError(lambda: None)))

    assert (type(arrived), str(arrived)) == (RuntimeError, "ValueError while writing")


@given(st.lists(st.tuples(numbers, st.binary(max_size=40)), max_size=5), st.integers(1, 7))
def test_frames_are_put_together_from_any_pieces(values: list[tuple[int, bytes]], size: int) -> None:
    sent = b"".join(frame(each) for each in values)
    frames = Frames()
    found = [each for start in range(0, len(sent), size) for each in frames.feed(sent[start : start + size])]

    assert found == values


def test_every_work_is_named_once() -> None:
    works = [work for work, _ in codecs_of(WRITING)]
    assert len(set(works)) == len(works)


async def test_a_process_that_is_slow_to_write_turns_callers_away(tmp_path: Path) -> None:
    settings = SqliteSettings(longest_wait=0.05)
    async with open_sqlite(str(tmp_path / "tidings.db"), settings, apart=True) as store:
        with closing(sqlite3.connect(tmp_path / "tidings.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            first = asyncio.create_task(store.record([make_publication(make_event("first"))]))
            await asyncio.sleep(0.1)
            with pytest.raises(Overloaded, match="the database is slow"):
                await store.record([make_publication(make_event("second"))])
            other.execute("ROLLBACK")
        await first
