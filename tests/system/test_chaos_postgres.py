"""Three gateways on one PostgreSQL, as ``make chaos STORE=postgres`` runs them, short enough for every day."""

import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos_kit import IN_HAND, Arrival
from chaos_postgres_kit import Move, SharedAccount, chaos_of_replicas
from long_kit import at_length
from postgres_kit import needs_postgres
from tidings.gateway.v1.event_service_pb2 import PublishResponse

BLOWS = at_length(3, 9)
"""A third of each kind."""


@pytest.mark.long
@needs_postgres
@pytest.mark.timeout(300)
async def test_kills_pauses_and_crashes_of_the_database_lose_nothing(tmp_path: Path) -> None:
    account = await chaos_of_replicas(tmp_path, kills=BLOWS, seed=secrets.randbelow(2**32))
    assert not list(account.faults()), f"seed {account.seed}: {list(account.faults())} ({account})"
    assert account.kills == BLOWS
    assert len(account.kept) > 20 * BLOWS


FIRST, SECOND = "d-1", "d-2"


def taken(delivery: str, holder: str = "all-1", *, was: str = "waiting") -> Move:
    return Move(delivery, holder, was, "sending", taken=True)


def settled(delivery: str, holder: str = "all-1", became: str = "delivered") -> Move:
    return Move(delivery, holder, "sending", became)


LAPSED = (taken(FIRST), taken(FIRST, "dispatch-1", was="sending"), settled(FIRST, "dispatch-1"))


@pytest.mark.parametrize(
    ("moves", "arrivals", "fault"),
    [
        ([taken(FIRST), settled(FIRST)], [FIRST], ""),
        ([taken(FIRST), settled(FIRST, became="waiting"), taken(FIRST), settled(FIRST)], [FIRST], ""),
        (
            [taken(FIRST), settled(FIRST)],
            [FIRST] * 2,
            "1 messages were sent again although no lease had lapsed, as d-1",
        ),
        (LAPSED, [FIRST] * 2, ""),
        (LAPSED, [FIRST] * 3, "1 messages were sent again although no lease had lapsed, as d-1"),
        (
            [*LAPSED[:2], settled(FIRST, "all-1")],
            [FIRST],
            "1 deliveries were settled by others than who held them, as d-1 by all-1",
        ),
        (
            [taken(FIRST), settled(FIRST, became="lost")],
            [FIRST],
            "moves unknown to the table of states: sending to lost",
        ),
    ],
)
def test_the_books_tell_what_must_not_happen(moves: Sequence[Move], arrivals: Sequence[str], fault: str) -> None:
    account = SharedAccount(1, moves=moves, kept=frozenset({FIRST}), blows=Counter({"all-1": 1}))
    account.arrivals = [Arrival(each, b"", 0, taken=True) for each in arrivals]
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=[FIRST]))
    assert list(account.faults()) == ([fault] if fault else [])


def test_a_message_whose_answer_came_too_late_may_be_sent_again() -> None:
    moves = [taken(FIRST), settled(FIRST, became="waiting"), taken(FIRST), settled(FIRST)]
    account = SharedAccount(1, moves=moves, kept=frozenset({FIRST}))
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=[FIRST]))
    account.arrivals = [Arrival(FIRST, b"", 0, taken=True)] * 2
    assert list(account.faults()) == ["1 messages were sent again although no lease had lapsed, as d-1"]
    account.unanswered[FIRST] = 1
    assert list(account.faults()) == []


def test_the_books_know_how_many_leases_a_blow_may_let_lapse() -> None:
    names = [f"d-{number:02}" for number in range(IN_HAND + 1)]
    moves = [move for name in names for move in (taken(name), taken(name, "all-2", was="sending"))]
    account = SharedAccount(1, moves=moves, kept=frozenset(names), blows=Counter({"all-1": 1}))
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=names))
    account.arrivals = [Arrival(name, b"", 0, taken=True) for name in names]
    (fault,) = account.faults()
    assert fault == f"{IN_HAND + 1} leases of all-1 lapsed, though 1 blows found at most {IN_HAND} in hand each"
    account.blows["all-1"] += 1
    assert list(account.faults()) == []


@pytest.mark.parametrize(
    ("moves", "arrivals", "fault"),
    [
        ([taken(FIRST), settled(FIRST), taken(SECOND), settled(SECOND)], [FIRST, SECOND], ""),
        (
            [taken(FIRST), taken(SECOND), settled(FIRST), settled(SECOND)],
            [FIRST, SECOND],
            "d-2 was taken in hand before d-1 had ended",
        ),
        ([taken(FIRST), settled(FIRST), taken(SECOND), settled(SECOND)], [SECOND, FIRST], "d-2 arrived before d-1"),
    ],
)
def test_the_books_know_the_order(moves: Sequence[Move], arrivals: Sequence[str], fault: str) -> None:
    account = SharedAccount(1, moves=moves, lanes=[[FIRST, SECOND]], kept=frozenset({FIRST, SECOND}))
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=[FIRST, SECOND]))
    account.arrivals = [Arrival(each, b"", 0, taken=True) for each in arrivals]
    assert list(account.faults()) == ([fault] if fault else [])


def test_what_the_database_keeps_is_what_was_acknowledged_and_contradicts_itself_nowhere() -> None:
    account = SharedAccount(1, kept=frozenset({FIRST, SECOND}), miscounted=[SECOND])
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=[FIRST]))
    account.arrivals = [Arrival(FIRST, b"", 0, taken=True)]
    assert list(account.faults()) == [
        "1 deliveries are stored or acknowledged, not both, such as d-2",
        "the database contradicts itself about 1, such as d-2",
    ]
