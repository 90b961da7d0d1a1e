"""Where events, deliveries, contacts and rulebook revisions are kept.

``port`` says what a store does; ``open_store`` opens one by its URL. Intake and dispatch know the port
and nothing else: no SQL and no driver's name leaves this package. What commands do to whole stores is in ``copying``
and ``versions``.
"""

from tidings.store.answers import NOTHING
from tidings.store.fleet import Ask, Booked, EndpointPause, FleetStore, Part, Presence
from tidings.store.opening import open_store
from tidings.store.port import Store
from tidings.store.publications import OWN_DIGEST, Publications
from tidings.store.values import (
    Backlog,
    CallOff,
    Claim,
    ContactPage,
    DeliveryChange,
    DeliveryFilter,
    DeliveryPage,
    EndpointState,
    Erasure,
    EventFilter,
    EventPage,
    EventSummary,
    Gathered,
    Intervention,
    Known,
    Leased,
    Limit,
    Person,
    Publication,
    Recorded,
    RecordResult,
    RejectedBody,
    RejectedPage,
    Retention,
    Revision,
    Settlement,
    StoredEvent,
    SuppressionFilter,
    SuppressionPage,
)

__all__ = [
    "NOTHING",
    "OWN_DIGEST",
    "Ask",
    "Backlog",
    "Booked",
    "CallOff",
    "Claim",
    "ContactPage",
    "DeliveryChange",
    "DeliveryFilter",
    "DeliveryPage",
    "EndpointPause",
    "EndpointState",
    "Erasure",
    "EventFilter",
    "EventPage",
    "EventSummary",
    "FleetStore",
    "Gathered",
    "Intervention",
    "Known",
    "Leased",
    "Limit",
    "Part",
    "Person",
    "Presence",
    "Publication",
    "Publications",
    "RecordResult",
    "Recorded",
    "RejectedBody",
    "RejectedPage",
    "Retention",
    "Revision",
    "Settlement",
    "Store",
    "StoredEvent",
    "SuppressionFilter",
    "SuppressionPage",
    "open_store",
]
