"""The books that a database keeps of its gateways' work, and the account that is made of them.

A trigger notes who took each delivery and who moved it on, and when.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import asyncpg

from chaos_kit import IN_HAND, Account, everybody
from chaos_repeats_kit import Blow, Move, Records, Unanswered
from postgres_kit import Cluster
from tidings.model import MOVES, State
from tidings.store import open_store

_BOOKS: Final = """
CREATE TABLE move (
    number bigserial PRIMARY KEY, delivery text NOT NULL, holder text NOT NULL,
    was text NOT NULL, became text NOT NULL, taken boolean NOT NULL,
    at double precision NOT NULL, attempt bigint NOT NULL
);
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO move (delivery, holder, was, became, taken, at, attempt)
    VALUES (
        NEW.id, current_setting('application_name'), OLD.state, NEW.state, NEW.fence > OLD.fence,
        extract(epoch FROM clock_timestamp()), CASE WHEN NEW.attempts > OLD.attempts THEN NEW.attempts ELSE 0 END
    );
    RETURN NULL;
END$$;
CREATE TRIGGER note_move AFTER UPDATE ON delivery FOR EACH ROW
WHEN (OLD.state <> NEW.state OR OLD.fence <> NEW.fence) EXECUTE FUNCTION note_move();
"""
_LANES: Final = """
SELECT array_agg(id ORDER BY seq) AS ids FROM delivery WHERE lane IS NOT NULL GROUP BY org_id, lane
"""
_MISCOUNTED: Final = """
SELECT id FROM delivery WHERE attempts <> (SELECT count(*) FROM attempt WHERE delivery_seq = seq)
    OR (state = 'delivered') <> (settled_at IS NOT NULL)
    OR coalesce(wake_at, parked_at) IS NOT NULL
"""


_UNANSWERED: Final = """
SELECT id, number, started_at / 1000.0::float AS since, duration_ms / 1000.0::float AS seconds
FROM attempt JOIN delivery ON delivery.seq = attempt.delivery_seq
WHERE status_code = 0 AND (detail = 'no answer in time' OR detail LIKE 'relay: DATA: no answer within %')
"""


@dataclass(slots=True)
class SharedAccount(Account):
    """What became of events that several gateways worked on."""

    records: Records = field(default_factory=Records)
    """What the database put down of them, and what was done to them."""
    lanes: Sequence[Sequence[str]] = ()
    """Deliveries that were to go one after the other."""
    kept: frozenset[str] = frozenset()
    """All deliveries that the database holds."""
    miscounted: Sequence[str] = ()
    """Deliveries of which the database contradicts itself."""
    blows: list[Blow] = field(default_factory=list)
    """What was done so far."""

    def faults(self) -> Iterator[str]:
        """Say in words whatever must not have happened."""
        yield from Account.faults(self)
        wanted = {name for names in self.acknowledged.values() for name in names}
        if strange := self.kept ^ wanted:
            yield f"{len(strange)} deliveries are stored or acknowledged, not both, such as {min(strange)}"
        if self.miscounted:
            yield f"the database contradicts itself about {len(self.miscounted)}, such as {min(self.miscounted)}"
        if wrong := {(each.was, each.became) for each in self.records.moves} - _ALLOWED:
            told = ", ".join(f"{was} to {became}" for was, became in sorted(wrong))
            yield f"moves unknown to the table of states: {told}"
        yield from self._stolen()
        yield from self._out_of_order()

    def _careless_repeats(self) -> Iterator[str]:
        """Whatever was sent again has its cause on record, and so has every lease that lapsed."""
        _, strange = self.records.repeats(self.arrivals)
        if strange:
            yield f"{len(strange)} messages were taken again, or never, for no reason on record, as {strange[0]}"
        if hale := self.records.hale():
            yield f"{len(hale)} leases lapsed though nothing had been done to their holders, as {hale[0]}"
        struck = Counter(each.holder for each in self.records.blows)
        for holder, times in Counter(first.holder for first, _ in self.records.lapsed()).items():
            if times > struck[holder] * IN_HAND > 0:
                told = f"though {struck[holder]} blows found at most {IN_HAND} in hand each"
                yield f"{times} leases of {holder} lapsed, {told}"

    def _stolen(self) -> Iterator[str]:
        """A gateway settles what it holds, and nothing that another has taken."""
        if stolen := [then for first, then in self.records.pairs() if not then.taken and then.holder != first.holder]:
            last = f"{stolen[-1].delivery} by {stolen[-1].holder}"
            yield f"{len(stolen)} deliveries were settled by others than who held them, as {last}"

    def _out_of_order(self) -> Iterator[str]:
        """What follows in a lane is taken in hand after what went before it has ended, and arrives after it."""
        first_taken: dict[str, int] = {}
        ended: dict[str, int] = {}
        for number, move in enumerate(self.records.moves):
            if move.taken:
                first_taken.setdefault(move.delivery, number)
            elif move.became == State.DELIVERED:
                ended[move.delivery] = number
        arrived: dict[str, int] = {}
        for number, arrival in enumerate(self.arrivals):
            if arrival.taken:
                arrived.setdefault(arrival.name, number)
        for before, after in (pair for lane in self.lanes for pair in pairwise(lane)):
            if ended.get(before, -1) > first_taken.get(after, len(self.records.moves)):
                yield f"{after} was taken in hand before {before} had ended"
            if arrived.get(before, -1) > arrived.get(after, len(self.arrivals)):
                yield f"{after} arrived before {before}"

    def __str__(self) -> str:
        lapsed = sum(1 for _ in self.records.lapsed())
        causes, _ = self.records.repeats(self.arrivals)
        told = "".join(f", {times} {cause}" for cause, times in sorted(causes.items()))
        return f"{Account.__str__(self).replace('kills', 'blows')}{told}; {lapsed} leases lapsed in all"


_ALLOWED: Final = frozenset({(str(was), str(became)) for (was, _), became in MOVES.items()} | {("sending", "sending")})
"""Moves of the table; a lease that has lapsed is taken again without a move."""


async def open_books(cluster: Cluster) -> None:
    """Make the tables, give every customer an address, and begin to note who does what."""
    async with open_store(cluster.url("postgres")) as store:
        await store.upsert_contacts(everybody())
    await execute(cluster, _BOOKS)


async def read_books(cluster: Cluster, account: SharedAccount) -> None:
    connection = await asyncpg.connect(cluster.url("postgres"))
    try:
        columns = "delivery, holder, was, became, taken, at, attempt"
        moves = [Move(*row) for row in await connection.fetch(f"SELECT {columns} FROM move ORDER BY number")]  # noqa: S608 (names of ours)
        late = {(name, number): Unanswered(*when) for name, number, *when in await connection.fetch(_UNANSWERED)}
        account.records = Records(moves=moves, unanswered=late, blows=account.blows)
        account.lanes = [row["ids"] for row in await connection.fetch(_LANES)]
        account.kept = frozenset(row["id"] for row in await connection.fetch("SELECT id FROM delivery"))
        account.miscounted = [row["id"] for row in await connection.fetch(_MISCOUNTED)]
    finally:
        await connection.close()


async def execute(cluster: Cluster, script: str) -> None:
    connection: Any = await asyncpg.connect(cluster.url("postgres"))
    try:
        await connection.execute(script)
    finally:
        await connection.close()
