"""Where a rule goes that no event has a say in, or its customer alone: worked out once for a brand."""

from typing import Final, NamedTuple

from tidings.model import Channel, DeliveryIds, PlannedDelivery, Recipient, RecipientKind

_new: Final = tuple.__new__


class Route(NamedTuple):
    """What the deliveries of one action to one endpoint or address share."""

    rule_id: str
    action: int
    """Position of the action in the rule's ``notify`` list."""
    channel: Channel
    recipient: Recipient
    ids: DeliveryIds
    lane: str | None
    """What the names of its lanes begin with, a customer's id follows; None: it keeps no order."""
    revocable: bool

    def plan(self, event_id: str, customer: str | None, due_at: int, expires_at: int | None) -> PlannedDelivery:
        """Plan the delivery for an event; times are epoch milliseconds."""
        lane = None if self.lane is None or not customer else self.lane + customer
        # By position and past the class, as what is made for every delivery is.
        return _new(
            PlannedDelivery,
            (
                self.ids.of(event_id),
                self.rule_id,
                self.action,
                self.channel,
                self.recipient,
                due_at,
                customer,
                expires_at,
                lane,
                self.revocable,
                None,
            ),
        )


class CustomerRoute(NamedTuple):
    """What the e-mails of one action to the customers of the events share."""

    org_id: int
    rule_id: str
    action: int
    """Position of the action in the rule's ``notify`` list."""
    revocable: bool

    def plan(self, event_id: str, customer: str | None, due_at: int, expires_at: int | None) -> PlannedDelivery:
        """Plan the delivery for an event; times are epoch milliseconds."""
        recipient = _new(Recipient, (RecipientKind.CUSTOMER, customer or ""))
        ids = DeliveryIds.to(recipient, org_id=self.org_id, rule_id=self.rule_id, action=self.action)
        return _new(
            PlannedDelivery,
            (
                ids.of(event_id),
                self.rule_id,
                self.action,
                Channel.EMAIL,
                recipient,
                due_at,
                customer,
                expires_at,
                None,
                self.revocable,
                None,
            ),
        )


AnyRoute = Route | CustomerRoute
