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


async def save_endpoint_states(connection: Connection, states: Sequence[EndpointState]) -> list[None]:
    """Remember endpoints' states, one after the other; forget those that are in order again."""
    for each in states:
        in_order = each.failing_since is None and each.disabled_at is None
        await connection.change("forget_endpoint" if in_order else "remember_endpoint", asdict(each))
    return [None] * len(states)


async def beat(connection: Connection, requests: Sequence[None]) -> list[None]:
    """Commit something."""
    await connection.change("beat")
    return [None] * len(requests)


async def tell_others(connection: Connection, tellers: Sequence[str]) -> list[None]:
    """Wake the other processes; whoever asks several times in one transaction is heard once."""
    for each in dict.fromkeys(tellers):
        await connection.rows("tell_others", {"teller": each})
    return [None] * len(tellers)
