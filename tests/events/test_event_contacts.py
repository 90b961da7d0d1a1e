"""What events tell of their customers: addresses, names, and who became one with whom."""

from typing import Any

import pytest

from tidings.events import catalog, contact_told, convert_one, swallowed_customer
from tidings.events.samples import samples
from tidings.events.v1.event_pb2 import Event
from tidings.model import Contact, contact_faults

SAMPLES = [(each.name, number) for each in catalog() for number in range(len(samples(each.name)))]


def event_of(body: dict[str, Any]) -> Event:
    return convert_one(body, org_id=None if "orgId" in str(body) else 7).event


def updated(**data: Any) -> Event:
    return event_of(
        {"eventName": "customerUpdated", "orgId": 7, "data": {"customerIdentifiers": {"customerId": 1}, **data}}
    )


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_every_sample_can_be_asked(name: str, number: int) -> None:
    event = event_of(samples(name)[number])
    told = contact_told(event)
    assert told is None or list(contact_faults(told)) == []
    assert (swallowed_customer(event) is not None) == (name == "loyaltyCustomerMerge")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("customerAdded", (150698, "164875382", "customer1@example.com", "Sample Customer")),
        ("customerUpdated", (None, "12345", "john.doe@example.com", "Sample Customer")),
        ("badgeEarned", (None, None, "customer1@example.com", None)),
        ("pointsTransferredReceived", (None, None, "customer1@example.com", None)),
    ],
)
def test_published_events_tell_the_address_of_their_customer(name: str, told: tuple[Any, ...]) -> None:
    contact = contact_told(event_of(samples(name)[0]))
    assert contact is not None
    found = (contact.org_id, contact.customer_id, contact.email, contact.name)
    assert [seen for seen, wanted in zip(found, told, strict=True) if wanted is not None] == [
        wanted for wanted in told if wanted is not None
    ]
    assert contact.name == told[3]


@pytest.mark.parametrize("address", ["", "XXNDOK", "a@b@c", "a@b\r\nBcc: c@example.com", "Ada <ada@example.com>"])
def test_what_is_no_address_is_not_taken_for_one(address: str) -> None:
    ids = {"customerId": 1, "instore": {"email": address}, "website": {"email": "ada@example.com"}}
    assert contact_told(updated(customerIdentifiers=ids)) == Contact(org_id=7, customer_id="1", email="ada@example.com")
    del ids["website"]
    assert contact_told(updated(customerIdentifiers=ids)) is None


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        (" Ada ", "Lovelace", "Ada Lovelace"),
        ("", "Lovelace", "Lovelace"),
        ("  ", "", None),
        ("Ada\x07", "Lovelace", None),
        ("A" * 250, "Lovelace", None),
        ("أدا", "لوفلايس", "أدا لوفلايس"),
    ],
)
def test_a_name_is_joined_or_left_out(first: str, last: str, name: str | None) -> None:
    wanted = None if name is None else Contact(org_id=7, customer_id="1", name=name)
    assert contact_told(updated(firstName=first, lastName=last)) == wanted


def test_an_event_of_no_catalog_tells_an_address_too() -> None:
    event = Event(org_id=7)
    event.generic.name = "somethingNew"
    event.generic.data.update({"customerIdentifiers": {"customerId": 5, "instore": {"email": "e@example.com"}}})
    assert contact_told(event) == Contact(org_id=7, customer_id="5", email="e@example.com")


@pytest.mark.parametrize(("victim", "swallowed"), [(2, "2"), (1, None), (None, None)])
def test_nobody_swallows_themselves(victim: int | None, swallowed: str | None) -> None:
    data: dict[str, Any] = {"survivorCustomerIdentifiers": {"customerId": 1}}
    if victim is not None:
        data["victimCustomerIdentifiers"] = {"customerId": victim}
    assert swallowed_customer(event_of({"eventName": "loyaltyCustomerMerge", "orgId": 7, "data": data})) == swallowed
