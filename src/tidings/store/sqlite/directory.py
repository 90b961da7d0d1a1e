"""Writing rulebook revisions and endpoints' states, and proving that writing works."""

from collections.abc import Sequence

from tidings.store.sqlite.driver import SQL, Connection, insert_rows
from tidings.store.values import (
    EndpointState,
    Revision,
)


def save_revisions(connection: Connection, revisions: Sequence[Revision]) -> list[None]:
    """Keep rulebook revisions."""
    for each in revisions:
        values = {"id": each.id, "created_at": each.created_at, "archive": each.archive}
        connection.execute(SQL["save_revision"], values)
    return [None] * len(revisions)


def save_endpoint_states(connection: Connection, states: Sequence[EndpointState]) -> list[None]:
    """Remember endpoints' states, one after the other; forget those that are in order again."""
    for each in states:
        values = {"org_id": each.org_id, "name": each.name}
        if each.failing_since is None and each.disabled_at is None:
            connection.execute(SQL["forget_endpoint"], values)
        else:
            row = (each.org_id, each.name, each.failing_since, each.disabled_at, each.reason, each.url_digest)
            insert_rows(connection, "remember_endpoint", [row])
    return [None] * len(states)


def beat(connection: Connection, requests: Sequence[None]) -> list[None]:
    """Commit something."""
    connection.execute(SQL["beat"])
    return [None] * len(requests)
