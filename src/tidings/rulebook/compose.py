"""From a decided delivery to the message that goes out: pure, so that every attempt composes the same bytes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from tidings.errors import TidingsError
from tidings.events import addresses_among, native_view
from tidings.events.v1.event_pb2 import Event
from tidings.links import Links, MakeLinks, Reader, no_links
from tidings.model import SERVICE, Brand, Contact, Delivery, Email, Endpoint, RecipientKind, WebhookCall
from tidings.render import TemplateSet
from tidings.rulebook.book import Rulebook
from tidings.rulebook.operations import ALERT_RULE, alert_email
from tidings.rules import EmailAction, Gathered, WebhookAction, webhook_payload
from tidings.rules.subject import BoundExpressions

_NO_LINKS: Final = Links()


class ComposeFailed(TidingsError):
    """The delivery can never be composed: its rule, brand or endpoint is not in its own rulebook."""

    reason = "COMPOSE_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """There is nobody to send to; ``reason`` says why."""

    reason: str


class PlainWebhook(NamedTuple):
    """What the webhooks of one action about one kind of event to one endpoint share, where the hour says nothing."""

    action: WebhookAction
    endpoint: Endpoint
    zone: ZoneInfo
    bound: BoundExpressions
    retry: tuple[int, ...] | None
    """The pauses that the rule asks for, milliseconds."""

    def body(self, event: Event, *, now: int) -> bytes:
        """Return the same body as ``compose``; ``now`` is when the delivery was decided."""
        return webhook_payload(self.action, event, now=now, zone=self.zone, bound=self.bound)


def plain_webhook(rulebook: Rulebook, delivery: Delivery) -> PlainWebhook | None:
    """Return what is alike in all deliveries that differ from this one in their event alone.

    None for what is no webhook, counts against a throttle or gathers, and for what cannot be composed.
    """
    rule = rulebook.rules.rule(delivery.rule_id)
    brand = rulebook.rules.brands.get(delivery.org_id)
    if rule is None or brand is None or delivery.action >= len(rule.actions):
        return None
    action, timing = rule.actions[delivery.action], rule.timing
    endpoint = brand.endpoint(delivery.recipient.name)
    if endpoint is None or not isinstance(action, WebhookAction):
        return None
    if timing.throttle is not None or timing.digest is not None:
        return None
    return PlainWebhook(action, endpoint, brand.time_zone, rulebook.rules.bound(delivery.event_name), rule.retry)


def compose(
    rulebook: Rulebook,
    delivery: Delivery,
    event: Event,
    contact: Contact | None,
    *,
    gathered: Gathered | None = None,
    links: MakeLinks = no_links,
) -> Email | WebhookCall | Unreachable:
    """Build the message of a delivery with the rulebook that decided it.

    Args:
        rulebook: of the delivery's own revision.
        delivery: what was decided.
        event: the event it was decided on; of a digest, the latest.
        contact: the customer the event concerns, when the directory knows them.
        gathered: what a digest tells of; of that event alone when absent.
        links: makes the links by which readers unsubscribe.

    Raises:
        ComposeFailed: the rulebook lacks what the delivery names.
        tidings.render.RenderError: the template cannot be rendered for this event.
    """
    rule = rulebook.rules.rule(delivery.rule_id)
    brand = rulebook.rules.brands.get(delivery.org_id)
    if brand is not None and delivery.rule_id == ALERT_RULE:
        return alert_email(brand, delivery, event)
    if rule is None or brand is None or delivery.action >= len(rule.actions):
        raise ComposeFailed(
            f"revision {delivery.revision} has no action {delivery.action} of rule {delivery.rule_id!r} "
            f"for organisation {delivery.org_id}"
        )
    action = rule.actions[delivery.action]
    gathered = gathered or Gathered((event,))
    if isinstance(action, WebhookAction):
        together = None if rule.timing.digest is None else gathered
        return _webhook(rulebook, action, brand, delivery, event, together)
    asks = action.asks_consent and rule.category != SERVICE
    make = partial(links_of, links, delivery, rule.category) if asks else _no_links
    return _email(rulebook, action, brand, delivery, gathered, contact, make)


def recipient_address(delivery: Delivery, event: Event, contact: Contact | None) -> str | Unreachable:
    """Return the address that an e-mail would go to: its own, the directory's, or the one the event carries."""
    return _address(delivery, lambda: native_view(event), contact)


def _webhook(
    rulebook: Rulebook,
    action: WebhookAction,
    brand: Brand,
    delivery: Delivery,
    event: Event,
    gathered: Gathered | None,
) -> WebhookCall:
    endpoint = brand.endpoint(delivery.recipient.name)
    if endpoint is None:
        raise ComposeFailed(f"organisation {brand.org_id} has no endpoint {delivery.recipient.name!r}")
    bound = rulebook.rules.bound(delivery.event_name)
    body = webhook_payload(action, event, now=delivery.created_at, zone=brand.time_zone, bound=bound, gathered=gathered)
    return WebhookCall(delivery_id=delivery.id, endpoint=endpoint, body=body)


def _email(
    rulebook: Rulebook,
    action: EmailAction,
    brand: Brand,
    delivery: Delivery,
    gathered: Gathered,
    contact: Contact | None,
    make_links: Callable[[str], Links | None],
) -> Email | Unreachable:
    view = gathered.view()
    address = _address(delivery, lambda: view, contact)
    if isinstance(address, Unreachable):
        return address
    letter = Letter(rulebook.templates, action.template, brand, brand_view(brand))
    return letter.written(delivery, view, contact, address, make_links(address))


class Letter(NamedTuple):
    """What a brand sends by one template."""

    templates: TemplateSet
    template: str
    brand: Brand
    brand_view: Mapping[str, Any]
    """The brand as templates see it."""

    def written(
        self, delivery: Delivery, view: Mapping[str, Any], contact: Contact | None, address: str, links: Links | None
    ) -> Email:
        """Return the e-mail; ``view`` has of the event, or of a digest, what the template reads. Raise RenderError."""
        brand = self.brand
        reader = contact if delivery.recipient.kind is RecipientKind.CUSTOMER else None
        own = None if reader is None else reader.locale
        locales = (own, brand.locale, "en") if own else (brand.locale, "en")
        links = links or _NO_LINKS
        context = {
            **view,
            "brand": self.brand_view,
            "contact": _contact_view(contact),
            "unsubscribe_url": links.unsubscribe,
            "preferences_url": links.preferences,
        }
        # Dates and numbers are for whoever reads them: a message to the brand about a customer is in the brand's zone.
        zone = (reader and reader.time_zone) or brand.time_zone.key
        rendered = self.templates.render(self.template, locales=locales, zone=zone, context=context)
        return Email(
            delivery_id=delivery.id,
            sender=brand.sender,
            recipient=address,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            date=delivery.created_at,
            preheader=rendered.preheader,
            locale=rendered.locale,
            headers=links.headers,
        )


def links_of(make: MakeLinks, delivery: Delivery, category: str, address: str) -> Links:
    """Return the links of an e-mail that somebody may object to."""
    reader = Reader(
        org_id=delivery.org_id,
        customer_id=delivery.customer_id or None,
        category=category,
        delivery_id=delivery.id,
    )
    return make(reader, address=address)


def _no_links(_: str) -> None:
    """Return none: what a reader needs to know cannot be unsubscribed from, and a brand's own desk does not."""


def _address(delivery: Delivery, view: Callable[[], Mapping[str, Any]], contact: Contact | None) -> str | Unreachable:
    if delivery.recipient.kind is RecipientKind.ADDRESS:
        return delivery.recipient.name
    if not delivery.recipient.name:
        return Unreachable(reason="the event names no customer")
    if contact is not None and contact.email:
        return contact.email
    known = next(_addresses_in(view()), None)
    if known:
        return known
    return Unreachable(reason=f"no e-mail address is known for customer {delivery.recipient.name}")


def _addresses_in(view: Mapping[str, Any]) -> Iterator[str]:
    """Addresses that the event itself carries for its customer, channel by channel."""
    return addresses_among((view.get("data") or {}).get("customerIdentifiers"))


def template_context(
    view: Mapping[str, Any], brand: Brand, contact: Contact | None, links: Links | None = None
) -> dict[str, Any]:
    """Return what a template sees: the native view of an event, the brand, what is known of the customer, the links.

    Beside them ``events`` and ``more``; a view that has them not is that of the only event.
    """
    links = links or Links()
    return {
        "events": [view],
        "more": 0,
        **view,
        "brand": brand_view(brand),
        "contact": _contact_view(contact),
        "unsubscribe_url": links.unsubscribe,
        "preferences_url": links.preferences,
    }


def brand_view(brand: Brand) -> dict[str, Any]:
    """Return the fields of a brand; a logo or an address that it does not have is left out."""
    fields = {
        "org": brand.org_id,
        "name": brand.name,
        "locale": brand.locale,
        "time_zone": brand.time_zone.key,
        "logo": brand.logo,
        "address": brand.address,
    }
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    colours = brand.colours
    given["colours"] = {
        "primary": colours.primary,
        "text": colours.text,
        "background": colours.background,
        "link": colours.link,
    }
    return given


def _contact_view(contact: Contact | None) -> dict[str, Any]:
    if contact is None:
        return {}
    fields = {
        "customer_id": contact.customer_id,
        "email": contact.email,
        "name": contact.name,
        "locale": contact.locale,
        "time_zone": contact.time_zone,
        "attributes": contact.attributes,
    }
    return {name: value for name, value in fields.items() if value is not None}
