"""What the gateway itself has to tell a brand: an event for the record, and an e-mail to those who look after it.

No rule decides these, so that no rulebook can silence them; they travel as deliveries like any other.
"""

from typing import Final

from tidings.events.v1.event_pb2 import Event, GenericEvent
from tidings.model import (
    Brand,
    Channel,
    Delivery,
    Email,
    Endpoint,
    PlannedDelivery,
    Recipient,
    RecipientKind,
    delivery_id,
)

ENDPOINT_DISABLED: Final = "tidings.endpointDisabled"
"""Name of the event."""

ALERT_RULE: Final = "tidings:endpoint-disabled"
"""What its deliveries carry in place of a rule; no rule of a rulebook can have a colon in its id."""


def endpoint_disabled(endpoint: Endpoint, reason: str, *, since: int) -> Event:
    """Build the event that says an endpoint gets no more webhooks since then, epoch milliseconds.

    Whoever says so of the same moment makes an event of the same name, of which the store keeps the first.
    """
    event = Event(
        event_id=f"endpoint-disabled-{endpoint.name}-{since}",
        org_id=endpoint.org_id,
        created_at=since,
        generic=GenericEvent(name=ENDPOINT_DISABLED),
    )
    event.generic.data.update({"endpoint": endpoint.name, "reason": reason})
    return event


def alerts(brand: Brand, event: Event, *, now: int) -> tuple[PlannedDelivery, ...]:
    """Plan an e-mail to each address that the brand gives for alerts."""
    recipients = (Recipient(kind=RecipientKind.ADDRESS, name=address) for address in brand.alerts_to)
    return tuple(
        PlannedDelivery(
            id=delivery_id(
                org_id=brand.org_id,
                event_id=event.event_id,
                rule_id=ALERT_RULE,
                action=0,
                recipient=recipient,
            ),
            rule_id=ALERT_RULE,
            action=0,
            channel=Channel.EMAIL,
            recipient=recipient,
            due_at=now,
        )
        for recipient in recipients
    )


def alert_email(brand: Brand, delivery: Delivery, event: Event) -> Email:
    """Write the e-mail of an alert."""
    endpoint, reason = event.generic.data["endpoint"], event.generic.data["reason"]
    return Email(
        delivery_id=delivery.id,
        sender=brand.sender,
        recipient=delivery.recipient.name,
        subject=f"{brand.name}: the endpoint {endpoint} gets no more webhooks",
        text=(
            f"Tidings has disabled the endpoint {endpoint} of {brand.name} (organisation {brand.org_id}):\n"
            f"{reason}.\n\n"
            "Webhooks to it are kept as suppressed. It is used again once its address in the brand's file changes, or\n"
            "when it is mended and you say so; then retry what was kept:\n\n"
            f"  tidings endpoints enable {brand.org_id} {endpoint}\n"
            f"  tidings deliveries retry --state suppressed --org {brand.org_id} --recipient endpoint:{endpoint}\n"
        ),
        date=delivery.created_at,
    )
