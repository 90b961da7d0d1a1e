"""What the directory refuses, and why."""

import pytest

from tidings.model import Contact, contact_faults

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
