"""From a leased delivery to what its channel says: find its rulebook, compose, send."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tidings.channels import EmailChannel, WebhookChannel
from tidings.dispatch.allowance import claim_of, refusal
from tidings.dispatch.destination import Hold, Stop
from tidings.dispatch.permission import Permission, clearly_allowed
from tidings.dispatch.timing import Occasion, hold_back, zone_of
from tidings.errors import NotFound
from tidings.events import event_name, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import Expression
from tidings.links import MakeLinks, no_links
from tidings.model import Channel, Contact, Delivery, Email, Endpoint, Outcome, Refused, WebhookCall
from tidings.render import RenderError
from tidings.rulebook import (
    ComposeFailed,
    InvalidRulebook,
    PlainEmail,
    PlainWebhook,
    Rulebook,
    Rulebooks,
    Unreachable,
    compose,
    plain_email,
    plain_webhook,
    recipient_address,
)
from tidings.rules import Gathered
from tidings.store import Known, Leased, Store

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTrace

MOST_TOLD: Final = 200
"""How many events, the latest, a digest tells of; of the rest it gives the number."""

_new: Final = tuple.__new__
_NOTHING_KNOWN: Final = Known(None, ())


class Sent(NamedTuple):
    """What came of an attempt."""

    outcome: Outcome
    endpoint: Endpoint | None = None
    """Where it went; None for an e-mail and for what could not be composed."""
    retry: tuple[int, ...] | None = None
    """The pauses that its rule asks for, milliseconds; None: it leaves them to the endpoint and the channel."""


Obstacle = Unreachable | Hold | Stop
"""What keeps a message from being sent, for now or for good."""


_PlainKey = tuple[str, int, int, str, str]
"""Rule, action, organisation, endpoint (none of an e-mail) and event by name."""


class _Found(NamedTuple):
    """What was looked up for a delivery."""

    delivery: Delivery
    rulebook: Rulebook
    event: Event
    known: Known
    occasion: Occasion | None
    gathered: Gathered | None = None
    """What a digest tells of."""


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
        links: MakeLinks = no_links,
    ) -> None:
        self._links = links
        self._store = store
        self._rulebooks = rulebooks
        self._email = email
        self._webhook = webhook
        self._clock = clock
        self._plain: dict[_PlainKey, PlainWebhook | PlainEmail | None] = {}
        self._plain_book: Rulebook | None = None
        self._permission = Permission(store=store, rulebooks=rulebooks, clock=clock)

    def send(
        self, leased: Leased, endpoint: Endpoint | None, trace: "DeliveryTrace | None" = None
    ) -> Coroutine[Any, Any, Sent | Obstacle]:
        """Ask the gates, compose and send.

        Args:
            leased: what to send.
            endpoint: how the live rulebook has its endpoint; None: as the delivery's own rulebook has it.
            trace: what to note the moments of it in.
        """
        rulebook = self._rulebooks.current
        if rulebook.revision != leased.delivery.revision:
            return self._send_past(leased, endpoint, trace)
        return self._send_by(rulebook, leased, endpoint, trace)

    async def _send_past(
        self, leased: Leased, endpoint: Endpoint | None, trace: "DeliveryTrace | None"
    ) -> Sent | Obstacle:
        try:
            rulebook = await self._rulebooks.get(leased.delivery.revision)
        except (InvalidRulebook, NotFound) as error:
            return Sent(Refused(detail=str(error)))
        return await self._send_by(rulebook, leased, endpoint, trace)

    def _send_by(
        self, rulebook: Rulebook, leased: Leased, endpoint: Endpoint | None, trace: "DeliveryTrace | None"
    ) -> Coroutine[Any, Any, Sent | Obstacle]:
        if leased.event:
            plain = self._plain_of(rulebook, leased.delivery)
            if isinstance(plain, PlainWebhook):
                return self._send_plain(plain, leased, endpoint, trace)
            if plain is not None and rulebook is self._rulebooks.current:  # a brand's consent and hours are today's
                return self._send_plain_email(plain, rulebook, leased, trace)
        return self._send_gated(rulebook, leased, endpoint, trace)

    async def _send_gated(
        self, rulebook: Rulebook, leased: Leased, endpoint: Endpoint | None, trace: "DeliveryTrace | None"
    ) -> Sent | Obstacle:
        try:
            found = await self._find(leased, rulebook)
            if not isinstance(found, _Found):
                return found
            stopped = await self._stopped(found)
            if stopped is not None:
                return stopped
            message = self._composed(found)
        except (ComposeFailed, RenderError) as error:
            return Sent(Refused(detail=str(error)))
        if isinstance(message, Unreachable):
            return message
        uncounted = await self._uncounted(found)
        if uncounted is not None:
            return uncounted
        if trace is not None:
            trace.note_message()
            if isinstance(message, WebhookCall):
                message = message._replace(traceparent=trace.traceparent)
        return await self._carry(found, message, endpoint)

    def _plain_of(self, rulebook: Rulebook, delivery: Delivery) -> PlainWebhook | PlainEmail | None:
        """Return what such deliveries share; it is kept for as long as deliveries of the same rulebook come."""
        if rulebook is not self._plain_book:
            self._plain_book, self._plain = rulebook, {}
        is_webhook = delivery.channel is Channel.WEBHOOK
        endpoint = delivery.recipient.name if is_webhook else ""
        key = (delivery.rule_id, delivery.action, delivery.org_id, endpoint, delivery.event_name)
        try:
            return self._plain[key]
        except KeyError:
            plain = self._plain[key] = (plain_webhook if is_webhook else plain_email)(rulebook, delivery)
            return plain

    async def _send_plain(
        self, plain: PlainWebhook, leased: Leased, endpoint: Endpoint | None, trace: "DeliveryTrace | None"
    ) -> Sent:
        """Send a webhook that no gate is asked about and for which nothing is looked up."""
        delivery = leased.delivery
        body = plain.body(Event.FromString(leased.event), now=delivery.created_at)
        traceparent = ""
        if trace is not None:
            trace.note_message()
            traceparent = trace.traceparent
        where = plain.endpoint if endpoint is None else endpoint
        call = _new(WebhookCall, (delivery.id, where, body, traceparent))
        return _new(Sent, (await self._webhook.send(call, now=self._clock()), where, plain.retry))

    async def _send_plain_email(
        self, plain: PlainEmail, rulebook: Rulebook, leased: Leased, trace: "DeliveryTrace | None"
    ) -> Sent | Obstacle:
        """Send an e-mail that may go at any hour: its reader is asked, and nobody else."""
        delivery = leased.delivery
        known = await self._known(delivery)
        if rulebook is not self._rulebooks.current:  # replaced meanwhile: whether this is plain is to be asked anew
            return await self._send_gated(rulebook, leased, None, trace)
        event = Event.FromString(leased.event)
        address = recipient_address(delivery, event, known.contact)
        if isinstance(address, Unreachable):
            return address
        if not clearly_allowed(plain.asks, plain.rule.category, plain.brand, known, address):
            stopped = await self._permission.stop(delivery, rulebook, known, address)
            if stopped is not None:
                return stopped
        try:
            message = plain.message(delivery, event, known.contact, address, links=self._links)
        except (ComposeFailed, RenderError) as error:
            return Sent(Refused(detail=str(error)))
        if trace is not None:
            trace.note_message()
        outcome = await self._email.send(message)
        if isinstance(outcome, Refused):
            await self._permission.learn(delivery, message, outcome)
        return Sent(outcome, None, plain.rule.retry)

    async def _find(self, leased: Leased, rulebook: Rulebook) -> _Found | Sent | Stop:
        """Look up what a message is made of, and by what its gates go; or say why there is nothing to send."""
        delivery = leased.delivery
        rule = rulebook.rules.rule(delivery.rule_id)
        if rule is not None and rule.timing.digest is not None:
            return await self._find_gathered(delivery, rulebook)
        if not leased.event:
            return Sent(Refused(detail="what its event said was erased"))
        event = Event.FromString(leased.event)
        known = await self._known(delivery)
        return _Found(delivery, rulebook, event, known, self._occasion(delivery, rulebook, event, known.contact))

    async def _find_gathered(self, delivery: Delivery, rulebook: Rulebook) -> _Found | Stop:
        """Look up a digest: it is as if it had been decided on its latest event, when it had gathered."""
        held = await self._store.gathered(delivery.id, now=self._clock(), most=MOST_TOLD)
        if held is None:
            return Stop(reason="nothing is left of what it has gathered")
        gathered = Gathered(tuple(map(Event.FromString, held.events)), held.more)
        event = gathered.events[-1]
        delivery = delivery._replace(event_name=event_name(event), created_at=held.until)
        known = await self._known(delivery)
        occasion = self._occasion(delivery, rulebook, event, known.contact)
        occasion = None if occasion is None else replace(occasion, until=held.until)
        return _Found(delivery, rulebook, event, known, occasion, gathered)

    async def _known(self, delivery: Delivery) -> Known:
        if delivery.channel is not Channel.EMAIL or not delivery.customer_id:
            return _NOTHING_KNOWN
        return await self._store.get_reader(delivery.org_id, delivery.customer_id, now=self._clock())

    def _composed(self, found: _Found) -> Email | WebhookCall | Unreachable:
        contact, gathered = found.known.contact, found.gathered
        return compose(found.rulebook, found.delivery, found.event, contact, gathered=gathered, links=self._links)

    async def _stopped(self, found: _Found) -> Obstacle | None:
        """Ask what time it is for the message, and whether its reader lets it come: before composing it costs work."""
        held = None if found.occasion is None else hold_back(found.occasion)
        if held is not None or found.delivery.channel is not Channel.EMAIL:
            return held
        address = recipient_address(found.delivery, found.event, found.known.contact)
        if isinstance(address, Unreachable):
            return address
        return await self._permission.stop(found.delivery, found.rulebook, found.known, address)

    async def _uncounted(self, found: _Found) -> Obstacle | None:
        """Count a message that is ready to go against its limits, or say which has no room for it."""
        claim = None if found.occasion is None else claim_of(found.occasion)
        if found.occasion is None or claim is None:
            return None
        return refusal(found.occasion, await self._store.reserve(claim))

    async def _carry(self, found: _Found, message: Email | WebhookCall, endpoint: Endpoint | None) -> Sent:
        rule = found.rulebook.rules.rule(found.delivery.rule_id)
        retry = None if rule is None else rule.retry
        if isinstance(message, Email):
            outcome = await self._email.send(message)
            await self._permission.learn(found.delivery, message, outcome)
            return Sent(outcome, retry=retry)
        if endpoint is not None and message.endpoint is not endpoint:
            message = message._replace(endpoint=endpoint)
        return Sent(await self._webhook.send(message, now=self._clock()), message.endpoint, retry)

    def _occasion(
        self, delivery: Delivery, rulebook: Rulebook, event: Event, contact: Contact | None
    ) -> Occasion | None:
        """Return what the gates of timing are asked about; None for what passes them all: no rule decided it."""
        rule = rulebook.rules.rule(delivery.rule_id)
        brand = self._rulebooks.current.rules.brands.get(delivery.org_id) or rulebook.rules.brands.get(delivery.org_id)
        if rule is None or brand is None:
            return None
        timing = rule.timing
        if delivery.channel is Channel.WEBHOOK and timing.throttle is None and timing.digest is None:
            return None

        def evaluate(expression: Expression) -> Any:
            return expression.search(native_view(event), now=delivery.created_at, zone=brand.time_zone)

        zone = zone_of(contact, brand)
        return Occasion(delivery=delivery, rule=rule, brand=brand, zone=zone, now=self._clock(), evaluate=evaluate)
