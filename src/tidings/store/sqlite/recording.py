"""Recording events with the deliveries they call for, many publications at a time."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from tidings.model import PlannedDelivery
from tidings.store.answers import Decided, new, repeated
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.contacts import keep_contacts
from tidings.store.sqlite.digests import gather
from tidings.store.sqlite.driver import MOST_ROWS, SQL, Connection, Value, insert_rows, insert_together, rows_of
from tidings.store.sqlite.ids import EventIds, Identity
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.ordering import keep_order
from tidings.store.values import (
    Publication,
    RecordResult,
    StoredEvent,
)

_NOT_JOINED: Final[Mapping[str, str]] = {}
_LEAP: Final = 4_096
"""How far ahead a revision's use is noted, so that it is noted seldom; it then stays that much longer."""


class Recorder:
    """Records publications; part of the writing lane."""

    def __init__(self, ids: EventIds, interventions: Interventions, moves: MovesSeen) -> None:
        self._ids = ids
        self._interventions = interventions
        self._moves = moves
        self._noted: dict[str, int] = {}
        """Up to which event the use of a revision is noted."""

    def record(self, connection: Connection, requests: Sequence[Sequence[Publication]]) -> list[list[RecordResult]]:
        """Record the publications of several calls; the first of those that share an identity counts."""
        publications = _flat(requests)
        results = self._record_new(connection, publications) or self._record(connection, publications)
        return _by_request(results, requests)

    def record_alone(
        self, connection: Connection, requests: Sequence[Sequence[Publication]]
    ) -> list[list[RecordResult]] | None:
        """Record where one statement does it all, which is a transaction of its own; None: nothing was done."""
        publications = _flat(requests)
        if any(each.deliveries for each in publications):
            return None
        last_seq = self._ids.last_seq + len(publications)
        if any(last_seq > self._noted.get(each.event.revision, -1) for each in publications):
            return None
        results = self._record_new(connection, publications, alone=True)
        return None if results is None else _by_request(results, requests)

    def _record_new(
        self, connection: Connection, publications: Sequence[Publication], *, alone: bool = False
    ) -> list[RecordResult] | None:
        """Record what nobody has recorded before and what asks for nothing unusual; None: nothing was done.

        That is nearly everything. It is found out and stored in one statement: each one gives the interpreter away,
        and with single events a transaction of ten statements costs more than the events.
        """
        ids = self._ids
        if len(publications) > MOST_ROWS or any(map(_is_unusual, publications)) or (alone and ids.are_to_join):
            return None
        keys = [ids.key_of((each.event.org_id, each.event.event_id)) for each in publications]
        if not ids.are_new_here(keys):
            return None
        first = ids.last_seq + 1
        rows = [_event_row(seq, each.event) for seq, each in enumerate(publications, first)]
        known = (ids.last_seq, ids.indexed_seq, orjson.dumps(keys).decode())
        if not insert_together(connection, "insert_new_events", rows, *known):
            return None
        identities = [(key, seq) for seq, key in enumerate(keys, first)]
        if alone:
            ids.keep(identities)
            return [new(each, _NOT_JOINED) for each in publications]
        ids.reserve(connection, identities)
        planned = [(seq, each) for seq, each in enumerate(publications, first) if each.deliveries]
        if planned:
            deliveries = [_delivery_row(seq, each.event, one) for seq, each in planned for one in each.deliveries]
            insert_rows(connection, "insert_deliveries", deliveries)
            keep_order(connection, [one.id for _, each in planned for one in each.deliveries if one.lane is not None])
            self._moves.work_came()
        self._note_use(connection, {each.event.revision: seq for seq, each in enumerate(publications, first)})
        return [new(each, _NOT_JOINED) for each in publications]

    def _record(self, connection: Connection, publications: Sequence[Publication]) -> list[RecordResult]:
        identities = [(each.event.org_id, each.event.event_id) for each in publications]
        keys = [self._ids.key_of(identity) for identity in identities]
        decided = _decided(connection, self._ids.find(connection, keys))
        seq = self._ids.last_seq
        results: list[RecordResult] = []
        events: list[tuple[Value, ...]] = []
        deliveries: list[tuple[Value, ...]] = []
        reserved: list[tuple[int, int]] = []
        in_lanes: list[str] = []
        calling_off: list[tuple[int, Publication]] = []
        telling: list[Publication] = []
        used: dict[str, int] = {}
        for publication, identity, key in zip(publications, identities, keys, strict=True):
            event, planned = publication.event, publication.deliveries
            if (known := decided.get(identity)) is not None:
                results.append(repeated(known, event))
                continue
            seq += 1
            events.append(_event_row(seq, event))
            reserved.append((key, seq))
            used[event.revision] = seq
            if publication.call_offs:
                calling_off.append((seq, publication))
            if publication.contact is not None or publication.swallows is not None:
                telling.append(publication)
            joined: dict[str, str] = {}
            for each in planned:
                row = _delivery_row(seq, event, each)
                if each.digest is None:
                    deliveries.append(row)
                else:
                    joined[each.id] = self._gather(connection, seq, event, each, row)
                if each.lane is not None:
                    in_lanes.append(each.id)
            result = new(publication, joined)
            decided[identity] = Decided(event.digest, result.matched_rules, result.delivery_ids)
            results.append(result)
        insert_rows(connection, "insert_events", events)
        insert_rows(connection, "insert_deliveries", deliveries)
        self._ids.reserve(connection, reserved)
        keep_order(connection, in_lanes)
        self._call_off(connection, calling_off)
        if telling:
            keep_contacts(connection, telling)
        self._note_use(connection, used)
        if deliveries:
            self._moves.work_came()
        return results

    def _gather(
        self, connection: Connection, seq: int, event: StoredEvent, planned: PlannedDelivery, row: tuple[Value, ...]
    ) -> str:
        """Let an event join a digest at once, for the next one in this call may join the same; return which."""
        joined = gather(connection, seq, event, planned, row)
        if joined.opened:
            self._moves.work_came()
        return joined.delivery_id

    def _call_off(self, connection: Connection, publications: Sequence[tuple[int, Publication]]) -> None:
        """Cancel what events call off; each counts for what was recorded before it, in this call or earlier."""
        for seq, publication in publications:
            event = publication.event
            for each in publication.call_offs:
                self._interventions.call_off(connection, each, org_id=event.org_id, before=seq, now=event.received_at)

    def forget_revisions(self) -> None:
        """Note the use of revisions anew: some were saved or let go of, or what was noted was not committed."""
        self._noted.clear()

    def _note_use(self, connection: Connection, used: Mapping[str, int]) -> None:
        for revision, seq in used.items():
            if seq > self._noted.get(revision, -1):
                self._noted[revision] = seq + _LEAP
                connection.execute(SQL["use_revision"], {"id": revision, "used_seq": seq + _LEAP})


def _flat(requests: Sequence[Sequence[Publication]]) -> Sequence[Publication]:
    return requests[0] if len(requests) == 1 else [each for request in requests for each in request]


def _by_request(results: Sequence[RecordResult], requests: Sequence[Sequence[Publication]]) -> list[list[RecordResult]]:
    answers = iter(results)
    return [[next(answers) for _ in request] for request in requests]


def _is_unusual(publication: Publication) -> bool:
    """Say whether recording it changes more than its event and deliveries."""
    _, planned, call_offs, contact, swallows = publication
    if call_offs or contact is not None or swallows is not None:
        return True
    return bool(planned) and any(each.digest is not None for each in planned)


def _decided(connection: Connection, seqs: Sequence[int]) -> dict[Identity, Decided]:
    if not seqs:
        return {}
    rows = rows_of(connection, "decided_events", {"seqs": orjson.dumps(seqs).decode()})
    return {
        (org_id, event_id): Decided(bytes.fromhex(digest), tuple(matched_rules), tuple(delivery_ids))
        for org_id, event_id, digest, matched_rules, delivery_ids in rows
    }


def _event_row(seq: int, event: StoredEvent) -> tuple[Value, ...]:
    """Return an event's columns; but for the last two they are those of the port's value, in its order."""
    rules = event.matched_rules
    return (seq, *event[:-2], orjson.dumps(rules).decode() if rules else "[]", event.trace or None)


def _delivery_row(seq: int, event: StoredEvent, planned: PlannedDelivery) -> tuple[Value, ...]:
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
        planned.due_at,
        planned.lane,
        planned.revocable,
    )
