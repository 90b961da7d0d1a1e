"""The endpoints that deliveries go to: found by name, configured by the live rulebook, remembered across restarts."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from tidings.dispatch.breaker import BreakerState, CircuitBreaker
from tidings.dispatch.destination import Destination
from tidings.dispatch.health import WORTH_KEEPING_MS, Ended, EndpointHealth
from tidings.dispatch.pauses import Pauses
from tidings.dispatch.settings import DispatchSettings
from tidings.dispatch.standing import Standing
from tidings.errors import TidingsError
from tidings.model import Accepted, Attempted, Delivery, Endpoint, Gone
from tidings.rulebook import Rulebook
from tidings.store import Ask, EndpointState, Store
from tidings.telemetry import events, get_logger
from tidings.telemetry.metrics import Metrics

log = get_logger()

OnDisabled = Callable[[Endpoint, str, int], Awaitable[None]]
"""Told that an endpoint is disabled, why, and since when (epoch milliseconds).

Told again when it could not take it in, and by two gateways that disable an endpoint in the same millisecond: what has
the same endpoint and time is the same piece of news.
"""

Key = tuple[int, str]
"""Organisation and name of an endpoint."""

_GONE: Final = 410
"""A status that says all there is to say."""
_DEFAULT_CONCURRENCY: Final = 16


class Endpoints:
    """Every endpoint that had something to do, with its limits, breaker and health.

    An endpoint is used as the live rulebook has it, whichever revision decided a delivery: limits, secrets and a
    new url count at once. One that the rulebook no longer has is used as it was.
    """

    def __init__(
        self, *, store: Store, metrics: Metrics, settings: DispatchSettings, on_disabled: OnDisabled | None = None
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._settings = settings
        self._on_disabled = on_disabled
        self._rulebook: Rulebook | None = None
        self._destinations: dict[Key, Destination] = {}
        self._health: dict[Key, EndpointHealth] = {}
        self._keys: dict[Destination, Key] = {}
        self._shown: dict[Key, BreakerState] = {}
        self._to_announce: dict[Key, tuple[Endpoint, str]] = {}
        """Endpoints that were disabled here, and why, until the store knows it and it has been told."""
        self._restored = False
        self._booked: Mapping[Key, int] = {}
        """Until when times of rates were booked when this gateway became the only one, microseconds."""
        self.shared = False
        """Whether other gateways send too."""
        self._saves = 0
        self._pauses = Pauses(store.fleet, known=self._destinations.items, find=self._find_or_add)
        self.on_news: Callable[[], None] | None = None
        """Is told when there is something that other gateways should know soon; None while there are none."""
        self.weights: Mapping[int, int] = MappingProxyType({})
        """Shares of brands that have another one than 1."""

    async def restore(self) -> None:
        """Read what the store remembers, once, before anything else is done; raise StoreUnavailable."""
        states = () if self._restored else await self._store.endpoint_states()
        if not self._restored:
            self._restored = True
            for state in states:
                self._health[state.org_id, state.name] = EndpointHealth(state.org_id, state.name, state)

    async def follow(self) -> None:
        """Take over what other processes have made of endpoints since; raise StoreUnavailable."""
        saves = self._saves
        states = {(each.org_id, each.name): each for each in await self._store.endpoint_states()}
        if self._saves != saves:  # what was read may be older than what we know
            return
        for key in {**self._health, **states}:
            health = self._health.setdefault(key, EndpointHealth(*key))
            state = states.get(key) or EndpointState(org_id=key[0], name=key[1])
            if health.follow(state) and key in self._destinations:
                self._destinations[key].forgive()
                self._show_breaker(key)

    async def tell_and_hear(self, now: int) -> None:
        """Let other gateways know what keeps deliveries from endpoints, and hear it of them; raise StoreUnavailable."""
        await self._pauses.tell(now)
        for key in await self._pauses.hear(now):
            self._show_breaker(key)

    def _find_or_add(self, key: Key) -> Destination | None:
        if key in self._destinations:
            return self._destinations[key]
        return None if _find(self._rulebook, key) is None else self._add(key)

    def use(self, rulebook: Rulebook) -> None:
        """Take limits and urls from this rulebook from now on."""
        if rulebook is self._rulebook:
            return
        self._rulebook = rulebook
        brands = rulebook.rules.brands
        self.weights = MappingProxyType({org: brand.weight for org, brand in brands.items() if brand.weight != 1})
        for key in set(self._destinations) | set(self._health):
            endpoint = _find(rulebook, key)
            if endpoint is None:
                self._let_go(key)
            else:
                self._configure(key, endpoint)

    def destination(self, delivery: Delivery) -> Destination:
        """Return where a webhook goes."""
        key = (delivery.org_id, delivery.recipient.name)
        return self._destinations.get(key) or self._add(key)

    def destinations(self) -> list[Destination]:
        """Return every endpoint that had something to do."""
        return list(self._destinations.values())

    def standing(self, endpoint: Endpoint, now: int) -> Standing:
        """Say how an endpoint does."""
        key = (endpoint.org_id, endpoint.name)
        health, destination = self._health.get(key), self._destinations.get(key)
        return Standing(
            endpoint=endpoint,
            failing_since=None if health is None else health.failing_since,
            disabled_at=None if health is None else health.disabled_at,
            reason="" if health is None else health.reason,
            pause=None if destination is None else destination.pause(now),
        )

    async def lift_pause(self, org_id: int, name: str) -> None:
        """Let other gateways use an endpoint at once as well; raise StoreUnavailable."""
        await self._pauses.lift((org_id, name))

    def enable(self, org_id: int, name: str) -> None:
        """Put an endpoint back into use, whatever kept deliveries from it. ``save`` makes it last."""
        key = (org_id, name)
        if key in self._health:
            self._health[key].enable()
        if key in self._destinations:
            self._destinations[key].forgive()
            self._show_breaker(key)

    def is_well(self, endpoint: Endpoint) -> bool:
        """Say whether that it took a message is nothing new of an endpoint, so that there is nothing to ``record``."""
        key = (endpoint.org_id, endpoint.name)
        health = self._health.get(key)
        return (health is None or health.failing_since is None) and self._has_moved(key) is None

    async def record(self, endpoint: Endpoint, outcome: Attempted, *, now: int) -> None:
        """Follow how an endpoint does, and disable it when it is gone or has failed for too long."""
        key = (endpoint.org_id, endpoint.name)
        if (self._show_breaker(key) or not isinstance(outcome, Accepted)) and self.on_news is not None:
            self.on_news()
        health = self._health.get(key)
        if isinstance(outcome, Accepted):
            if health is not None and health.failing_since is not None:
                health.succeeded()
                await self._keep(health, now)
            return
        if health is None or health.disabled_at is not None:
            return
        health.failed(now)
        if isinstance(outcome, Gone):
            await self._disable(endpoint, "gone", _farewell(outcome), now)
        elif health.is_worn_out(now, after=int(self._settings.disable_after * 1000)):
            await self._disable(
                endpoint, "failing", f"it has failed for too long, the last time: {outcome.detail}", now
            )
        else:
            await self._keep(health, now)

    async def save(self, now: int, *, leaving: bool = False) -> None:
        """Let the store remember whatever it does not yet; what it cannot take is tried again with the next call.

        ``leaving`` says that this is the last call, which keeps even what has only just begun.
        """
        for health in list(self._health.values()):
            if not await self._keep(health, now, leaving=leaving):
                return

    async def _keep(self, health: EndpointHealth, now: int, *, leaving: bool = False) -> bool:
        state = health.to_store(now, at_least=0 if leaving else WORTH_KEEPING_MS)
        if state is None:
            await self._announce(health)
            return True
        self._saves += 1
        try:
            stands = await self._store.save_endpoint_state(state)
        except TidingsError as error:
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
            return False
        if stands:
            health.kept(state)
            await self._announce(health)
        else:  # another gateway has disabled it, and said so; why is read with the next look
            self._to_announce.pop((state.org_id, state.name), None)
        return True

    async def _announce(self, health: EndpointHealth) -> None:
        """Say that an endpoint is disabled now that the store knows it by this gateway's word, and by no other's."""
        key = (health.org_id, health.name)
        told = self._to_announce.pop(key, None)
        if told is None or health.disabled_at is None or self._on_disabled is None:
            return
        try:
            await self._on_disabled(*told, health.disabled_at)
        except TidingsError as error:  # the store is away or has too much to do: once more with the next save
            self._to_announce.setdefault(key, told)
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
        except Exception:
            log.exception(events.ENDPOINT_DISABLED, org_id=health.org_id, endpoint=health.name, why="untold")

    async def _disable(self, endpoint: Endpoint, why: Ended, reason: str, now: int) -> None:
        health = self._health[endpoint.org_id, endpoint.name]
        health.disable(now, reason, url=endpoint.url)
        self._metrics.endpoints_disabled.labels(why).inc()
        log.error(events.ENDPOINT_DISABLED, org_id=endpoint.org_id, endpoint=endpoint.name, why=why)
        self._to_announce[endpoint.org_id, endpoint.name] = (endpoint, reason)
        await self._keep(health, now)

    def _add(self, key: Key) -> Destination:
        health = self._health.setdefault(key, EndpointHealth(*key))
        made = self._destinations[key] = Destination(
            f"endpoint {key[1]}",
            concurrency=_DEFAULT_CONCURRENCY,
            share=self._settings.share,
            breaker=CircuitBreaker(self._settings.breaker),
            health=health,
        )
        self._keys[made] = key
        endpoint = _find(self._rulebook, key)
        if endpoint is not None:
            self._configure(key, endpoint)
        if self.shared:
            made.share_from_now_on()
        else:
            made.have_alone(free_at=self._booked.get(key, 0))
        return made

    # Sharing with other gateways

    def key_of(self, destination: Destination) -> Key:
        """Return the organisation and name of an endpoint."""
        return self._keys[destination]

    def in_use(self) -> list[Destination]:
        """Return the endpoints of which something is held, or waits for it."""
        return [each for each in self._destinations.values() if not each.idle or (each.share and each.share.slots)]

    def share(self) -> tuple[Ask, ...]:
        """Use no more than what is under way until the store has given more; what is held, for the store."""
        self.shared = True
        told = [(key, each, each.share_from_now_on()) for key, each in self._destinations.items()]
        return tuple(each.ask(*key, booked_until=until) for key, each, until in told if until or each.sending)

    def close_shares(self) -> None:
        """Use nothing of what was held: others may have it by now."""
        for each in self._destinations.values():
            if each.share is not None:
                each.share.close()

    def have_alone(self, booked: Mapping[Key, int]) -> None:
        """Take all of every endpoint; times of rates that are booked, until when given in microseconds, stay so."""
        self.shared = False
        self._booked = booked
        for key, each in self._destinations.items():
            each.have_alone(free_at=booked.get(key, 0))

    def _configure(self, key: Key, endpoint: Endpoint) -> None:
        health = self._health[key]
        if health.disabled_at is not None and not health.was_disabled_at(endpoint.url):
            health.enable()
        if key in self._destinations:
            self._destinations[key].configure(endpoint)

    def _let_go(self, key: Key) -> None:
        """Forget an endpoint that the rulebook no longer has, once nothing is under way; the store remembers."""
        destination = self._destinations.get(key)
        if destination is not None and destination.idle:
            del self._keys[self._destinations.pop(key)]
            if self._health[key].disabled_at is None:
                del self._health[key]
        if self._shown.pop(key, None) is not None:
            self._metrics.endpoint_breaker.remove(str(key[0]), key[1])

    def _show_breaker(self, key: Key) -> bool:
        """Say whether it has moved."""
        state = self._has_moved(key)
        if state is None:
            return False
        self._shown[key] = state
        self._metrics.endpoint_breaker.labels(str(key[0]), key[1]).set(int(state))
        return True

    def _has_moved(self, key: Key) -> BreakerState | None:
        """Return where an endpoint's breaker stands, if that is not what is shown."""
        destination = self._destinations.get(key)
        if destination is None or destination.breaker is None or destination.endpoint is None:
            return None
        state = destination.breaker.state
        return None if self._shown.get(key, BreakerState.CLOSED) is state else state


def _farewell(outcome: Gone) -> str:
    if outcome.status_code == _GONE:
        return "it answered 410 Gone"
    return f"it answered {outcome.status_code} and asked for it (webhook-delivery: disable)"


def _find(rulebook: Rulebook | None, key: Key) -> Endpoint | None:
    brand = None if rulebook is None else rulebook.rules.brands.get(key[0])
    return None if brand is None else brand.endpoint(key[1])
