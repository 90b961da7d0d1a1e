"""The directory of customers and the list of suppressed addresses, from the command line and over gRPC."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest

from gateway_kit import RunningGateway, details_of, open_test_gateway, run_tidings, write_config
from rulebook_kit import write_rulebook
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub

EVERYTHING = {
    "org": 50750,
    "customer_id": "1",
    "email": "asha@example.com",
    "name": "Asha, Rao",
    "locale": "ar-AE",
    "time_zone": "Asia/Kolkata",
    "consents": {"offers": True, "news.weekly": False},
    "attributes": {"city": "Pune", "says": 'a "quoted"\nline'},
}
LITTLE = {"org": 50751, "customer_id": "2", "email": "b@example.com"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as running:
        yield running


async def tidings(gateway: RunningGateway, *arguments: str) -> tuple[int, str, str]:
    return await run_tidings(*arguments, "--to", f"127.0.0.1:{gateway.grpc_port}")


async def exported(gateway: RunningGateway, *options: str) -> list[dict[str, Any]]:
    _, out, _ = await tidings(gateway, "contacts", "export", *options)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_what_is_exported_can_be_imported_again(gateway: RunningGateway, tmp_path: Path, form: str) -> None:
    lines = tmp_path / "members.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in (EVERYTHING, LITTLE)))
    assert (await tidings(gateway, "contacts", "import", str(lines)))[0] == 0

    _, written, _ = await tidings(gateway, "contacts", "export", "--format", form)
    copy = tmp_path / f"copy.{form}"
    copy.write_text(written)
    changed = [{**each, "name": "Other", "consents": {"offers": False}} for each in (EVERYTHING, LITTLE)]
    lines.write_text("".join(json.dumps(each) + "\n" for each in changed))
    await tidings(gateway, "contacts", "import", str(lines))
    code, _, err = await tidings(gateway, "contacts", "import", str(copy))

    assert (code, "2 contacts imported, 0 rows refused" in err) == (0, True)
    # A file of JSON lines says nothing of what it does not have; a CSV's empty cell says that there is no name.
    little = LITTLE | {"consents": {"offers": False}} | ({} if form == "csv" else {"name": "Other"})
    assert await exported(gateway) == [EVERYTHING, little]
    assert await exported(gateway, "--org", "50751") == [little]


async def test_every_bad_row_is_reported_with_its_line_and_the_good_ones_are_kept(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    file = tmp_path / "members.csv"
    file.write_bytes(
        b"org,customer_id,email,name,consent.offers,attribute.city\n"
        b'50750,1,a@example.com,"two\nlines",yes,Pune\n'
        b"50750,2,b@example.com,Caf\xe9,,\n"
        b"50750,3,c@example.com,C,maybe,\n"
        b"50750,4,d@example.com\n"
        b"50750,5,e@example.com,E,NO,\n"
        b"99999999999999999999,6,f@example.com,F,,\n"
        b"50750,7,g@example.com," + b"g" * 200_000 + b",,\n"
        b"50750,8,h@example.com,H,,\n"
    )
    code, _, err = await tidings(gateway, "contacts", "import", str(file))

    assert code == 1
    assert [line for line in err.splitlines() if line.startswith("line")] == [
        "line 4: name: is not UTF-8 text; save the file as UTF-8",
        "line 5: consent.offers: 'maybe' is neither yes nor no",
        "line 6: has not as many values as the header has columns",
        "line 8: org_id: must not be negative, and fit 64 bits, got 99999999999999999999",
        "line 9: cannot be read: field larger than field limit (131072)",
    ]
    assert "3 contacts imported, 5 rows refused" in err
    kept = {each["customer_id"]: each for each in await exported(gateway)}
    assert sorted(kept) == ["1", "5", "8"]
    assert kept["5"]["consents"] == {"offers": False}


async def test_every_bad_line_of_json_is_reported(gateway: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "members.ndjson"
    bad = [b"{", b"[]", b'{"org": "1"}', b'{"org": 1, "shoe": 2}', b'{"org": 1, "customer_id": 5}', b"\xff"]
    bad.append(b'{"org": 1, "customer_id": "c", "consents": {"offers": "yes"}}')
    file.write_bytes(b"\n".join([*bad, b"", json.dumps(LITTLE).encode()]))
    code, _, err = await tidings(gateway, "contacts", "import", str(file))

    assert (code, "1 contacts imported, 7 rows refused" in err) == (1, True)
    assert [line.partition(":")[0] for line in err.splitlines()[:7]] == [f"line {number}" for number in range(1, 8)]


async def test_rows_that_would_crowd_a_contact_are_reported_and_the_others_are_kept(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    full = {f"a-{number}": "x" for number in range(50)}
    await gateway.upsert(pb.Contact(org_id=50750, customer_id="1", attributes=full, consents=dict.fromkeys(full, True)))
    file = tmp_path / "members.jsonl"
    crowding = {"attributes": {"city": "Pune"}, "consents": {"offers": True}}
    first, second = {"org": 50750, "customer_id": "1"}, {"org": 50750, "customer_id": "2"}
    rows = [{**first, **crowding, "email": "a@example.com"}, {**second, **crowding, "email": "b@example.com"}]
    file.write_text("\n".join(json.dumps(each) for each in [*rows, {**first, "email": "new@example.com"}]))
    code, _, err = await tidings(gateway, "contacts", "import", str(file))

    told = "must be at most 50 with those known already, would be 51"
    assert (code, err.splitlines()) == (
        1,
        [f"line 1: attributes: {told}; consents: {told}", "2 contacts imported, 1 rows refused"],
    )
    assert [each["email"] for each in await exported(gateway)] == ["new@example.com", "b@example.com"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ContactServiceStub(gateway.channel).SetConsent(
            pb.SetConsentRequest(org_id=50750, customer_id="1", category="offers", agreed=True)
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = BadRequest()
    assert any(each.Unpack(violations) for each in details_of(refused.value))
    assert [(each.field, each.description) for each in violations.field_violations] == [("category", told)]


async def test_a_contact_is_shown(gateway: RunningGateway) -> None:
    await gateway.upsert(pb.Contact(org_id=1, customer_id="c", name="Asha", consents={"offers": True}))

    code, out, _ = await tidings(gateway, "contacts", "show", "1", "c")
    said, _, since = out.partition("consents_from: ")
    assert (code, said) == (0, "org: 1\ncustomer_id: c\nname: Asha\nconsents: offers=True\n")
    assert re.fullmatch(r"offers=api, 20\d\d-\d\d-\d\d \d\d:\d\d UTC\n", since)
    code, _, err = await tidings(gateway, "contacts", "show", "1", "nobody")
    assert (code, "NOT_FOUND: no contact '1/nobody'" in err) == (2, True)


async def test_a_field_that_is_not_sent_stays_and_one_that_is_sent_empty_goes(gateway: RunningGateway) -> None:
    await gateway.upsert(pb.Contact(org_id=1, customer_id="c", email="a@example.com", name="Asha"))
    await gateway.upsert(pb.Contact(org_id=1, customer_id="c", name=""))

    stub = ContactServiceStub(gateway.channel)
    answer = await stub.GetContact(pb.GetContactRequest(org_id=1, customer_id="c"))
    assert answer.contact == pb.Contact(org_id=1, customer_id="c", email="a@example.com")


async def test_a_consent_of_an_unknown_customer_is_kept(gateway: RunningGateway) -> None:
    stub = ContactServiceStub(gateway.channel)
    answer = await stub.SetConsent(pb.SetConsentRequest(org_id=1, customer_id="c", category="offers"))
    assert answer.contact.consent_marks["offers"].source == pb.CONSENT_SOURCE_API
    answer.contact.ClearField("consent_marks")
    assert answer.contact == pb.Contact(org_id=1, customer_id="c", consents={"offers": False})

    for category in ("", "service", "no such/thing"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.SetConsent(pb.SetConsentRequest(org_id=1, customer_id="c", category=category))
        assert fields_of(refused.value) == ["category"]


async def test_addresses_are_suppressed_listed_and_released(gateway: RunningGateway) -> None:
    assert (await tidings(gateway, "suppressions", "add", "1", "A@Example.com", "--detail", "by phone"))[0] == 0
    await tidings(gateway, "suppressions", "add", "2", "b@example.com", "--reason", "hard_bounce", "--for", "1d")

    _, out, _ = await tidings(gateway, "suppressions", "list", "--org", "1", "--format", "json")
    (listed,) = json.loads(out)["suppressions"]
    assert listed | {"created_at": ""} == {
        "org": 1,
        "address": "A@example.com",
        "reason": "manual",
        "detail": "by phone",
        "created_at": "",
        "expires_at": None,
    }
    _, out, _ = await tidings(gateway, "suppressions", "list", "--reason", "hard_bounce")
    assert ("b@example.com" in out, "A@example.com" in out) == (True, False)
    assert (await tidings(gateway, "suppressions", "remove", "1", "a@EXAMPLE.com"))[0] == 0
    code, _, err = await tidings(gateway, "suppressions", "remove", "1", "a@example.com")
    assert (code, "NOT_FOUND" in err) == (2, True)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.AddSuppressionRequest(org_id=1, address="nobody"), "address"),
        (pb.AddSuppressionRequest(org_id=-1, address="a@example.com"), "org_id"),
        (pb.AddSuppressionRequest(org_id=1, address="a@example.com", reason=99), "reason"),  # type: ignore[arg-type]
        (pb.AddSuppressionRequest(org_id=1, address="a@example.com", expires_at=Timestamp(seconds=1)), "expires_at"),
    ],
    ids=["address", "org", "reason", "expiry"],
)
async def test_what_cannot_be_suppressed_is_refused(
    gateway: RunningGateway, request_: pb.AddSuppressionRequest, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ContactServiceStub(gateway.channel).AddSuppression(request_)
    assert fields_of(refused.value) == [field]


def fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    found = BadRequest()
    assert any(detail.Unpack(found) for detail in details_of(error))
    return [each.field for each in found.field_violations]


async def test_an_import_says_that_it_was_one(gateway: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "members.csv"
    file.write_text("org,customer_id,email,consent.offers\n1,c,a@example.com,yes\n")
    assert (await tidings(gateway, "contacts", "import", str(file)))[0] == 0
    _, out, _ = await tidings(gateway, "contacts", "show", "1", "c")
    assert "consents_from: offers=import, 20" in out


async def test_nobody_can_say_that_a_reader_said_it(gateway: RunningGateway) -> None:
    for source in (pb.CONSENT_SOURCE_PREFERENCE_PAGE, 99):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ContactServiceStub(gateway.channel).UpsertContacts(
                pb.UpsertContactsRequest(contacts=[pb.Contact(org_id=1, customer_id="c")], consent_source=source)  # type: ignore[arg-type]  # an unknown number on purpose
            )
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
