"""Events: the generated messages, the catalog, the native view, and conversion from and to vendors' JSON.

Pure: no clock, no loop, no socket. The messages themselves are in ``tidings.events.v1``, generated from
``protos/tidings/events/v1``. Values are kept exactly: 64-bit integers stay integers, and what no message
models is kept as JSON text at its own path.
"""

from tidings.events.catalog import Catalog, CatalogEvent, catalog
from tidings.events.contacts import addresses_among, contact_told, swallowed_customer
from tidings.events.conversion import (
    MAX_EVENTS,
    Conversion,
    ConversionError,
    ConversionWarning,
    ConvertedEvent,
    RejectedEvent,
    convert,
    convert_one,
)
from tidings.events.direct import ScalarReader, scalar_reader
from tidings.events.facts import Facts, event_name, facts_of
from tidings.events.fields import EventField, event_fields
from tidings.events.identity import (
    content_digest,
    customer_id,
    customer_of,
    derive_event_id,
    event_data,
    id_of_content,
    wire_form,
)
from tidings.events.narrow import narrow_view
from tidings.events.plain import Look, look_at
from tidings.events.restoring import to_vendor_json
from tidings.events.samples import sample, samples
from tidings.events.validation import MAX_EVENT_BYTES, MAX_EVENT_ID, validate
from tidings.events.view import native_view

__all__ = [
    "MAX_EVENTS",
    "MAX_EVENT_BYTES",
    "MAX_EVENT_ID",
    "Catalog",
    "CatalogEvent",
    "Conversion",
    "ConversionError",
    "ConversionWarning",
    "ConvertedEvent",
    "EventField",
    "Facts",
    "Look",
    "RejectedEvent",
    "ScalarReader",
    "addresses_among",
    "catalog",
    "contact_told",
    "content_digest",
    "convert",
    "convert_one",
    "customer_id",
    "customer_of",
    "derive_event_id",
    "event_data",
    "event_fields",
    "event_name",
    "facts_of",
    "id_of_content",
    "look_at",
    "narrow_view",
    "native_view",
    "sample",
    "samples",
    "scalar_reader",
    "swallowed_customer",
    "to_vendor_json",
    "validate",
    "wire_form",
]
