"""Recording events with the deliveries they call for, many publications at a time."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import orjson

from tidings.model import PlannedDelivery, digest_of
from tidings.store.answers import NOTHING, Decided, new, repeated
from tidings.store.moved import MovesSeen
from tidings.store.publications import Columns, Publications
from tidings.store.sqlite.contacts import keep_contacts
from tidings.store.sqlite.digests import gather
from tidings.store.sqlite.driver import MOST_ROWS, SQL, Connection, Value, insert_rows, insert_together, rows_of
from tidings.store.sqlite.ids import EventIds, Identity
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.ordering import keep_order
from tidings.store.values import (
    Publication,
    Recorded,
    RecordResult,
    StoredEvent,
)

_REVISION: Final = StoredEvent._fields.index("revision")
_RULES: Final = StoredEvent._fields.index("matched_rules")
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
        asked = Publications.joined(requests)
        results = self._record_new(connection, asked) if asked.are_usual else None
        return _by_request(self._record(connection, list(asked)) if results is None else results, requests)

    def record_alone(
        self, connection: Connection, requests: Sequence[Sequence[Publication]]
    ) -> list[list[RecordResult]] | None:
        """Record where one statement does it all, which is a transaction of its own; None: nothing was done."""
        asked = Publications.joined(requests)
        if asked.planned or asked.extras or len(asked.events) > MOST_ROWS or self._ids.is_behind:
            return None
        last_seq = self._ids.last_seq + len(asked.events)
        if any(last_seq > self._noted.get(each, -1) for each in {event[_REVISION] for event in asked.events}):
            return None
        results = self._record_new(connection, asked, alone=True)
        return None if results is None else _by_request(results, requests)

    def _record_new(
        self, connection: Connection, asked: Publications, *, alone: bool = False
    ) -> list[RecordResult] | None:
        """Record what nobody has recorded before, usual as it is; None: nothing was done.

        That is nearly everything. Memory tells that it is new; one statement stores it if memory knows of all that
        others did. Each statement gives the interpreter away, and with single events a transaction of ten costs more
        than the events.
        """
        ids, events = self._ids, asked.events
        keys = ids.keys_of(events)
        if not events or not ids.are_new(connection, keys):
            return None
        first = ids.last_seq + 1
        rows = _event_rows(events, first)
        known = (ids.last_seq, ids.indexed_seq)
        if not insert_together(connection, "insert_new_events", rows[:MOST_ROWS], *known):
            return None
        ids.reserve_new(keys, first)
        if not alone:
            insert_rows(connection, "insert_events", rows[MOST_ROWS:])
            ids.catch_up(connection)
            self._plan(connection, asked, first)
            self._note_use(connection, {event[_REVISION]: seq for seq, event in enumerate(events, first)})
        return _new_results(asked)

    def _plan(self, connection: Connection, asked: Publications, first_seq: int) -> None:
        """Store the deliveries of new events."""
        if not asked.planned:
            return
        events = asked.events
        rows = [
            _delivery_row(first_seq + place, events[place], each)
            for place, planned in asked.planned.items()
            for each in planned
        ]
        insert_rows(connection, "insert_deliveries", rows)
        in_lanes = [each.id for planned in asked.planned.values() for each in planned if each.lane is not None]
        keep_order(connection, in_lanes)
        self._moves.work_came()

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
            events += _event_rows([event], seq)
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


def _by_request(results: list[RecordResult], requests: Sequence[Sequence[Publication]]) -> list[list[RecordResult]]:
    if len(requests) == 1:
        return [results]
    answers = iter(results)
    return [list(islice(answers, len(request))) for request in requests]


def _new_results(asked: Publications) -> list[RecordResult]:
    """Answer for new events that have joined no digest."""
    results = [NOTHING] * len(asked.events)
    for place, event in enumerate(asked.events):
        if event[_RULES]:
            results[place] = RecordResult(Recorded.NEW, event[_RULES])
    for place, planned in asked.planned.items():
        ids = tuple(each.id for each in planned)
        results[place] = RecordResult(Recorded.NEW, asked.events[place][_RULES], ids)
    return results


def _decided(connection: Connection, seqs: Sequence[int]) -> dict[Identity, Decided]:
    if not seqs:
        return {}
    rows = rows_of(connection, "decided_events", {"seqs": orjson.dumps(seqs).decode()})
    return {
        (org_id, event_id): Decided(bytes.fromhex(digest), tuple(matched_rules), tuple(delivery_ids))
        for org_id, event_id, digest, matched_rules, delivery_ids in rows
    }


def _event_rows(events: Iterable[Columns], first_seq: int) -> list[tuple[Value, ...]]:
    """Return the columns of events that follow each other: those of the port's value, or nearly so."""
    # fmt: off
    return [
        (seq, org, key, name, at, revision, content, digest or digest_of(content), customer,
         orjson.dumps(rules).decode() if rules else "[]", trace or None)
        for seq, (org, key, name, at, revision, content, digest, customer, rules, trace) in enumerate(events, first_seq)
    ]
    # fmt: on


def _delivery_row(seq: int, event: Columns, planned: PlannedDelivery) -> tuple[Value, ...]:
    org_id, event_id, name, received_at, revision, *_ = event
    return (
        planned.id,
        seq,
        org_id,
        event_id,
        name,
        revision,
        planned.rule_id,
        planned.action,
        planned.channel.value,
        str(planned.recipient),
        planned.customer_id,
        received_at,
        planned.due_at,
        planned.expires_at,
        planned.due_at,
        planned.lane,
        planned.revocable,
    )
