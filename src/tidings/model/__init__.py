"""The values the whole gateway speaks in. Frozen, typed by meaning, and without behaviour that needs a world.

Times are epoch milliseconds as ``int`` throughout: they compare, store and travel without a zone.
"""

from tidings.model.brand import Brand, Cap, Colours, ConsentPolicy, Endpoint, QuietHours, Rate, SecretRef, Secrets
from tidings.model.contact import (
    SERVICE,
    ConsentMark,
    ConsentSource,
    Contact,
    contact_faults,
    is_address,
    marked,
)
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
from tidings.model.suppression import (
    LIFETIME_MS,
    OWNERS_WORD,
    Suppression,
    SuppressionReason,
    address_key,
    new_suppression,
    normalise_address,
)

__all__ = [
    "ENDED",
    "LIFETIME_MS",
    "MOVES",
    "OWNERS_WORD",
    "SERVICE",
    "Accepted",
    "Attempt",
    "Attempted",
    "Brand",
    "Cap",
    "Cause",
    "Channel",
    "Colours",
    "ConsentMark",
    "ConsentPolicy",
    "ConsentSource",
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
    "Suppression",
    "SuppressionReason",
    "WebhookCall",
    "address_key",
    "contact_faults",
    "delivery_id",
    "is_address",
    "marked",
    "new_suppression",
    "normalise_address",
]
