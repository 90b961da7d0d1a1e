"""Where events, deliveries, contacts and rulebook revisions are kept.

``port`` says what a store does; ``open_store`` opens one by its URL. Intake and dispatch know the port
and nothing else: no SQL and no driver's name leaves this package.
"""

from tidings.store.copying import Copied, CopyDiffers, copy_store
from tidings.store.opening import open_store
from tidings.store.port import Store
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
from tidings.store.versions import Version, bring_up_to_date, version_of_store

__all__ = [
    "Backlog",
    "CallOff",
    "Claim",
    "ContactPage",
    "Copied",
    "CopyDiffers",
    "DeliveryChange",
    "DeliveryFilter",
    "DeliveryPage",
    "EndpointState",
    "Erasure",
    "EventFilter",
    "EventPage",
    "EventSummary",
    "Gathered",
    "Intervention",
    "Leased",
    "Limit",
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
    "Version",
    "bring_up_to_date",
    "copy_store",
    "open_store",
    "version_of_store",
]
