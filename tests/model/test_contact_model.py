"""What the directory refuses, and why."""

import pytest

from tidings.model import Contact, contact_faults, merged

GOOD = {"org_id": 1, "customer_id": "7"}


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({}, []),
        ({"email": "member@example.com", "locale": "ar-AE", "time_zone": "Asia/Kolkata", "name": "Asha"}, []),
        ({"email": "first.last+tag@mail.example.com"}, []),
        ({"customer_id": ""}, ["customer_id"]),
        ({"customer_id": "7" * 257}, ["customer_id"]),
        ({"org_id": -1}, ["org_id"]),
        ({"email": "member"}, ["email"]),
        ({"email": "a@example.com, b@example.com"}, ["email"]),
        ({"email": "a@example.com\nBcc: b@example.com"}, ["email"]),
        ({"email": "<a@example.com>"}, ["email"]),
        ({"locale": "english please"}, ["locale"]),
        ({"time_zone": "Mars/Olympus", "name": "n" * 300}, ["name", "time_zone"]),
    ],
    ids=str,
)
def test_faults_name_their_field(fields: dict[str, object], faulty: list[str]) -> None:
    contact = Contact(**(GOOD | fields))  # type: ignore[arg-type]
    assert [field for field, _ in contact_faults(contact)] == faulty


def test_two_who_become_one_have_no_more_than_a_contact_may_but_every_objection() -> None:
    agreed = {f"a{number:02}": True for number in range(49)}
    survivor = Contact(org_id=1, customer_id="1", consents=agreed, attributes={f"s{n:02}": "1" for n in range(49)})
    objected = {f"n{number:02}": False for number in range(5)} | {"a00": False}
    victim = Contact(
        org_id=1, customer_id="2", consents={"z": True, "b": True, **objected}, attributes={"y": "2", "x": "2"}
    )

    both = merged(survivor, victim)
    assert both.consents == agreed | objected
    assert both.attributes == {**survivor.attributes, "x": "2"}
    assert both.customer_id == "1"
