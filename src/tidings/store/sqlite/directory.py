"""Writing contacts and rulebook revisions, and proving that writing works."""

from collections.abc import Sequence

from tidings.model import Contact
from tidings.store.port import Revision
from tidings.store.sqlite.driver import SQL, Connection, insert_rows


def upsert_contacts(connection: Connection, requests: Sequence[Sequence[Contact]]) -> list[None]:
    """Add or replace the contacts of several calls; of two with one name the last counts."""
    rows = [
        (each.org_id, each.customer_id, each.email, each.name, each.locale, each.time_zone)
        for request in requests
        for each in request
    ]
    insert_rows(connection, "upsert_contacts", rows)
    return [None] * len(requests)


def save_revisions(connection: Connection, revisions: Sequence[Revision]) -> list[None]:
    """Keep rulebook revisions."""
    insert_rows(connection, "save_revision", [(each.id, each.created_at, each.archive) for each in revisions])
    return [None] * len(revisions)


def beat(connection: Connection, requests: Sequence[None]) -> list[None]:
    """Commit something."""
    connection.execute(SQL["beat"])
    return [None] * len(requests)
