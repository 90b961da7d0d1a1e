"""Where the webhooks of a rule go that no event has a say in: worked out once for each brand."""

from typing import Final, NamedTuple

from tidings.model import Channel, DeliveryIds, PlannedDelivery, Recipient

_new: Final = tuple.__new__


class Route(NamedTuple):
    """What the deliveries of one action to one endpoint share."""

    rule_id: str
    action: int
    """Position of the action in the rule's ``notify`` list."""
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
                Channel.WEBHOOK,
                self.recipient,
                due_at,
                customer,
                expires_at,
                lane,
                self.revocable,
                None,
            ),
        )
