"""The values the whole gateway speaks in. Frozen, typed by meaning, and without behaviour that needs a world.

Times are epoch milliseconds as ``int`` throughout: they compare, store and travel without a zone.
"""

from tidings.model.brand import Brand, Colours, Endpoint, QuietHours, Rate, SecretRef, Secrets
from tidings.model.contact import Contact, contact_faults, is_address
from tidings.model.delivery import (
    ENDED,
    MOVES,
    Attempt,
    Cause,
    Channel,
    Delivery,
    PlannedDelivery,
    Recipient,
    RecipientKind,
    State,
    delivery_id,
)
from tidings.model.message import Accepted, Attempted, Deferred, Email, Gone, Outcome, Postponed, Refused, WebhookCall
from tidings.model.problem import Problem, Severity, Source

__all__ = [
    "ENDED",
    "MOVES",
    "Accepted",
    "Attempt",
    "Attempted",
    "Brand",
    "Cause",
    "Channel",
    "Colours",
    "Contact",
    "Deferred",
    "Delivery",
    "Email",
    "Endpoint",
    "Gone",
    "Outcome",
    "PlannedDelivery",
    "Postponed",
    "Problem",
    "QuietHours",
    "Rate",
    "Recipient",
    "RecipientKind",
    "Refused",
    "SecretRef",
    "Secrets",
    "Severity",
    "Source",
    "State",
    "WebhookCall",
    "contact_faults",
    "delivery_id",
    "is_address",
]
