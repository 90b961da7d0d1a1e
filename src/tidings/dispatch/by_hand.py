"""Hands on endpoints: see how each does, and put one back into use."""

from collections.abc import Callable
from dataclasses import dataclass

from tidings.dispatch.endpoints import Endpoints, Key
from tidings.dispatch.standing import Standing
from tidings.errors import NotFound
from tidings.model import Endpoint, Recipient, RecipientKind
from tidings.rulebook import Rulebooks
from tidings.store import Store
from tidings.telemetry import events, get_logger

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enabled:
    """An endpoint that was put back into use."""

    standing: Standing
    hastened: int
    """How many deliveries that waited for it go out now."""


class EndpointsByHand:
    """Looks after the endpoints of the live rulebook. Belongs to the dispatcher's loop."""

    def __init__(self, endpoints: Endpoints, *, rulebooks: Rulebooks, store: Store, clock: Callable[[], int]) -> None:
        self._endpoints = endpoints
        self._rulebooks = rulebooks
        self._store = store
        self._clock = clock

    async def list(self, org_id: int | None = None, *, after: Key | None = None, limit: int) -> tuple[Standing, ...]:
        """Say how endpoints do, by organisation and name.

        Args:
            org_id: whose; None: everybody's.
            after: begin after the endpoint of this organisation and name, be it there or not.
            limit: how many at most.

        Raises:
            StoreUnavailable: what was remembered of endpoints cannot be read.
        """
        await self._catch_up()
        brands = self._rulebooks.current.rules.brands
        wanted = [brand for org, brand in brands.items() if org_id in (None, org)]
        found = {(each.org_id, each.name): each for brand in wanted for each in brand.endpoints}
        keys = sorted(key for key in found if after is None or key > after)[:limit]
        now = self._clock()
        return tuple(self._endpoints.standing(found[key], now) for key in keys)

    async def enable(self, org_id: int, name: str) -> Enabled:
        """Put an endpoint back into use, whatever keeps deliveries from it, and let go what waits for it.

        What is held for it, or waits for another attempt, is due now. What was suppressed while it was disabled has
        ended, and is retried as any other. One that is in use already stays so, and its deliveries are due too.

        Raises:
            NotFound: the rulebook has no such endpoint.
            StoreUnavailable: what waits keeps its time; the endpoint may be in use.
        """
        await self._catch_up()
        endpoint = self._find(org_id, name)
        self._endpoints.enable(org_id, name)
        await self._endpoints.save(self._clock())
        await self._endpoints.lift_pause(org_id, name)
        recipient = Recipient(kind=RecipientKind.ENDPOINT, name=name)
        hastened = await self._store.hasten(org_id, recipient, now=self._clock())
        log.info(events.ENDPOINT_ENABLED, org_id=org_id, endpoint=name, hastened=hastened)
        return Enabled(standing=self._endpoints.standing(endpoint, self._clock()), hastened=hastened)

    async def _catch_up(self) -> None:
        await self._endpoints.restore()
        await self._endpoints.follow()
        self._endpoints.use(self._rulebooks.current)
        await self._endpoints.tell_and_hear(self._clock())

    def _find(self, org_id: int, name: str) -> Endpoint:
        brand = self._rulebooks.current.rules.brands.get(org_id)
        endpoint = None if brand is None else brand.endpoint(name)
        if endpoint is None:
            raise NotFound("endpoint", f"{org_id}/{name}")
        return endpoint
