"""Where events, deliveries, contacts and rulebook revisions are kept.

``port`` says what a store does; ``open_store`` opens one by its URL. Intake and dispatch know the port
and nothing else: no SQL and no driver's name leaves this package.
"""

from tidings.store.opening import open_store
from tidings.store.port import (
    Backlog,
    ContactPage,
    DeliveryChange,
    DeliveryFilter,
    DeliveryPage,
    EndpointState,
    Erasure,
    EventFilter,
    EventPage,
    EventSummary,
    Intervention,
    Leased,
    Person,
    Publication,
    Recorded,
    RecordResult,
    RejectedBody,
    RejectedPage,
    Retention,
    Revision,
    Settlement,
    Store,
    StoredEvent,
    SuppressionFilter,
    SuppressionPage,
)

__all__ = [
    "Backlog",
    "ContactPage",
    "DeliveryChange",
    "DeliveryFilter",
    "DeliveryPage",
    "EndpointState",
    "Erasure",
    "EventFilter",
    "EventPage",
    "EventSummary",
    "Intervention",
    "Leased",
    "Person",
    "Publication",
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
