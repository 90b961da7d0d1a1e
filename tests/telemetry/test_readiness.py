"""``/readyz`` tells the truth, each question by itself; the backlog is counted seldom enough."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from gateway_kit import CRM_SECRET, RunningGateway, eventually, open_test_gateway, running_gateway, write_config
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from store_kit import T0, make_publications
from tidings.errors import StoreUnavailable
from tidings.events import convert_one, sample
from tidings.gateway.v1.rule_service_pb2 import ReloadRulesRequest
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub
from tidings.intake.refusals import Refusals
from tidings.model import State
from tidings.store import Store, open_store
from tidings.web.counting import OLDEST_SECONDS, BacklogCount
from tidings.web.readiness import Check, DispatchStanding, Readiness, RulebookStanding, Status, worst

LIVE = RulebookStanding(revision="rev-1", last_reload_at=T0, errors=0)
WELL = DispatchStanding(ended=False, idle_seconds=0.5)


async def readyz(gateway: RunningGateway) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        http.get("/readyz") as response,
    ):
        return response.status, await response.json()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store("sqlite://") as opened:
        yield opened


def asking(
    store: Store,
    *,
    now: int = T0,
    rulebook: RulebookStanding = LIVE,
    dispatch: DispatchStanding | None = WELL,
    refused: Callable[[], str | None] = lambda: None,
) -> Readiness:
    return Readiness(
        store=store,
        refused=refused,
        rulebook=lambda: rulebook,
        dispatch=lambda: dispatch,
        clock=lambda: now,
        longest_overdue=300,
    )


async def test_a_gateway_that_is_well_says_so_of_each_part(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="https://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        status, told = await readyz(gateway)
    assert (status, told["ready"], told["status"]) == (200, True, "ok")
    assert list(told["checks"]) == ["serving", "store", "rulebook", "backlog", "dispatch"]
    assert {each["status"] for each in told["checks"].values()} == {"ok"}
    assert told["checks"]["backlog"] == {"status": "ok", "oldest_due_seconds": 0.0, "limit_seconds": 300.0}


async def test_a_refused_reload_is_degraded_and_still_ready_until_it_is_mended(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="https://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules), reload={"every": 0})) as gateway:
        (rules / "broken.yaml").write_text("version: 1\nrules: [{id: broken}]\n")
        await RuleServiceStub(gateway.channel).ReloadRules(ReloadRulesRequest())
        status, told = await readyz(gateway)
        assert (status, told["ready"], told["status"]) == (200, True, "degraded")
        assert told["checks"]["rulebook"]["status"] == "degraded"
        assert "an older rulebook stays live" in told["checks"]["rulebook"]["detail"]
        (rules / "broken.yaml").unlink()
        await RuleServiceStub(gateway.channel).ReloadRules(ReloadRulesRequest())
        assert (await readyz(gateway))[1]["status"] == "ok"


async def test_a_locked_database_is_not_ready(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="https://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        with closing(sqlite3.connect(tmp_path / "tidings.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            status, told = await readyz(gateway)
            other.execute("ROLLBACK")
        assert (status, told["ready"], told["status"], told["checks"]["store"]["status"]) == (
            503,
            False,
            "failed",
            "failed",
        )

        async def well() -> bool:
            return (await readyz(gateway))[0] == 200

        assert await eventually(well)


async def test_a_store_that_answers_and_refuses_events_is_told_of_for_a_while_and_logged_now_and_then(
    store: Store,
) -> None:
    now = [0.0]
    refusals = Refusals(monotonic=lambda: now[0])
    readiness = asking(store, refused=refusals.of_late)
    assert (await readiness.checks())["store"] == Check(status=Status.OK)
    with capture_logs() as lines:
        for at, said, count in (
            (0.0, "it is stopping", 1),
            (1.0, "its disk is full", 1),
            (9.9, "it is stopping", 3),
            (10.0, "its disk is full", 4),
            (11.0, "its disk is full", 5),
        ):
            now[0] = at
            refusals.note(StoreUnavailable(said), count)
    assert [(each["event"], each["error"], each["refused"]) for each in lines] == [
        ("store.unavailable", "it is stopping", 1),
        ("store.unavailable", "its disk is full", 1),
        ("store.unavailable", "its disk is full", 12),
    ]
    now[0] = 20.9
    assert (await readiness.checks())["store"] == Check(
        status=Status.DEGRADED, detail="events were refused within the last seconds: its disk is full"
    )
    now[0] = 21.0
    assert (await readiness.checks())["store"] == Check(status=Status.OK)


async def test_a_backlog_that_is_too_old_is_reported(tmp_path: Path) -> None:
    async with http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        sink.default = replace(sink.default, fault="hang")
        http = {"listen": "127.0.0.1:0", "longest_overdue": "1s"}
        config = write_config(tmp_path, rules=str(rules), http=http)
        async with running_gateway(config) as gateway:
            await gateway.publish(convert_one(sample("pointsIssued")).event)
            await gateway.kill()
        with closing(sqlite3.connect(tmp_path / "tidings.db")) as database, database:
            database.execute("UPDATE delivery SET wake_at = wake_at - 600000, due_at = due_at - 600000")
            overdue = database.execute("SELECT wake_at FROM delivery").fetchone()[0]
    async with open_store(f"sqlite:///{tmp_path}/tidings.db") as store:
        checks = await asking(store, now=overdue + 301_000).checks()
    assert (checks["backlog"].status, dict(checks["backlog"].facts)["oldest_due_seconds"]) == (Status.DEGRADED, 301.0)
    assert worst(checks) is Status.DEGRADED


@pytest.mark.parametrize(
    ("dispatch", "expected"),
    [
        (WELL, Status.OK),
        (DispatchStanding(ended=False, idle_seconds=61), Status.DEGRADED),
        (DispatchStanding(ended=True, idle_seconds=0), Status.FAILED),
    ],
)
async def test_dispatch_that_does_not_work_is_told(store: Store, dispatch: DispatchStanding, expected: Status) -> None:
    assert (await asking(store, dispatch=dispatch).checks())["dispatch"].status is expected


async def test_a_process_that_does_not_dispatch_is_not_asked_for_it(store: Store) -> None:
    checks = await asking(store, dispatch=None).checks()
    assert (list(checks), worst(checks)) == (["store", "rulebook", "backlog"], Status.OK)


class Stopwatch:
    """Says what it is told to, one reading after the other, and then the last for ever."""

    def __init__(self, *readings: float) -> None:
        self.now = 0.0
        self.readings: Iterator[float] = iter(readings)

    def __call__(self) -> float:
        self.now = next(self.readings, self.now)
        return self.now

    def give(self, *readings: float) -> None:
        self.readings = iter(readings)


async def waiting(count: BacklogCount) -> int | None:
    counts = await count.get()
    return None if counts is None else counts[State.WAITING]


async def test_a_long_count_is_repeated_seldom_and_aside_and_never_shown_for_long(store: Store) -> None:
    stopwatch = Stopwatch(0.0, 0.5)
    count = BacklogCount(store, stopwatch=stopwatch)
    await store.record(make_publications(3))
    assert await waiting(count) == 3
    await store.record(make_publications(5))
    stopwatch.give(10.4)
    assert await waiting(count) == 3  # twenty times half a second have not passed
    stopwatch.give(10.5, 10.5, 10.5, 10.5, 11.0)
    assert await waiting(count) == 3  # counted again, but aside
    for _ in range(200):
        await asyncio.sleep(0.005)
        if (await waiting(count)) == 5:
            break
    assert await waiting(count) == 5
    await store.record(make_publications(7))
    stopwatch.give(stopwatch.now + OLDEST_SECONDS)
    assert await waiting(count) == 7  # what is too old is not shown
    await count.close()


async def test_a_short_count_is_always_of_now(store: Store) -> None:
    count = BacklogCount(store, stopwatch=Stopwatch())
    for number in (1, 2, 3):
        await store.record(make_publications(number))
        assert await waiting(count) == number


async def test_what_cannot_be_counted_is_not_made_up(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/tidings.db") as store:
        pass
    count = BacklogCount(store)
    assert await count.get() is None
