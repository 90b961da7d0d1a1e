"""Names of log events, declared once so that a search for one finds every place that speaks of it.

A log line is one of these names with fields. Fields carry identifiers, never addresses, names of people,
message texts or secrets; customers' ids are personal too, so a line names the delivery or the event.
"""

from typing import Final

GATEWAY_STARTED: Final = "gateway.started"
GATEWAY_STOPPING: Final = "gateway.stopping"
GATEWAY_STOPPED: Final = "gateway.stopped"
RULEBOOK_LOADED: Final = "rulebook.loaded"
RULEBOOK_REFUSED: Final = "rulebook.refused"
RULE_FAILED: Final = "rule.failed"
EVENT_REFUSED: Final = "event.refused"
DELIVERY_DEFERRED: Final = "delivery.deferred"
DELIVERY_ENDED: Final = "delivery.ended"
DELIVERY_FAULT: Final = "delivery.fault"
DELIVERY_LEASE_LOST: Final = "delivery.lease_lost"
DISPATCH_FAULT: Final = "dispatch.fault"
ADDRESS_SUPPRESSED: Final = "address.suppressed"
CONTACT_MERGE_LEFT_OUT: Final = "contact.merge_left_out"
CONSENT_SAID: Final = "consent.said"
UNSUBSCRIBE_LINKS_MISSING: Final = "unsubscribe.links_missing"
ENDPOINT_DISABLED: Final = "endpoint.disabled"
ENDPOINT_ENABLED: Final = "endpoint.enabled"
RELAY_SET_ASIDE: Final = "relay.set_aside"
RELAY_BACK: Final = "relay.back"
STORE_UNAVAILABLE: Final = "store.unavailable"
REQUEST_FAULT: Final = "request.fault"
PURGED: Final = "store.purged"
KEYS_LOADED: Final = "keys.loaded"
KEYS_REFUSED: Final = "keys.refused"
TEST_SENT: Final = "test.sent"
OPERATED: Final = "operated"
CERTIFICATE_UNREADABLE: Final = "certificate.unreadable"
LIBRARY_WARNED: Final = "library.warned"
