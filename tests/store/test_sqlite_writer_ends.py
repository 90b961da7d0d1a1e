"""A process that writes to SQLite and has ended, or will not: when another is started, and how a store leaves it."""

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatch_kit import until
from family_kit import family, writer_process
from store_kit import make_publications
from tidings.errors import StoreUnavailable
from tidings.store import Recorded
from tidings.store.sqlite import process
from tidings.store.sqlite.migrate import MIGRATIONS
from tidings.store.sqlite.store import SqliteStore, open_sqlite
from tidings.telemetry import events

_PAUSES = (0.0, 0.011, 0.013)


async def writes(store: SqliteStore) -> bool:
    try:
        await store.check()
    except StoreUnavailable:
        return False
    return True


def pauses_made(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list of the delays that the loop is asked for, those of ``_PAUSES`` alone."""
    loop, made = asyncio.get_running_loop(), []
    call_later = loop.call_later

    def noted(delay: float, *args: Any, **named: Any) -> asyncio.TimerHandle:
        if delay in _PAUSES:
            made.append(delay)
        return call_later(delay, *args, **named)

    monkeypatch.setattr(loop, "call_later", noted)
    return made


async def test_one_that_cannot_open_its_file_is_started_again_after_longer_and_longer_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_PAUSES", _PAUSES)
    folder, (kept, later) = tmp_path / "store", make_publications(2)
    folder.mkdir()
    async with open_sqlite(str(folder / "tidings.db"), apart=True) as store:
        await store.record([kept])
        made = pauses_made(monkeypatch)
        with capture_logs() as heard:
            folder.rename(tmp_path / "away")
            os.kill(writer_process(), signal.SIGKILL)
            await until(lambda: len(heard) >= 5)
            refused = not await writes(store)
            (tmp_path / "away").rename(folder)
            await until(lambda: writes(store))

        assert refused
        assert made[:4] == [0.0, 0.011, 0.013, 0.013]
        assert len(made) == len(
            heard
        )  # before each start; the first of those heard is the end, and the last start is silent
        assert [(each["event"], each["log_level"]) for each in heard] == [
            (events.STORE_WRITER_ENDED, "error"),
            *[(events.STORE_UNAVAILABLE, "warning")] * (len(heard) - 1),
        ]
        assert heard[0]["exit_code"] == -signal.SIGKILL
        assert [each.recorded for each in await store.record([kept, later])] == [Recorded.DUPLICATE, Recorded.NEW]


async def test_one_that_fails_for_no_known_reason_is_started_again_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_PAUSES", _PAUSES)
    folder = tmp_path / "store"
    folder.mkdir()
    async with open_sqlite(str(folder / "tidings.db"), apart=True) as store:
        folder.rename(tmp_path / "away")
        folder.mkdir()
        with closing(sqlite3.connect(folder / "tidings.db")) as tableless:
            tableless.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        with capture_logs() as heard:
            os.kill(writer_process(), signal.SIGKILL)
            await until(lambda: len(heard) >= 3)
            folder.rename(tmp_path / "tableless")
            (tmp_path / "away").rename(folder)
            await until(lambda: writes(store))

    assert "no such table" in heard[1]["error"]


async def test_a_store_that_is_left_between_two_starts_waits_for_no_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_PAUSES", (0.0, 3_600.0))
    folder = tmp_path / "store"
    folder.mkdir()
    async with asyncio.timeout(30):
        async with open_sqlite(str(folder / "tidings.db"), apart=True):
            with capture_logs() as heard:
                folder.rename(tmp_path / "away")
                os.kill(writer_process(), signal.SIGKILL)
                await until(lambda: len(heard) >= 2)


async def test_a_store_that_is_left_while_another_starts_leaves_none_behind(tmp_path: Path) -> None:
    async with open_sqlite(str(tmp_path / "tidings.db"), apart=True) as store:
        first = writer_process()
        os.kill(first, signal.SIGKILL)
        await until(lambda: any(each != first for each in family(os.getpid())[1:]))
        assert not await writes(store)

    with pytest.raises(ValueError, match="not enough values"):
        writer_process()


async def test_what_the_next_one_has_under_way_is_answered_when_the_store_is_left(tmp_path: Path) -> None:
    (publication,) = make_publications(1)
    async with open_sqlite(str(tmp_path / "tidings.db"), apart=True) as store:
        os.kill(writer_process(), signal.SIGKILL)
        await until(lambda: writes(store))
        second = writer_process()
        os.kill(second, signal.SIGSTOP)
        under_way = asyncio.create_task(store.record([publication]))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, os.kill, second, signal.SIGCONT)

    async with asyncio.timeout(30):
        assert [each.recorded for each in await under_way] == [Recorded.NEW]


async def test_one_that_ends_while_the_store_is_left_is_seen_out(tmp_path: Path) -> None:
    (publication,) = make_publications(1)
    with capture_logs() as heard:
        async with open_sqlite(str(tmp_path / "tidings.db"), apart=True) as store:
            ended = writer_process()
            os.kill(ended, signal.SIGSTOP)
            under_way = asyncio.create_task(store.record([publication]))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, os.kill, ended, signal.SIGKILL)

    assert [(each["event"], each["exit_code"]) for each in heard] == [(events.STORE_WRITER_ENDED, -signal.SIGKILL)]
    with pytest.raises(ProcessLookupError):
        os.kill(ended, 0)
    with pytest.raises(StoreUnavailable):
        await under_way


async def test_one_that_does_not_end_is_killed_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_STOP_SECONDS", 0.05)
    with capture_logs() as heard:
        async with open_sqlite(str(tmp_path / "tidings.db"), apart=True):
            hanging = writer_process()
            os.kill(hanging, signal.SIGSTOP)

    assert [(each["event"], each["exit_code"]) for each in heard] == [(events.STORE_WRITER_ENDED, -signal.SIGKILL)]
    with pytest.raises(ProcessLookupError):
        os.kill(hanging, 0)
