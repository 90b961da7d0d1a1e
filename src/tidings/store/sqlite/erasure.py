"""The erasing of a person: what each stretch of rows, and what is apart from them, takes."""

from collections.abc import Sequence

import orjson

from tidings.model import Cause, State, address_key
from tidings.store.erasing import REASON, Stretch, mentions, recipients_of
from tidings.store.sqlite.digests import members_of
from tidings.store.sqlite.driver import SQL, Connection, Value, rows_of, value_of
from tidings.store.sqlite.interventions import Interventions
from tidings.store.values import (
    Erasure,
    Intervention,
    Person,
)


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
        off = Intervention(cause=Cause.CANCELLED, reason=REASON, now=stretch.now)
        cancelled = self._interventions.leave_digests(connection, members, off)
        scrubbed = connection.execute(SQL["scrub_events"], values).rowcount
        return Erasure(events=scrubbed, deliveries=cancelled, cancelled=cancelled)

    def _deliveries(self, connection: Connection, stretch: Stretch) -> Erasure:
        values = _values(stretch)
        waiting = [name for (name,) in rows_of(connection, "persons_unfinished", values)]
        off = Intervention(cause=Cause.CANCELLED, reason=REASON, now=stretch.now)
        (states,) = self._interventions.by_id(connection, [(waiting, off)])
        attempts = connection.execute(SQL["scrub_attempts"], values).rowcount
        deliveries = connection.execute(SQL["scrub_deliveries"], values | {"reason": REASON}).rowcount
        return Erasure(
            deliveries=deliveries,
            attempts=attempts,
            cancelled=sum(state is State.CANCELLED for state in states),
            under_way=value_of(connection, "persons_in_hands", values),
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


def _erase_person(connection: Connection, person: Person) -> Erasure:
    values = {"org_id": person.org_id, "customer_id": person.customer_id}
    contacts = connection.execute(SQL["drop_contact"], values).rowcount
    mentioned = mentions(person)
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


def _values(stretch: Stretch) -> dict[str, Value]:
    return _values_of(stretch.person) | {"after": stretch.after, "through": stretch.through}


def _values_of(person: Person) -> dict[str, Value]:
    return {
        "org_id": person.org_id,
        "customer_id": person.customer_id,
        "recipients": orjson.dumps(recipients_of(person)).decode(),
    }
