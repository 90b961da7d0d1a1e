"""The chaos run of ``make chaos``, short enough for every day."""

import asyncio
import secrets
from pathlib import Path

import pytest

from chaos_kit import IN_HAND, Account, Arrival
from chaos_sqlite_kit import chaos
from long_kit import at_length
from tidings.gateway.v1.event_service_pb2 import PublishResponse

KILLS = at_length(4, 20)
SIDE_BY_SIDE = 2
"""Gateways with a database, clients and far sides each: while one starts, the other works."""


@pytest.mark.timeout(300)  # 20 kills take 41 seconds beside other work on two cores, and more where there is more of it
async def test_kills_at_random_moments_lose_nothing_and_repeat_only_what_was_in_hand(tmp_path: Path) -> None:
    runs = []
    async with asyncio.TaskGroup() as running:
        for number in range(SIDE_BY_SIDE):
            folder = tmp_path / str(number)
            folder.mkdir()
            run = chaos(folder, kills=KILLS // SIDE_BY_SIDE, seed=secrets.randbelow(2**32))
            runs.append(running.create_task(run, name=f"chaos {number}"))
    accounts = [run.result() for run in runs]
    for account in accounts:
        assert not list(account.faults()), f"seed {account.seed}: {list(account.faults())} ({account})"
    assert sum(account.kills for account in accounts) == KILLS
    assert sum(len(account.acknowledged) for account in accounts) > 25 * KILLS


def arrived(name: str, *, life: int = 0, body: bytes = b"", taken: bool = True) -> Arrival:
    return Arrival(name, body, life, taken)


@pytest.mark.parametrize(
    ("arrivals", "fault"),
    [
        ([arrived("d-1")], ""),
        ([arrived("d-1", taken=False), arrived("d-1")], ""),
        ([arrived("d-1"), arrived("d-1", life=3)], ""),
        ([], "1 acknowledged deliveries never arrived, such as d-1"),
        ([arrived("d-1", taken=False)], "1 acknowledged deliveries never arrived, such as d-1"),
        ([arrived("d-1"), arrived("d-2")], "1 messages belong to no acknowledged event, such as d-2"),
        ([arrived("d-1"), arrived("d-1", life=1, body=b"other")], "a repeat's body differs from the first one's"),
        ([arrived("d-1"), arrived("d-1")], "1 messages were sent again without a crash between, such as d-1"),
    ],
)
def test_the_account_tells_what_must_not_happen(arrivals: list[Arrival], fault: str) -> None:
    account = Account(seed=1, arrivals=arrivals)
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=["d-1"]))
    assert list(account.faults()) == ([fault] if fault else [])


def test_the_account_knows_how_much_one_crash_may_repeat() -> None:
    account = Account(seed=1)
    names = [f"d-{number}" for number in range(IN_HAND + 1)]
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=names))
    account.arrivals = [arrived(names[0]), *(arrived(name, life=life) for life in (2, 4) for name in names[1:])]
    assert list(account.faults()) == []
    account.arrivals = [arrived(name, life=life) for life in (2, 4) for name in names]
    (fault,) = account.faults()
    assert fault == f"one crash repeated {IN_HAND + 1} messages, though at most {IN_HAND} can have been in hand"


def test_the_account_notices_an_event_acknowledged_with_other_deliveries() -> None:
    account = Account(seed=1, arrivals=[arrived("d-1")])
    for names in (["d-1"], ["d-1"], []):
        account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=names))
    assert list(account.faults()) == ["acknowledged with other deliveries the second time: ['e-1']"]
