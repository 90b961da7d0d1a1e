"""From a leased delivery to what its channel says: find its rulebook, compose, send."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tidings.channels import EmailChannel, WebhookChannel
from tidings.dispatch.allowance import claim_of, refusal
from tidings.dispatch.destination import Hold, Stop
from tidings.dispatch.permission import Permission
from tidings.dispatch.timing import Occasion, hold_back, zone_of
from tidings.errors import NotFound
from tidings.events import native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import Expression
from tidings.model import Channel, Contact, Delivery, Email, Endpoint, Outcome, Refused
from tidings.render import RenderError
from tidings.rulebook import ComposeFailed, InvalidRulebook, Rulebook, Rulebooks, Unreachable, compose
from tidings.store import Leased, Store


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of an attempt."""

    outcome: Outcome
    endpoint: Endpoint | None = None
    """Where it went; None for an e-mail and for what could not be composed."""
    retry: tuple[int, ...] | None = None
    """The pauses that its rule asks for, milliseconds; None: it leaves them to the endpoint and the channel."""


class Sender:
    """Sends one delivery. Every attempt composes the same bytes, with the rulebook that decided it."""

    def __init__(
        self,
        *,
        store: Store,
        rulebooks: Rulebooks,
        email: EmailChannel,
        webhook: WebhookChannel,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._email = email
        self._webhook = webhook
        self._clock = clock
        self._permission = Permission(store=store, rulebooks=rulebooks, clock=clock)

    async def send(self, leased: Leased, endpoint: Endpoint | None) -> Sent | Unreachable | Hold | Stop:
        """Ask the gates, compose and send.

        Args:
            leased: what to send.
            endpoint: how the live rulebook has its endpoint; None: as the delivery's own rulebook has it.
        """
        delivery = leased.delivery
        if not leased.event:
            return Sent(Refused(detail="what its event said was erased"))
        try:
            rulebook = await self._rulebook(delivery.revision)
            event = Event.FromString(leased.event)
            contact = (
                await self._store.get_contact(delivery.org_id, delivery.customer_id)
                if delivery.channel is Channel.EMAIL and delivery.customer_id
                else None
            )
            occasion = self._occasion(delivery, rulebook, event, contact)
            held = None if occasion is None else hold_back(occasion)
            if held is not None:
                return held
            message = compose(rulebook, delivery, event, contact)
        except (ComposeFailed, InvalidRulebook, NotFound, RenderError) as error:
            return Sent(Refused(detail=str(error)))
        if isinstance(message, Unreachable):
            return message
        refused = None if occasion is None else await self._count(occasion)
        if refused is not None:
            return refused
        rule = rulebook.rules.rule(delivery.rule_id)
        retry = None if rule is None else rule.retry
        if isinstance(message, Email):
            if (stopped := await self._permission.stop(delivery, rulebook, contact, message)) is not None:
                return stopped
            outcome = await self._email.send(message)
            await self._permission.learn(delivery, message, outcome)
            return Sent(outcome, retry=retry)
        if endpoint is not None and message.endpoint is not endpoint:
            message = replace(message, endpoint=endpoint)
        return Sent(await self._webhook.send(message, now=self._clock()), message.endpoint, retry)

    def _occasion(
        self, delivery: Delivery, rulebook: Rulebook, event: Event, contact: Contact | None
    ) -> Occasion | None:
        """Return what the gates of timing are asked about; None for what passes them all: no rule decided it."""
        rule = rulebook.rules.rule(delivery.rule_id)
        brand = self._rulebooks.current.rules.brands.get(delivery.org_id) or rulebook.rules.brands.get(delivery.org_id)
        if rule is None or brand is None:
            return None
        if delivery.channel is Channel.WEBHOOK and rule.timing.throttle is None:
            return None

        def evaluate(expression: Expression) -> Any:
            return expression.search(native_view(event), now=delivery.created_at, zone=brand.time_zone)

        zone = zone_of(contact, brand)
        return Occasion(delivery=delivery, rule=rule, brand=brand, zone=zone, now=self._clock(), evaluate=evaluate)

    async def _count(self, occasion: Occasion) -> Hold | Stop | None:
        """Count a message that is about to be sent; say what becomes of one that is too many."""
        claim = claim_of(occasion)
        return None if claim is None else refusal(occasion, await self._store.reserve(claim))

    async def _rulebook(self, revision: str) -> Rulebook:
        current = self._rulebooks.current
        return current if current.revision == revision else await self._rulebooks.get(revision)


def has_expired(delivery: Delivery, now: int) -> bool:
    """Say whether a delivery's time has passed."""
    return delivery.expires_at is not None and now >= delivery.expires_at
