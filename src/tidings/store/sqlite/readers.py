"""What is known of those whom e-mails are for: the customer, and whether the address that they gave may be used."""

from collections.abc import Sequence

from tidings.store.sqlite.contacts import contacts_named
from tidings.store.sqlite.driver import Connection
from tidings.store.sqlite.suppressions import suppressions_of
from tidings.store.values import Known


def readers(connection: Connection, requests: Sequence[tuple[int, str, int]]) -> list[Known]:
    """Return what is known of customers, by organisation, customer id and time."""
    contacts = contacts_named(connection, [(org_id, customer_id) for org_id, customer_id, _ in requests])
    asked = [
        (each.org_id, each.email, now)
        for each, (_, _, now) in zip(contacts, requests, strict=True)
        if each is not None and each.email
    ]
    found = iter(suppressions_of(connection, asked))
    return [Known(each, next(found) if each is not None and each.email else ()) for each in contacts]
