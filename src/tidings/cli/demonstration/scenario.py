"""What the demo publishes, and what must come of it."""

from dataclasses import dataclass, field

from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.contact_service_pb2 import Contact
from tidings.model import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One event, in words, and the deliveries it must end in."""

    title: str
    event: Event
    expected: tuple[Channel, ...] = field(default=())


CONTACTS = (
    Contact(org_id=50750, customer_id="381750905", email="asha@example.com", name="Asha Rao", time_zone="Asia/Kolkata"),
    Contact(org_id=50261, customer_id="347266603", email="bilal@example.com", name="Bilal Haddad"),
    Contact(org_id=51186, customer_id="387979652", email="carla@example.com", name="Carla Weber", locale="de"),
)


def scenes() -> tuple[Scene, ...]:
    """Return the demo's events: published samples, and one variation that must stay silent."""
    few = _event("pointsExpiryReminder")
    few.event_id = "demo-few-points"
    few.points_expiry_reminder.points_scheduled_for_expiry = 40
    return (
        Scene(
            title="300 points are about to expire",
            event=_unexpired(_event("pointsExpiryReminder")),
            expected=(Channel.EMAIL, Channel.WEBHOOK),
        ),
        Scene(title="40 points are about to expire, too few for the rule", event=few),
        Scene(
            title="a member is about to lose their tier",
            event=_still_held(_event("tierDowngradeReminder")),
            expected=(Channel.EMAIL,),
        ),
        Scene(
            title="100 points were issued, to a member who reads German",
            event=_event("pointsIssued"),
            expected=(Channel.EMAIL, Channel.WEBHOOK),
        ),
        Scene(
            title="the first event once more: a repeat is the same event",
            event=_unexpired(_event("pointsExpiryReminder")),
            expected=(Channel.EMAIL, Channel.WEBHOOK),
        ),
    )


def _event(name: str) -> Event:
    return convert_one(sample(name)).event


def _unexpired(event: Event) -> Event:
    """Move the published sample's expiry, long past, to a day still ahead: expired points are not reminded of."""
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    return event


def _still_held(event: Event) -> Event:
    """Move the day on which the tier is lost ahead, for the same reason."""
    event.tier_downgrade_reminder.scheduled_downgrade_date = "2099-12-31"
    return event
