"""Writing rulebook revisions and endpoints' states, and proving that writing works."""

from collections.abc import Sequence
from dataclasses import asdict

from tidings.store.sqlite.driver import SQL, Connection
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


def save_endpoint_states(connection: Connection, states: Sequence[EndpointState]) -> list[bool]:
    """Remember endpoints' states, one after the other; forget those that are in order again."""
    return [_save_endpoint_state(connection, each) for each in states]


def _save_endpoint_state(connection: Connection, state: EndpointState) -> bool:
    if state.failing_since is None and state.disabled_at is None:
        connection.execute(SQL["forget_endpoint"], {"org_id": state.org_id, "name": state.name})
        return True
    return connection.execute(SQL["remember_endpoint"], asdict(state)).rowcount > 0


def beat(connection: Connection, requests: Sequence[None]) -> list[None]:
    """Commit something."""
    connection.execute(SQL["beat"])
    return [None] * len(requests)
