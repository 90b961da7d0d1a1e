"""Names, customers and digests of events."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from tidings.events import (
    CatalogEvent,
    catalog,
    content_digest,
    convert_one,
    customer_id,
    derive_event_id,
    event_data,
    event_name,
    native_view,
    sample,
)
from tidings.events.pointers import look_up
from tidings.events.v1.common_pb2 import CustomerIdentifiers
from tidings.events.v1.event_pb2 import Event, GenericEvent
from tidings.events.v1.tiers_pb2 import TierUpgraded


def generic(name: str, **identifiers: Any) -> Event:
    data = Struct()
    data.update({"customerIdentifiers": identifiers})
    return Event(org_id=1, generic=GenericEvent(name=name, data=data))


def test_an_event_is_named_by_its_message_or_by_itself() -> None:
    named = [event_name(each) for each in (Event(tier_upgraded=TierUpgraded()), generic("somethingNew"), Event())]
    assert named == ["tierUpgraded", "somethingNew", ""]


def test_the_data_is_the_message_that_is_set() -> None:
    upgrade = TierUpgraded(upgraded_tier_number=2)
    assert [event_data(Event(tier_upgraded=upgrade)), event_data(Event())] == [upgrade, None]


def test_the_customer_of_a_generic_event_stands_where_most_events_have_it() -> None:
    found = [
        customer_id(generic("x", **held))
        for held in ({"customerId": 7}, {"customerId": "A7"}, {}, {"customerId": True})
    ]
    assert found == ["7", "A7", None, None]


def test_the_customer_may_stand_in_a_list_or_under_another_name() -> None:
    found = [customer_id(convert_one(sample(name)).event) for name in ("IssueBulkCoupon", "loyaltyCustomerMerge")]
    assert found == ["423813652", "163879182"]


def test_a_customer_number_too_large_for_the_message_is_still_found() -> None:
    payload = {"eventName": "tierUpgraded", "orgId": 1, "data": {"customerIdentifiers": {"customerId": 2**64}}}
    assert customer_id(convert_one(payload).event) == str(2**64)


def test_the_derived_id_depends_on_content_and_not_on_the_id_given() -> None:
    plain = Event(org_id=1, tier_upgraded=TierUpgraded(notes="n"))
    named = Event(event_id="e1", org_id=1, tier_upgraded=TierUpgraded(notes="n"))
    other = Event(org_id=1, tier_upgraded=TierUpgraded(notes="m"))
    assert derive_event_id(plain) == derive_event_id(named) == "sha256-" + content_digest(plain).hex()[:32]
    assert derive_event_id(other) != derive_event_id(plain)
    assert named.event_id == "e1"


def test_the_digest_tells_content_apart_whatever_the_order_of_keys() -> None:
    payload = {
        "eventName": "somethingNew",
        "orgId": 1,
        "data": {"a": 1, "b": {"c": 2, "d": 3}},
        "traceAttributes": {"x": "1", "y": "2"},
    }
    turned = {
        "traceAttributes": {"y": "2", "x": "1"},
        "data": {"b": {"d": 3, "c": 2}, "a": 1},
        "orgId": 1,
        "eventName": "somethingNew",
    }
    digests = [content_digest(convert_one(each).event) for each in (payload, turned, payload | {"refId": "r"})]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 32


@pytest.mark.parametrize("known", list(catalog()), ids=lambda known: known.name)
def test_the_customer_is_the_one_in_the_view(known: CatalogEvent) -> None:
    """However it is found quickly: it is what stands at the catalog's path."""
    event = convert_one(sample(known.name), org_id=1).event
    found: Any = native_view(event)
    for part in known.customer_id_path:
        found = look_up(found, f"/{part}")
    assert customer_id(event) == (str(found) if known.customer_id_path and found else None)


def test_a_customer_number_of_zero_is_told_from_none() -> None:
    zero = CustomerIdentifiers(customer_id=0)
    found = [
        customer_id(Event(org_id=1, tier_upgraded=TierUpgraded(customer_identifiers=each))) for each in (zero, None)
    ]
    assert found == ["0", None]
