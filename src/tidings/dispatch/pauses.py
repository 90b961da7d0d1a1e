"""What keeps all gateways from an endpoint for a while: its breaker, or its own word. Each tells of what it found out.

What changed here since the last word is told; what changed there is taken over. The last word counts.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tidings.dispatch.destination import Destination
from tidings.store import EndpointPause, FleetStore

if TYPE_CHECKING:
    from tidings.dispatch.endpoints import Key


class Pauses:
    """Keeps the endpoints of one gateway in step with those of the others."""

    def __init__(
        self,
        store: FleetStore,
        *,
        known: "Callable[[], Iterable[tuple[Key, Destination]]]",
        find: "Callable[[Key], Destination | None]",
    ) -> None:
        """Know of nothing yet.

        Args:
            store: where gateways tell each other.
            known: the endpoints that had something to do here.
            find: gives an endpoint, made where it had nothing to do yet; None for one that the rulebook has not.
        """
        self._store = store
        self._known = known
        self._find = find
        self._there: dict[Key, EndpointPause] = {}
        """What the store says, as far as is known."""
        self._here: dict[Key, EndpointPause] = {}
        """How things stood here when they were last told or taken over."""

    def is_told(self, key: "Key", destination: Destination, now: int) -> bool:
        """Say whether the others can know how an endpoint stands here."""
        return destination.pause_for_all(*key, now) == self._seen_here(key, now)

    async def tell(self, now: int) -> None:
        """Tell the others what was found out here since; raise StoreUnavailable."""
        for key, destination in list(self._known()):
            here = destination.pause_for_all(*key, now)
            if here != self._seen_here(key, now):
                await self._store.save_pause(here)
                self._there[key] = self._here[key] = here

    async def lift(self, key: "Key") -> None:
        """Tell the others that nothing keeps them from an endpoint, by somebody's word; raise StoreUnavailable."""
        over = EndpointPause(org_id=key[0], name=key[1])
        await self._store.save_pause(over)
        self._there[key] = self._here[key] = over

    async def hear(self, now: int) -> list["Key"]:
        """Take over what others found out; of which endpoints. Raises StoreUnavailable."""
        stored = {(each.org_id, each.name): each for each in await self._store.pauses()}
        changed = []
        for key in {**self._there, **stored}:
            over = EndpointPause(org_id=key[0], name=key[1])
            there = stored.get(key, over)
            if there == self._there.get(key, over):
                continue
            self._there[key] = there
            destination = self._find(key)
            if destination is not None and self.is_told(key, destination, now):
                destination.follow(there, now)
                self._here[key] = destination.pause_for_all(*key, now)
                changed.append(key)
        return changed

    def _seen_here(self, key: "Key", now: int) -> EndpointPause:
        seen = self._here.get(key) or EndpointPause(org_id=key[0], name=key[1])
        return seen if seen.asked_until > now or not seen.asked_until else _without_word(seen)


def _without_word(pause: EndpointPause) -> EndpointPause:
    """Forget what an endpoint asked for: it is over."""
    return EndpointPause(
        org_id=pause.org_id,
        name=pause.name,
        breaker=pause.breaker,
        probe_at=pause.probe_at,
        pause_ms=pause.pause_ms,
    )
