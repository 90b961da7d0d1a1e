"""Writing rulebook revisions and endpoints' states, and proving that writing works."""

from collections.abc import Sequence
from dataclasses import asdict

from tidings.store.postgres.driver import Connection
from tidings.store.values import (
    EndpointState,
    Revision,
)


async def save_revisions(connection: Connection, revisions: Sequence[Revision]) -> list[None]:
    """Keep rulebook revisions."""
    await connection.rows("lock_revisions")
    for each in revisions:
        await connection.change("save_revision", asdict(each))
    return [None] * len(revisions)


async def save_endpoint_states(connection: Connection, states: Sequence[EndpointState]) -> list[bool]:
    """Remember endpoints' states, one after the other; forget those that are in order again."""
    return [await _save_endpoint_state(connection, each) for each in states]


async def _save_endpoint_state(connection: Connection, state: EndpointState) -> bool:
    if state.failing_since is None and state.disabled_at is None:
        await connection.change("forget_endpoint", asdict(state))
        return True
    return await connection.change("remember_endpoint", asdict(state)) > 0


async def beat(connection: Connection, requests: Sequence[None]) -> list[None]:
    """Commit something."""
    await connection.change("beat")
    return [None] * len(requests)


async def tell_others(connection: Connection, tellers: Sequence[str]) -> list[None]:
    """Wake the other processes; whoever asks several times in one transaction is heard once."""
    for each in dict.fromkeys(tellers):
        await connection.rows("tell_others", {"teller": each})
    return [None] * len(tellers)
