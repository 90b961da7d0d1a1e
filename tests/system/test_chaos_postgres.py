"""Three gateways on one PostgreSQL, as ``make chaos STORE=postgres`` runs them, short enough for every day."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from chaos_books_kit import SharedAccount
from chaos_kit import IN_HAND, Arrival
from chaos_postgres_kit import chaos_of_replicas
from chaos_repeats_kit import FAR_SIDES, Blow, Move, Records, Unanswered
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


def taken(delivery: str, holder: str = "all-1", *, was: str = "waiting", at: float = 0.0) -> Move:
    return Move(delivery, holder, was, "sending", taken=True, at=at)


def settled(delivery: str, holder: str = "all-1", became: str = "delivered", *, at: float = 9.0) -> Move:
    return Move(delivery, holder, "sending", became, at=at, attempt=1)


def account_of(records: Records, arrivals: Sequence[tuple[str, float]], *kept: str) -> SharedAccount:
    """Return the account of an event that called for ``kept``, which arrived at such times."""
    account = SharedAccount(1, records=records, kept=frozenset(kept))
    account.arrivals = [Arrival(name, b"", 0, taken=True, at=at) for name, at in arrivals]
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=kept))
    return account


NO_REASON = "1 messages were taken again, or never, for no reason on record, as d-1: "
LAPSED = (taken(FIRST), taken(FIRST, "dispatch-1", was="sending", at=5.0), settled(FIRST, "dispatch-1"))
PAUSE = Blow("all-1", "pause", 1.0, 7.0)


@pytest.mark.parametrize(
    ("moves", "arrivals", "fault"),
    [
        ([taken(FIRST), settled(FIRST)], [1], ""),
        ([taken(FIRST), settled(FIRST, became="held", at=2), taken(FIRST, at=3, was="held"), settled(FIRST)], [4], ""),
        (
            [taken(FIRST), settled(FIRST, became="held", at=2), taken(FIRST, at=3, was="held"), settled(FIRST)],
            [1, 4],
            (
                f"{NO_REASON}0.000 all-1 waiting→sending (taken), 1.000 ARRIVED, 2.000 all-1 sending→held (tried), "
                "3.000 all-1 held→sending (taken), 4.000 ARRIVED, 9.000 all-1 sending→delivered (tried)"
            ),
        ),
        (
            [taken(FIRST), settled(FIRST)],
            [1, 1],
            (
                f"{NO_REASON}0.000 all-1 waiting→sending (taken), 1.000 ARRIVED, 1.000 ARRIVED, "
                "9.000 all-1 sending→delivered (tried)"
            ),
        ),
        (LAPSED, [1, 6], ""),
        (LAPSED, [6, 8], ""),
        (LAPSED, [6, 99], ""),
        (
            LAPSED,
            [1, 3],
            (
                f"{NO_REASON}0.000 all-1 waiting→sending (taken), 1.000 ARRIVED, 3.000 ARRIVED, "
                "5.000 dispatch-1 sending→sending (taken), 9.000 dispatch-1 sending→delivered (tried)"
            ),
        ),
        (
            LAPSED,
            [1, 6, 99],
            (
                f"{NO_REASON}0.000 all-1 waiting→sending (taken), 1.000 ARRIVED, "
                "5.000 dispatch-1 sending→sending (taken), 6.000 ARRIVED, 9.000 dispatch-1 sending→delivered (tried), "
                "99.000 ARRIVED"
            ),
        ),
        (
            [*LAPSED[:2], settled(FIRST, "all-1")],
            [6],
            "1 deliveries were settled by others than who held them, as d-1 by all-1",
        ),
        (
            [taken(FIRST), settled(FIRST, became="lost", at=2), taken(FIRST, at=3), settled(FIRST)],
            [6],
            "moves unknown to the table of states: sending to lost",
        ),
    ],
)
def test_the_books_tell_what_must_not_happen(moves: Sequence[Move], arrivals: Sequence[float], fault: str) -> None:
    account = account_of(Records(moves=moves, blows=[PAUSE]), [(FIRST, at) for at in arrivals], FIRST)
    assert list(account.faults()) == ([fault] if fault else [])


STOOD_STILL = Blow(FAR_SIDES, "stall", 2.0, 5.0)


@pytest.mark.parametrize(
    ("seconds", "blows", "causes"),
    [
        (6.5, [PAUSE], {"by answers that came too late (pause)": 1}),
        (4.1, [STOOD_STILL], {"by answers that came too late (stall)": 1}),
        (3.9, [PAUSE], {}),
        (6.5, [Blow("all-1", "crash", 1.0, 7.0)], {}),
        (6.5, [Blow("dispatch-1", "pause", 1.0, 7.0)], {}),
        (6.5, [Blow("all-1", "pause", 7.5, 8.0)], {}),
        (6.5, [], {}),
    ],
)
def test_a_message_whose_answer_came_too_late_may_be_sent_again(
    seconds: float, blows: Sequence[Blow], causes: Mapping[str, int]
) -> None:
    """For as long as a gateway waits, and where somebody is known to have stood still."""
    moves = [taken(FIRST), settled(FIRST, became="waiting", at=7), taken(FIRST, at=8), settled(FIRST)]
    records = Records(moves=moves, unanswered={(FIRST, 1): Unanswered(0.5, seconds)}, blows=blows)
    account = account_of(records, [(FIRST, 1), (FIRST, 8.5)], FIRST)
    found, strange = records.repeats(account.arrivals)
    assert (found, len(strange)) == (causes, 0 if causes else 1)
    assert len(list(account.faults())) == len(strange)


def test_what_is_said_to_be_delivered_has_arrived() -> None:
    account = account_of(Records(moves=[taken(FIRST), settled(FIRST)]), [(FIRST, 9.5)], FIRST)
    assert [each.partition(":")[0] for each in account.faults()] == [NO_REASON.partition(":")[0]]


def test_the_books_know_how_many_leases_a_blow_may_let_lapse() -> None:
    names = [f"d-{number:02}" for number in range(IN_HAND + 1)]
    moves = [move for name in names for move in (taken(name), taken(name, "all-2", was="sending", at=5.0))]
    for blows, fault in (
        ([PAUSE], f"{IN_HAND + 1} leases of all-1 lapsed, though 1 blows found at most {IN_HAND} in hand each"),
        ([PAUSE, PAUSE], ""),
    ):
        account = account_of(Records(moves=moves, blows=blows), [(name, 6) for name in names], *names)
        assert list(account.faults()) == ([fault] if fault else [])


def test_a_lease_lapses_only_where_something_was_done_to_its_holder() -> None:
    lapsed = Records(moves=LAPSED, blows=[Blow("all-1", "kill", 4.0, 4.5), Blow("dispatch-1", "crash", 1.0, 2.0)])
    assert list(account_of(lapsed, [(FIRST, 6)], FIRST).faults()) == []
    hale = Records(moves=LAPSED, blows=lapsed.blows[1:])
    assert list(account_of(hale, [(FIRST, 6)], FIRST).faults()) == [
        "1 leases lapsed though nothing had been done to their holders, as d-1, held by all-1 for 5.0 s"
    ]


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
    account = account_of(Records(moves=moves), [(each, 1) for each in arrivals], FIRST, SECOND)
    account.lanes = [[FIRST, SECOND]]
    assert list(account.faults()) == ([fault] if fault else [])


def test_what_the_database_keeps_is_what_was_acknowledged_and_contradicts_itself_nowhere() -> None:
    account = SharedAccount(1, kept=frozenset({FIRST, SECOND}), miscounted=[SECOND])
    account.acknowledge(PublishResponse(event_id="e-1", delivery_ids=[FIRST]))
    account.records = Records(moves=[taken(FIRST), settled(FIRST)])
    account.arrivals = [Arrival(FIRST, b"", 0, taken=True)]
    assert list(account.faults()) == [
        "1 deliveries are stored or acknowledged, not both, such as d-2",
        "the database contradicts itself about 1, such as d-2",
    ]
