"""Recording events with the deliveries they call for, many publications at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from tidings.model import PlannedDelivery
from tidings.store.answers import REUSED, Decided, new, repeated
from tidings.store.moved import MovesSeen
from tidings.store.postgres.contacts import keep_contacts
from tidings.store.postgres.digests import gather, lock_digests
from tidings.store.postgres.driver import Connection
from tidings.store.postgres.interventions import Interventions
from tidings.store.postgres.lane import TryAgain
from tidings.store.postgres.ordering import keep_order, lock_lanes
from tidings.store.values import (
    Publication,
    Recorded,
    RecordResult,
    StoredEvent,
)

_LEAP: Final = 4_096
"""How far ahead a revision's use is noted, so that it is noted seldom; it then stays that much longer."""

_Identity = tuple[int, str]


class Recorder:
    """Records publications; part of the intake's lane."""

    def __init__(self, interventions: Interventions, moves: MovesSeen) -> None:
        self._interventions = interventions
        self._moves = moves
        self._noted: dict[str, int] = {}
        """Up to which event the use of a revision is noted."""

    async def record(
        self, connection: Connection, requests: Sequence[Sequence[Publication]]
    ) -> list[list[RecordResult]]:
        """Record the publications of several calls; the first of those that share an identity counts."""
        publications = [each for request in requests for each in request]
        first: dict[_Identity, Publication] = {}
        for each in publications:
            first.setdefault(_identity(each.event), each)
        decided, joined = await self._record(connection, first)
        results = iter(_answers(publications, first, decided, joined))
        return [[next(results) for _ in request] for request in requests]

    async def _record(
        self, connection: Connection, wanted: Mapping[_Identity, Publication]
    ) -> tuple[dict[_Identity, Decided], dict[str, str]]:
        """Record what is new; what was decided for the rest, and by planned delivery the digest that took its event."""
        planned = [(each.event.org_id, planned) for each in wanted.values() for planned in each.deliveries]
        await lock_lanes(connection, [(org_id, each.lane) for org_id, each in planned if each.lane is not None])
        await lock_digests(connection, [(org_id, each.digest) for org_id, each in planned if each.digest is not None])
        seqs = await _insert_events(connection, [each.event for each in wanted.values()])
        new = {seqs[identity]: each for identity, each in wanted.items() if identity in seqs}
        joined = await self._add_deliveries(connection, new)
        for seq, publication in new.items():
            await self._call_off(connection, seq, publication)
        await keep_contacts(connection, new.values())
        await self._note_use(connection, {each.event.revision: seq for seq, each in new.items()})
        return await _decided(connection, [identity for identity in wanted if identity not in seqs]), joined

    async def _add_deliveries(self, connection: Connection, new: Mapping[int, Publication]) -> dict[str, str]:
        """Store what goes by itself, gather the rest; by planned delivery the digest that took its event."""
        planned = [(seq, each.event, planned) for seq, each in new.items() for planned in each.deliveries]
        rows = [_delivery_row(*each) for each in planned if each[2].digest is None]
        if rows:
            await connection.change("insert_deliveries", _columns(_DELIVERY, rows))
            self._moves.work_came()
        joined = {each[2].id: await self._gather(connection, *each) for each in planned if each[2].digest is not None}
        await keep_order(connection, [each.id for _, _, each in planned if each.lane is not None])
        return joined

    async def _gather(self, connection: Connection, seq: int, event: StoredEvent, planned: PlannedDelivery) -> str:
        """Let an event join a digest at once, for the next one in this call may join the same; return which."""
        columns = _columns(_DELIVERY, [_delivery_row(seq, event, planned)])
        joined = await gather(connection, seq, event, planned, columns)
        if joined.opened:
            self._moves.work_came()
        return joined.delivery_id

    async def _call_off(self, connection: Connection, seq: int, publication: Publication) -> None:
        """Cancel what an event calls off of what was recorded before it, in this call or earlier."""
        event = publication.event
        for each in publication.call_offs:
            await self._interventions.call_off(connection, each, org_id=event.org_id, before=seq, now=event.received_at)

    def forget_revisions(self) -> None:
        """Note the use of revisions anew: some were saved or let go of, or what was noted was not committed."""
        self._noted.clear()

    async def _note_use(self, connection: Connection, used: Mapping[str, int]) -> None:
        noted = {revision: seq + _LEAP for revision, seq in used.items() if seq > self._noted.get(revision, -1)}
        if noted:
            self._noted |= noted
            revisions = sorted(noted)
            await connection.change("use_revisions", {"ids": revisions, "seqs": [noted[each] for each in revisions]})


def _answers(
    publications: Sequence[Publication],
    first: Mapping[_Identity, Publication],
    decided: Mapping[_Identity, Decided],
    joined: Mapping[str, str],
) -> Iterator[RecordResult]:
    met: set[_Identity] = set()
    for each in publications:
        identity = _identity(each.event)
        known = decided.get(identity)
        if known is not None:
            yield repeated(known, each.event)
        elif identity not in met:
            met.add(identity)
            yield new(each, joined)
        elif first[identity].event.digest == each.event.digest:
            yield new(first[identity], joined)._replace(recorded=Recorded.DUPLICATE)
        else:
            yield REUSED


def _identity(event: StoredEvent) -> _Identity:
    return event.org_id, event.event_id


async def _insert_events(connection: Connection, events: Sequence[StoredEvent]) -> dict[_Identity, int]:
    """Store events that are not there; their numbers by identity, rising in the order given."""
    if not events:
        return {}
    rows = await connection.rows("insert_events", _columns(_EVENT, [_event_row(each) for each in events]))
    return {(row["org_id"], row["event_id"]): row["seq"] for row in rows}


async def _decided(connection: Connection, identities: Sequence[_Identity]) -> dict[_Identity, Decided]:
    """Return what was decided for events that are there; raise TryAgain for one that has just gone."""
    if not identities:
        return {}
    rows = await connection.rows(
        "decided_events",
        {"org_ids": [org_id for org_id, _ in identities], "event_ids": [event_id for _, event_id in identities]},
    )
    if len(rows) < len(identities):
        raise TryAgain
    return {
        (row["org_id"], row["event_id"]): Decided(
            row["digest"], tuple(orjson.loads(row["matched_rules"])), tuple(row["delivery_ids"])
        )
        for row in rows
    }


_EVENT: Final = (
    "org_ids",
    "event_ids",
    "names",
    "received",
    "revisions",
    "contents",
    "digests",
    "customer_ids",
    "rules",
    "traces",
)
_DELIVERY: Final = (
    "ids",
    "event_seqs",
    "org_ids",
    "event_ids",
    "event_names",
    "revisions",
    "rule_ids",
    "actions",
    "channels",
    "recipients",
    "customer_ids",
    "created",
    "due",
    "expiring",
    "lanes",
    "revocable",
)


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _event_row(event: StoredEvent) -> tuple[Any, ...]:
    return (
        event.org_id,
        event.event_id,
        event.name,
        event.received_at,
        event.revision,
        event.content,
        event.digest,
        event.customer_id,
        orjson.dumps(event.matched_rules).decode(),
        event.trace or None,
    )


def _delivery_row(seq: int, event: StoredEvent, planned: PlannedDelivery) -> tuple[Any, ...]:
    return (
        planned.id,
        seq,
        event.org_id,
        event.event_id,
        event.name,
        event.revision,
        planned.rule_id,
        planned.action,
        planned.channel.value,
        str(planned.recipient),
        planned.customer_id,
        event.received_at,
        planned.due_at,
        planned.expires_at,
        planned.lane,
        planned.revocable,
    )
