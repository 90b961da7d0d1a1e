"""Forgetting a person, stretch by stretch, so that nobody else's call waits for long.

No index leads from a person to what concerns them: it would cost every event that is stored, for the sake of a rare
request. So deliveries and events are gone through once, in stretches of rows.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidings.model import Cause, Recipient, RecipientKind, State, address_key
from tidings.store.port import Erasure, Intervention, Person
from tidings.store.postgres.digests import members_of
from tidings.store.postgres.driver import Connection
from tidings.store.postgres.interventions import Interventions

_STRETCH: Final = 20_000
"""Rows gone through in one transaction: some ten milliseconds."""
_REASON: Final = "its customer was erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A person, and the rows among which to look for them."""

    person: Person
    after: int
    through: int
    now: int


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
        off = Intervention(cause=Cause.CANCELLED, reason=_REASON, now=stretch.now)
        cancelled = await self._interventions.leave_digests(connection, members, off)
        scrubbed = await connection.change("scrub_events", values)
        return Erasure(events=scrubbed, deliveries=cancelled, cancelled=cancelled)

    async def _deliveries(self, connection: Connection, stretch: Stretch) -> Erasure:
        values = _values(stretch)
        waiting = [row["id"] for row in await connection.rows("persons_unfinished", values)]
        off = Intervention(cause=Cause.CANCELLED, reason=_REASON, now=stretch.now)
        (states,) = await self._interventions.by_id(connection, [(waiting, off)])
        seqs = [row["seq"] for row in await connection.rows("persons_deliveries", values)]
        attempts = await connection.change("scrub_attempts", {"seqs": seqs})
        deliveries = await connection.change("scrub_deliveries", {"seqs": seqs, "reason": _REASON})
        return Erasure(
            deliveries=deliveries, attempts=attempts, cancelled=sum(state is State.CANCELLED for state in states)
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


async def in_stretches(last: int, erase: Callable[[int, int], Awaitable[Erasure]], done: Erasure) -> Erasure:
    """Add up what erasing came to over rows up to ``last``."""
    for after in range(0, last, _STRETCH):
        done += await erase(after, min(after + _STRETCH, last))
    return done


async def _erase_person(connection: Connection, person: Person) -> Erasure:
    values = {"org_id": person.org_id, "customer_id": person.customer_id}
    contacts = await connection.change("drop_contact", values)
    mentioned = _mentions(person)
    found = [
        row["seq"]
        for row in await connection.rows("rejected_bodies")
        if mentioned.search(row["body"]) or mentioned.search(row["reason"].encode())
    ]
    bodies = await connection.change("drop_rejected_bodies", {"seqs": found})
    keys = sorted({address_key(person.org_id, address) for address in person.addresses})
    suppressions = await connection.change("scrub_suppressions", {"org_id": person.org_id, "address_keys": keys})
    return Erasure(contacts=contacts, rejected_bodies=bodies, suppressions=suppressions)


def _mentions(person: Person) -> re.Pattern[bytes]:
    """Find a person's number or address standing by itself: ``471`` is not in ``4711``."""
    words = b"|".join(re.escape(each.encode()) for each in (person.customer_id, *person.addresses))
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + words + rb")(?![A-Za-z0-9])", re.IGNORECASE)


def _values(stretch: Stretch) -> dict[str, Any]:
    return _values_of(stretch.person) | {"after": stretch.after, "through": stretch.through}


def _values_of(person: Person) -> dict[str, Any]:
    recipients = [str(Recipient(kind=RecipientKind.ADDRESS, name=each)) for each in person.addresses]
    return {"org_id": person.org_id, "customer_id": person.customer_id, "recipients": recipients}
