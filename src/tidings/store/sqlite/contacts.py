"""The directory of customers. What is made unknown is kept as an empty text or a null, and read as nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tidings.model import MOST_NAMED, ConsentMark, ConsentSource, Contact, objections_of
from tidings.store.crowding import Identity, Named, bounded, merged_and_told, refuse_crowded
from tidings.store.paging import encode_customer
from tidings.store.sqlite.driver import SQL, Connection, insert_rows, read_together
from tidings.store.values import (
    ContactPage,
    Publication,
)

_NOTHING = "{}"
_FIRST, _LAST = -(2**63), 2**63 - 1


def upsert_contacts(connection: Connection, requests: Sequence[Sequence[Contact]]) -> list[None]:
    """Add or change the contacts of several calls, one after the other; raise InvalidRequest for one too crowded."""
    growing = bounded(requests)
    before = _crowded(connection, growing)
    _put(connection, [each for request in requests for each in request])
    refuse_crowded(requests, before=before, after=_crowded(connection, growing))
    return [None] * len(requests)


def _put(connection: Connection, contacts: Sequence[Contact]) -> None:
    rows = [
        (
            each.org_id,
            each.customer_id,
            each.email,
            each.name,
            each.locale,
            each.time_zone,
            orjson.dumps(dict(each.consents)).decode() if each.consents else _NOTHING,
            _marks(each) if each.consents else _NOTHING,
            _patch(each.attributes) if each.attributes else _NOTHING,
        )
        for each in contacts
    ]
    insert_rows(connection, "upsert_contacts", rows)


def _crowded(connection: Connection, identities: Sequence[Identity]) -> dict[Identity, Named]:
    """Return which of these contacts have more than one may, and how much."""
    if not identities:
        return {}
    values = {"identities": orjson.dumps(identities).decode(), "most": MOST_NAMED}
    return {
        (org_id, customer_id): Named(consents=consents, attributes=attributes)
        for org_id, customer_id, consents, attributes in connection.execute(SQL["crowded_contacts"], values)
    }


def keep_contacts(connection: Connection, publications: Sequence[Publication]) -> None:
    """Take in what events tell of customers, in their order."""
    told: list[Contact] = []
    for each in publications:
        if each.contact is not None:
            told.append(each.contact)
        if each.swallows is not None:
            _put(connection, told)
            told = []
            _merge(connection, each.event.org_id, *each.swallows)
    _put(connection, told)


def contacts_named(connection: Connection, names: Sequence[tuple[int, str]]) -> list[Contact | None]:
    """Return contacts by organisation and customer id."""
    found = {(row[0], row[1]): _read(row) for row in read_together(connection, "contacts_named", names)}
    return [found.get(name) for name in names]


def contact_pages(
    connection: Connection, requests: Sequence[tuple[int | None, int, tuple[int, str] | None]]
) -> list[ContactPage]:
    """Return pages by organisation, page size and where the page before ended."""
    return [_page(connection, *request) for request in requests]


def _contact(connection: Connection, org_id: int, customer_id: str) -> Contact | None:
    row = connection.execute(SQL["get_contact"], {"org_id": org_id, "customer_id": customer_id}).fetchone()
    return None if row is None else _read(row)


def _merge(connection: Connection, org_id: int, survivor_id: str, victim_id: str) -> None:
    victim = _contact(connection, org_id, victim_id)
    if victim is None:
        return
    survivor = _contact(connection, org_id, survivor_id) or Contact(org_id=org_id, customer_id=survivor_id)
    connection.execute(SQL["drop_contact"], {"org_id": org_id, "customer_id": victim_id})
    kept = [merged_and_told(survivor, victim)]
    if (objections := objections_of(victim)) is not None:
        kept.append(objections)
    _put(connection, kept)


def _page(connection: Connection, org_id: int | None, size: int, after: tuple[int, str] | None) -> ContactPage:
    first, last = (_FIRST, _LAST) if org_id is None else (org_id, org_id)
    last_org_id, last_customer_id = (first, "") if after is None else after
    values = {
        "org_id": last_org_id,
        "customer_id": last_customer_id,
        "last_org_id": last,
        "limit": size + 1,
    }
    rows = connection.execute(SQL["list_contacts"], values).fetchall()
    contacts = tuple(_read(row) for row in rows[:size])
    end = contacts[-1] if len(rows) > size else None
    token = "" if end is None else encode_customer(end.org_id, end.customer_id, (Contact, org_id))
    return ContactPage(contacts=contacts, next_token=token)


def _marks(contact: Contact) -> str:
    """Write the marks of the consents it names; what one without a mark came from before is forgotten."""
    marks = {category: contact.consent_marks.get(category) for category in contact.consents}
    return orjson.dumps({category: mark and [mark.source, mark.at] for category, mark in marks.items()}).decode()


def _patch(attributes: Mapping[str, str]) -> str:
    return orjson.dumps({name: value or None for name, value in attributes.items()}).decode()


def _read(row: Sequence[Any]) -> Contact:
    return Contact(
        org_id=row[0],
        customer_id=row[1],
        email=row[2] or None,
        name=row[3] or None,
        locale=row[4] or None,
        time_zone=row[5] or None,
        consents=_loaded(row[6]),
        attributes=_loaded(row[7]),
        consent_marks={
            category: ConsentMark(source=ConsentSource(source), at=at)
            for category, (source, at) in _loaded(row[8]).items()
        },
    )


def _loaded(text: str) -> dict[str, Any]:
    if text == _NOTHING:
        return {}
    return {name: value for name, value in orjson.loads(text).items() if value is not None}
