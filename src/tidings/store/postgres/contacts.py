"""The directory of customers. What is made unknown is kept as an empty text or a null, and read as nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from tidings.model import MOST_NAMED, ConsentMark, ConsentSource, Contact, objections_of
from tidings.store.crowding import Identity, Named, bounded, merged_and_told, refuse_crowded
from tidings.store.paging import encode_customer
from tidings.store.postgres.driver import Connection, Row, escaped, plain
from tidings.store.values import (
    ContactPage,
    Publication,
)

_FIRST, _LAST = -(2**63), 2**63 - 1


async def upsert_contacts(connection: Connection, requests: Sequence[Sequence[Contact]]) -> list[None]:
    """Add or change the contacts of several calls, one after the other; raise InvalidRequest for one too crowded."""
    growing = bounded(requests)
    before = await _crowded(connection, growing)
    await _put(connection, [each for request in requests for each in request])
    refuse_crowded(requests, before=before, after=await _crowded(connection, growing))
    return [None] * len(requests)


async def _put(connection: Connection, given: Sequence[Contact]) -> None:
    for contacts in _rounds(given):
        await connection.change(
            "upsert_contacts",
            {
                "org_ids": [each.org_id for each in contacts],
                "customer_ids": [each.customer_id for each in contacts],
                "emails": [each.email for each in contacts],
                "names": [each.name for each in contacts],
                "locales": [each.locale for each in contacts],
                "time_zones": [each.time_zone for each in contacts],
                "consents": [_json(each.consents) for each in contacts],
                "attributes": [_json(_patch(each.attributes)) for each in contacts],
                "consent_marks": [_json(_marks(each)) for each in contacts],
            },
        )


async def _crowded(connection: Connection, identities: Sequence[Identity]) -> dict[Identity, Named]:
    """Return which of these contacts have more than one may, and how much."""
    if not identities:
        return {}
    values = {
        "org_ids": [org_id for org_id, _ in identities],
        "customer_ids": [customer_id for _, customer_id in identities],
        "most": MOST_NAMED,
    }
    return {
        (row["org_id"], row["customer_id"]): Named(consents=row["consents_named"], attributes=row["attributes_named"])
        for row in await connection.rows("crowded_contacts", values)
    }


async def keep_contacts(connection: Connection, publications: Iterable[Publication]) -> None:
    """Take in what events tell of customers, in their order."""
    told: list[Contact] = []
    for each in publications:
        if each.contact is not None:
            told.append(each.contact)
        if each.swallows is not None:
            await _put(connection, told)
            told = []
            await _merge(connection, each.event.org_id, *each.swallows)
    await _put(connection, told)


async def _merge(connection: Connection, org_id: int, survivor_id: str, victim_id: str) -> None:
    found = await contacts_named(connection, [(org_id, victim_id), (org_id, survivor_id)])
    victim, survivor = found
    if victim is None:
        return
    await connection.change("drop_contact", {"org_id": org_id, "customer_id": victim_id})
    kept = [merged_and_told(survivor or Contact(org_id=org_id, customer_id=survivor_id), victim)]
    if (objections := objections_of(victim)) is not None:
        kept.append(objections)
    await _put(connection, kept)


async def contacts_named(connection: Connection, names: Sequence[tuple[int, str]]) -> list[Contact | None]:
    """Return contacts by organisation and customer id."""
    values = {"org_ids": [org_id for org_id, _ in names], "customer_ids": [name for _, name in names]}
    rows = await connection.rows("contacts_named", values)
    found = {(row["org_id"], row["customer_id"]): _read(row) for row in rows}
    return [found.get(name) for name in names]


async def contact_pages(
    connection: Connection, requests: Sequence[tuple[int | None, int, tuple[int, str] | None]]
) -> list[ContactPage]:
    """Return pages by organisation, page size and where the page before ended."""
    return [await _page(connection, *request) for request in requests]


def _rounds(contacts: Sequence[Contact]) -> Iterator[list[Contact]]:
    """Split contacts so that no customer is in a round twice, and each one's come in order."""
    rounds: list[dict[tuple[int, str], Contact]] = []
    met: dict[tuple[int, str], int] = {}
    for each in contacts:
        identity = (each.org_id, each.customer_id)
        number = met[identity] = met.get(identity, -1) + 1
        if number == len(rounds):
            rounds.append({})
        rounds[number][identity] = each
    return (list(each.values()) for each in rounds)


async def _page(connection: Connection, org_id: int | None, size: int, after: tuple[int, str] | None) -> ContactPage:
    first, last = (_FIRST, _LAST) if org_id is None else (org_id, org_id)
    last_org_id, last_customer_id = (first, "") if after is None else after
    values = {"org_id": last_org_id, "customer_id": last_customer_id, "last_org_id": last, "limit": size + 1}
    rows = await connection.rows("list_contacts", values)
    contacts = tuple(_read(row) for row in rows[:size])
    end = contacts[-1] if len(rows) > size else None
    token = "" if end is None else encode_customer(end.org_id, end.customer_id, (Contact, org_id))
    return ContactPage(contacts=contacts, next_token=token)


def _marks(contact: Contact) -> dict[str, Any]:
    """Return the marks of the consents it names; what one without a mark came from before is forgotten."""
    marks = {category: contact.consent_marks.get(category) for category in contact.consents}
    return {category: mark and [mark.source, mark.at] for category, mark in marks.items()}


def _patch(attributes: Mapping[str, str]) -> dict[str, str | None]:
    return {name: escaped(value) or None for name, value in attributes.items()}


def _json(values: Mapping[str, Any]) -> str:
    return orjson.dumps({escaped(name): value for name, value in values.items()}).decode()


def _read(row: Row) -> Contact:
    return Contact(
        org_id=row["org_id"],
        customer_id=row["customer_id"],
        email=row["email"] or None,
        name=row["name"] or None,
        locale=row["locale"] or None,
        time_zone=row["time_zone"] or None,
        consents=_loaded(row["consents"]),
        attributes=_loaded(row["attributes"]),
        consent_marks={
            category: ConsentMark(source=ConsentSource(source), at=at)
            for category, (source, at) in _loaded(row["consent_marks"]).items()
        },
    )


def _loaded(text: str) -> dict[str, Any]:
    return {
        plain(name): plain(value) if isinstance(value, str) else value
        for name, value in orjson.loads(text).items()
        if value is not None
    }
