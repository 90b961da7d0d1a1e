"""The erasing of a person: what each stretch of rows, and what is apart from them, takes."""

from collections.abc import Sequence
from typing import Any

from tidings.model import Cause, State, address_key
from tidings.store.erasing import REASON, Stretch, mentions, recipients_of
from tidings.store.postgres.digests import members_of
from tidings.store.postgres.driver import Connection
from tidings.store.postgres.interventions import Interventions
from tidings.store.values import (
    Erasure,
    Intervention,
    Person,
)


class Eraser:
    """Erases deliveries; part of a lane that writes."""

    def __init__(self, interventions: Interventions) -> None:
        self._interventions = interventions

    async def deliveries(self, connection: Connection, requests: Sequence[Stretch]) -> list[Erasure]:
        """Cancel what waits, and scrub all that has ended with its attempts."""
        return [await self._deliveries(connection, each) for each in requests]

    async def events(self, connection: Connection, requests: Sequence[Stretch]) -> list[Erasure]:
        """Scrub a person's events; they leave the digests that have gathered them."""
        return [await self._events(connection, each) for each in requests]

    async def _events(self, connection: Connection, stretch: Stretch) -> Erasure:
        values = _values(stretch)
        members = await members_of(connection, "members_of_person", values)
        off = Intervention(cause=Cause.CANCELLED, reason=REASON, now=stretch.now)
        cancelled = await self._interventions.leave_digests(connection, members, off)
        scrubbed = await connection.change("scrub_events", values)
        return Erasure(events=scrubbed, deliveries=cancelled, cancelled=cancelled)

    async def _deliveries(self, connection: Connection, stretch: Stretch) -> Erasure:
        values = _values(stretch)
        waiting = [row["id"] for row in await connection.rows("persons_unfinished", values)]
        off = Intervention(cause=Cause.CANCELLED, reason=REASON, now=stretch.now)
        (states,) = await self._interventions.by_id(connection, [(waiting, off)])
        # Counted before the ended are looked for: whatever ends in between is counted, scrubbed, or both.
        left = await connection.row("persons_in_hands", values)
        seqs = [row["seq"] for row in await connection.rows("persons_deliveries", values)]
        attempts = await connection.change("scrub_attempts", {"seqs": seqs})
        deliveries = await connection.change("scrub_deliveries", {"seqs": seqs, "reason": REASON})
        return Erasure(
            deliveries=deliveries,
            attempts=attempts,
            cancelled=sum(state is State.CANCELLED for state in states),
            under_way=0 if left is None else left["count"],
        )


async def last_seqs(connection: Connection, requests: Sequence[None]) -> list[tuple[int, int]]:
    """Return how far deliveries and events go."""
    row = await connection.row("last_seqs")
    return [(0, 0) if row is None else (row["delivery"], row["event"])] * len(requests)


async def under_way(connection: Connection, persons: Sequence[Person]) -> list[int]:
    """Return how many deliveries of persons are in workers' hands."""
    rows = [await connection.row("persons_under_way", _values_of(each)) for each in persons]
    return [0 if row is None else row["count"] for row in rows]


async def erase_person(connection: Connection, persons: Sequence[Person]) -> list[Erasure]:
    """Let go of contacts and of rejected bodies that mention them; keep of suppressions only the key."""
    return [await _erase_person(connection, each) for each in persons]


async def _erase_person(connection: Connection, person: Person) -> Erasure:
    values = {"org_id": person.org_id, "customer_id": person.customer_id}
    contacts = await connection.change("drop_contact", values)
    mentioned = mentions(person)
    found = [
        row["seq"]
        for row in await connection.rows("rejected_bodies")
        if mentioned.search(row["body"]) or mentioned.search(row["reason"].encode())
    ]
    bodies = await connection.change("drop_rejected_bodies", {"seqs": found})
    keys = sorted({address_key(person.org_id, address) for address in person.addresses})
    suppressions = await connection.change("scrub_suppressions", {"org_id": person.org_id, "address_keys": keys})
    return Erasure(contacts=contacts, rejected_bodies=bodies, suppressions=suppressions)


def _values(stretch: Stretch) -> dict[str, Any]:
    return _values_of(stretch.person) | {"after": stretch.after, "through": stretch.through}


def _values_of(person: Person) -> dict[str, Any]:
    return {"org_id": person.org_id, "customer_id": person.customer_id, "recipients": recipients_of(person)}
