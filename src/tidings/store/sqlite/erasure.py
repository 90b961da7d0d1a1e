"""Forgetting a person, stretch by stretch, so that nobody else's call waits for long.

No index leads from a person to what concerns them: it would cost every event that is stored, for the sake of a rare
request. So deliveries and events are gone through once, in stretches of rows.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from tidings.model import Cause, Recipient, RecipientKind, State, address_key
from tidings.store.port import Erasure, Intervention, Person
from tidings.store.sqlite.digests import members_of
from tidings.store.sqlite.driver import SQL, Connection, Value, rows_of, value_of
from tidings.store.sqlite.interventions import Interventions

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
    """The work of the writing lane that erasing takes."""

    def __init__(self, interventions: Interventions) -> None:
        self._interventions = interventions

    def deliveries(self, connection: Connection, requests: Sequence[Stretch]) -> list[Erasure]:
        """Cancel what waits, and scrub all that is in nobody's hands with its attempts."""
        return [self._deliveries(connection, each) for each in requests]

    def events(self, connection: Connection, requests: Sequence[Stretch]) -> list[Erasure]:
        """Scrub a person's events; they leave the digests that have gathered them."""
        return [self._events(connection, each) for each in requests]

    def _events(self, connection: Connection, stretch: Stretch) -> Erasure:
        values = _values(stretch)
        members = members_of(connection, "members_of_person", values)
        off = Intervention(cause=Cause.CANCELLED, reason=_REASON, now=stretch.now)
        cancelled = self._interventions.leave_digests(connection, members, off)
        scrubbed = connection.execute(SQL["scrub_events"], values).rowcount
        return Erasure(events=scrubbed, deliveries=cancelled, cancelled=cancelled)

    def _deliveries(self, connection: Connection, stretch: Stretch) -> Erasure:
        values = _values(stretch)
        waiting = [name for (name,) in rows_of(connection, "persons_unfinished", values)]
        off = Intervention(cause=Cause.CANCELLED, reason=_REASON, now=stretch.now)
        (states,) = self._interventions.by_id(connection, [(waiting, off)])
        attempts = connection.execute(SQL["scrub_attempts"], values).rowcount
        deliveries = connection.execute(SQL["scrub_deliveries"], values | {"reason": _REASON}).rowcount
        return Erasure(
            deliveries=deliveries, attempts=attempts, cancelled=sum(state is State.CANCELLED for state in states)
        )


def last_seqs(connection: Connection, requests: Sequence[None]) -> list[tuple[int, int]]:
    """Return how far deliveries and events go."""
    last_delivery, last_event = connection.execute(SQL["last_seqs"]).fetchone()
    return [(last_delivery, last_event)] * len(requests)


def under_way(connection: Connection, persons: Sequence[Person]) -> list[int]:
    """Return how many deliveries of persons are in workers' hands."""
    return [value_of(connection, "persons_under_way", _values_of(each)) for each in persons]


def erase_person(connection: Connection, persons: Sequence[Person]) -> list[Erasure]:
    """Let go of contacts and of rejected bodies that mention them; keep of suppressions only the key."""
    return [_erase_person(connection, each) for each in persons]


async def in_stretches(last: int, erase: Callable[[int, int], Awaitable[Erasure]], done: Erasure) -> Erasure:
    """Add up what erasing came to over rows up to ``last``."""
    for after in range(0, last, _STRETCH):
        done += await erase(after, min(after + _STRETCH, last))
    return done


def _erase_person(connection: Connection, person: Person) -> Erasure:
    values = {"org_id": person.org_id, "customer_id": person.customer_id}
    contacts = connection.execute(SQL["drop_contact"], values).rowcount
    mentioned = _mentions(person)
    found = [
        row[0]
        for row in connection.execute(SQL["rejected_bodies"])
        if mentioned.search(row[1]) or mentioned.search(row[2].encode())
    ]
    connection.execute(SQL["drop_rejected_bodies"], {"seqs": orjson.dumps(found).decode()})
    suppressions = sum(
        connection.execute(
            SQL["scrub_suppressions"],
            {"org_id": person.org_id, "address_key": address_key(person.org_id, address)},
        ).rowcount
        for address in set(person.addresses)
    )
    return Erasure(contacts=contacts, rejected_bodies=len(found), suppressions=suppressions)


def _mentions(person: Person) -> re.Pattern[bytes]:
    """Find a person's number or address standing by itself: ``471`` is not in ``4711``."""
    words = b"|".join(re.escape(each.encode()) for each in (person.customer_id, *person.addresses))
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + words + rb")(?![A-Za-z0-9])", re.IGNORECASE)


def _values(stretch: Stretch) -> dict[str, Value]:
    return _values_of(stretch.person) | {"after": stretch.after, "through": stretch.through}


def _values_of(person: Person) -> dict[str, Value]:
    recipients = [str(Recipient(kind=RecipientKind.ADDRESS, name=each)) for each in person.addresses]
    return {
        "org_id": person.org_id,
        "customer_id": person.customer_id,
        "recipients": orjson.dumps(recipients).decode(),
    }
