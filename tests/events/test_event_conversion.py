"""Conversion of payloads: every published one, every envelope, every leniency, every refusal."""

import json
from typing import Any

import pytest

from events_kit import ORG, PAYLOADS, leaves
from tidings.errors import FieldViolation
from tidings.events import (
    ConversionError,
    convert,
    convert_one,
    event_name,
    native_view,
    sample,
    to_vendor_json,
)

SWALLOWED = "issuedAlternateCurrenciesReversed.1"
SLIP = "pointsRedeemed.2"


@pytest.mark.parametrize(("case", "name", "payload"), PAYLOADS, ids=[case for case, _, _ in PAYLOADS])
def test_every_published_payload_names_its_event_and_keeps_every_value(case: str, name: str, payload: Any) -> None:
    event = convert_one(json.dumps(payload), org_id=ORG).event
    back = to_vendor_json(event)
    assert event_name(event) == name
    assert {leaf for _, leaf in leaves(payload)} <= {leaf for _, leaf in leaves(back)}
    assert convert_one(json.dumps(back), org_id=ORG).event == event
    if ("eventName" in payload or "type" in payload) and case != SLIP:
        assert back == payload


def test_a_fully_modelled_event_needs_no_unmodelled_fields() -> None:
    kept = {
        case: [each.path for each in convert_one(payload, org_id=ORG).event.unmodelled] for case, _, payload in PAYLOADS
    }
    assert {case: paths for case, paths in kept.items() if paths} == {
        SWALLOWED: ["/eventName"],
        "unifiedTargetsAchieved.1": ["/event"],
        "unifiedTargetsUnAchieved.1": ["/event"],
    }


def flat(**fields: Any) -> dict[str, Any]:
    return {"eventName": "pointsExpiryReminder", "orgId": 1, "data": {}} | fields


def read(payload: Any, path: str) -> tuple[Any, list[tuple[str, str]]]:
    converted = convert_one(json.dumps(payload), org_id=ORG)
    found: Any = native_view(converted.event)
    for key in path.split("."):
        found = found.get(key)
    return found, [(warning.path, warning.code) for warning in converted.warnings]


@pytest.mark.parametrize(
    ("data", "path", "expected", "code"),
    [
        ({"loyaltyProgramId": 7.0}, "loyaltyProgramId", 7, "integer-as-float"),
        ({"loyaltyProgramId": 1.657437873e12}, "loyaltyProgramId", 1657437873000, "integer-as-float"),
        ({"loyaltyProgramId": "7"}, "loyaltyProgramId", 7, "number-as-text"),
        ({"loyaltyProgramId": "007"}, "loyaltyProgramId", "007", "unfit"),
        ({"loyaltyProgramId": 7.5}, "loyaltyProgramId", 7.5, "unfit"),
        ({"loyaltyProgramId": 2**64}, "loyaltyProgramId", 2**64, "unfit"),
        ({"loyaltyProgramId": True}, "loyaltyProgramId", True, "unfit"),
        ({"loyaltyProgramId": "abc"}, "loyaltyProgramId", "abc", "unfit"),
        ({"pointsScheduledForExpiry": "1.5"}, "pointsScheduledForExpiry", 1.5, "number-as-text"),
        ({"pointsScheduledForExpiry": "14.000"}, "pointsScheduledForExpiry", "14.000", "unfit"),
        ({"pointsScheduledForExpiry": 2**53 + 1}, "pointsScheduledForExpiry", 2**53 + 1, "unfit"),
        ({"pointsScheduledForExpiry": 10**400}, "pointsScheduledForExpiry", 10**400, "unfit"),
        ({"scheduledExpiryDate": 20230619}, "scheduledExpiryDate", 20230619, "unfit"),
        ({"entityInformation": []}, "entityInformation", {}, "empty-list"),
        ({"entityInformation": "USER"}, "entityInformation", "USER", "unfit"),
        ({"note": {"deep": [1, None, 2**70]}}, "note", {"deep": [1, None, 2**70]}, "unmodelled"),
    ],
)
def test_what_is_not_as_documented_is_read_or_kept_and_said(
    data: dict[str, Any], path: str, expected: Any, code: str
) -> None:
    found, warnings = read(flat(data=data), f"data.{path}")
    assert (found, type(found), warnings) == (expected, type(expected), [(f"/data/{path}", code)])


@pytest.mark.parametrize("key", ["Mobile", "mobile ", "mo bile", "MOBILE"])
def test_a_key_matches_without_blanks_and_case(key: str) -> None:
    payload = flat(data={"customerIdentifiers": {"instore": {key: "910000000001"}}})
    path = "data.customerIdentifiers.instore.mobile"
    assert read(payload, path) == ("910000000001", [("/data/customerIdentifiers/instore/mobile", "key")])


def test_the_exact_key_wins_and_the_other_is_kept_beside() -> None:
    instore = {"Mobile": "1", "mobile": "2"}
    payload = flat(data={"customerIdentifiers": {"instore": instore}})
    found, _ = read(payload, "data.customerIdentifiers.instore")
    assert found == {"mobile": "2", "cardNumbers": [], "accounts": [], "Mobile": "1"}


def test_an_item_of_a_list_keeps_its_unmodelled_field_in_its_place() -> None:
    tiers = [{"tierNumber": 1}, {"tierNumber": 2, "colour": "gold"}]
    found, warnings = read(flat(data={"loyaltyProgramDetails": {"tiers": tiers}}), "data.loyaltyProgramDetails.tiers")
    assert (found, warnings) == (tiers, [("/data/loyaltyProgramDetails/tiers/1/colour", "unmodelled")])


def test_a_list_with_a_null_is_kept_whole() -> None:
    tiers = [{"tierNumber": 1}, None]
    assert read(flat(data={"loyaltyProgramDetails": {"tiers": tiers}}), "data.loyaltyProgramDetails.tiers")[0] == tiers


def test_an_unknown_event_is_generic_and_exact() -> None:
    data = {
        "small": 1,
        "large": 2**53 + 1,
        "half": 0.5,
        "flag": False,
        "none": None,
        "list": [1, {"a": []}],
        "fields": 3,
    }
    converted = convert_one(json.dumps(flat(eventName="somethingNew", data=data)))
    assert converted.event.WhichOneof("data") == "generic"
    assert native_view(converted.event)["data"] == data
    assert to_vendor_json(converted.event) == flat(eventName="somethingNew", data=data)
    assert [(each.path, each.code) for each in converted.warnings] == [
        ("/eventName", "unknown-event"),
        ("/data/large", "unfit"),
    ]


INNER = {"eventName": "tierRenewed", "eventId": "inner", "orgId": 3, "data": {"currentTierNumber": 2}}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(INNER, INNER, id="flat"),
        pytest.param(
            {"data": INNER, "errors": None, "warnings": []}, INNER | {"errors": None, "warnings": []}, id="response"
        ),
        pytest.param({"body": INNER}, INNER, id="body"),
        pytest.param(
            {"event": {"body": INNER, "method": "POST", "headers": {"host": "h"}}},
            INNER | {"event": {"method": "POST", "headers": {"host": "h"}}},
            id="captured request",
        ),
        pytest.param(
            {"eventId": "outer", "eventType": "3_tierRenewed", "actionType": "START", "attributes": INNER},
            INNER
            | {
                "eventId": "outer",
                "eventType": "3_tierRenewed",
                "actionType": "START",
                "attributes": {"eventId": "inner"},
            },
            id="attributes, outer id wins",
        ),
        pytest.param(
            {"eventId": "e", "eventType": "3_tierRenewed", "attributes": {"orgId": 3, "data": {}}},
            {"eventName": "3_tierRenewed", "eventType": "3_tierRenewed", "eventId": "e", "orgId": 3, "data": {}},
            id="attributes, named by eventType",
        ),
        pytest.param(
            {"apiRequestId": "a", "data": {"eventName": "tierRenewed", "orgId": 3, "currentTierNumber": 2}},
            {"eventName": "tierRenewed", "orgId": 3, "apiRequestId": "a", "data": {"currentTierNumber": 2}},
            id="envelope inside data",
        ),
        pytest.param(
            {"eventType": "3_targetValueAchieved", "orgId": 3, "data": {"eventName": "TransactionAdd", "eventId": 15}},
            {
                "eventName": "3_targetValueAchieved",
                "eventType": "3_targetValueAchieved",
                "orgId": 3,
                "data": {"eventName": "TransactionAdd", "eventId": 15},
            },
            id="an eventName of another meaning inside data",
        ),
        pytest.param(
            {"EventName": "tierRenewed", "orgId": 3}, {"eventName": "tierRenewed", "orgId": 3, "data": {}}, id="loose"
        ),
        pytest.param({"body": INNER, "orgId": 9}, INNER | {"outer": {"orgId": 9}}, id="a name taken goes under outer"),
    ],
)
def test_every_envelope_comes_to_the_flat_form(payload: Any, expected: Any) -> None:
    assert to_vendor_json(convert_one(json.dumps(payload)).event) == expected


K42 = sample("cashback.created")


def test_a_batch_of_the_card_linked_network_takes_its_organisation_from_the_caller() -> None:
    names = ["qualifying_purchase.created", "cashback.cleared"]
    conversion = convert(json.dumps({"events": [sample(name) for name in names], "cursor": "c1"}), org_id=ORG)
    assert [event_name(each.event) for each in conversion.events] == names
    assert [each.event.org_id for each in conversion.events] == [ORG, ORG]
    assert [each.path for each in conversion.members] == ["/events/0", "/events/1"]
    assert (conversion.is_batch, dict(conversion.remainder)) == (True, {"cursor": "c1"})


def test_a_card_linked_event_shows_its_fields_as_data() -> None:
    view = native_view(convert_one(K42, org_id=ORG).event)
    assert view == {
        "eventId": "evt_abc123",
        "orgId": ORG,
        "createdAt": 1705314600000,
        "eventName": "cashback.created",
        "data": {key: value for key, value in K42.items() if key not in {"event_id", "timestamp", "type"}},
    }


@pytest.mark.parametrize(
    "stamp", ["2024-01-15T10:30:00.250Z", "2024-01-15T10:30:00+00:00", "2024-01-15", "soon", 17, None]
)
def test_a_timestamp_comes_back_as_it_was(stamp: Any) -> None:
    payload = K42 | {"timestamp": stamp}
    assert to_vendor_json(convert_one(payload, org_id=ORG).event) == payload


def test_an_unknown_card_linked_event_is_generic_and_keeps_its_timestamp() -> None:
    event = convert_one(K42 | {"type": "clip.created"}, org_id=ORG).event
    view = native_view(event)
    assert (event_name(event), view["createdAt"], view["timestamp"]) == (
        "clip.created",
        1705314600000,
        K42["timestamp"],
    )


def test_a_card_linked_event_in_the_flat_form_stays_flat() -> None:
    payload = {"eventName": "cashback.created", "orgId": 1, "createdAt": 5, "data": {"amount": 500}}
    assert to_vendor_json(convert_one(payload).event) == payload


def test_a_bad_member_of_a_batch_costs_the_others_nothing() -> None:
    conversion = convert([flat(eventId="a"), flat(orgId="x"), 7, flat(eventId="b")])
    assert [each.event.event_id for each in conversion.events] == ["a", "b"]
    assert [(each.path, each.error.violations) for each in conversion.rejected] == [
        ("/1", (FieldViolation(field="/1/orgId", description="orgId must be the organisation's number"),)),
        ("/2", (FieldViolation(field="/2", description="an event must be a JSON object"),)),
    ]


@pytest.mark.parametrize(
    ("payload", "field", "text"),
    [
        pytest.param(b"", "", "line 1, column 1: Expecting value", id="empty"),
        pytest.param(b"{", "", "line 1, column 2: Expecting property name enclosed in double quotes", id="cut"),
        pytest.param(b'{"a": "\xff"}', "", "byte 7: not UTF-8", id="not UTF-8"),
        pytest.param(b'{"a": NaN}', "", "NaN is no JSON number", id="NaN"),
        pytest.param(b'{"a": 1e999}', "", "the number 1e999 is too large to read", id="infinite"),
        pytest.param(b"9" * 5000, "", "an integer has more digits than can be read", id="endless integer"),
        pytest.param(b'{"orgId": 1, "orgId" : 2}', "", "the key 'orgId' stands twice in one object", id="key twice"),
        pytest.param(
            b'{"a\\u0022:": 1, "b": {"c":1,"c":2}}', "", "the key 'c' stands twice in one object", id="hidden"
        ),
        pytest.param(b"7", "", "a payload must be a JSON object or a list of them", id="number"),
        pytest.param(b"[" * 5000, "", "character 129: objects and lists stand more than 128 deep", id="deep"),
        pytest.param({"a": {1, 2}}, "/a", "a set is no JSON value", id="no JSON value"),
        pytest.param({"a": [float("nan")]}, "/a/0", "nan is no JSON number", id="NaN value"),
        pytest.param({1: 2}, "", "the key 1 is no text", id="key no text"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_with_its_place(payload: Any, field: str, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(payload)
    assert caught.value.violations == (FieldViolation(field=field, description=text),)


@pytest.mark.parametrize(
    ("payload", "field", "text"),
    [
        ({"eventName": "tierRenewed"}, "/orgId", "orgId is missing and no organisation was given with the payload"),
        (flat(orgId=-1), "/orgId", "orgId must not be negative"),
        (flat(orgId=2**63), "/orgId", "orgId must be the organisation's number"),
        (flat(eventName=""), "/eventName", "eventName must be the event's name as text"),
        (flat(eventName=5), "/eventName", "eventName must be the event's name as text"),
        (flat(eventId="x" * 257), "/eventId", "eventId must be 1 to 256 printable characters"),
        ({"body": flat(orgId=None)}, "/body/orgId", "orgId is missing and no organisation was given with the payload"),
        ({"data": {}}, "", "eventName is missing: this is none of the envelopes an event can come in"),
    ],
)
def test_what_every_event_must_have_is_missed_with_its_place(payload: Any, field: str, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        convert_one(json.dumps(payload))
    assert caught.value.violations == (FieldViolation(field=field, description=text),)


def test_deep_nesting_inside_an_event_is_refused_with_its_place() -> None:
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    with pytest.raises(ConversionError) as caught:
        convert_one(json.dumps(flat(data={"note": deep})))
    assert [each.field for each in caught.value.violations] == ["/data/note"]


def test_half_of_a_surrogate_pair_is_replaced_and_said() -> None:
    converted = convert_one(b'{"eventName":"tierUpgraded","orgId":1,"data":{"notes":"cut \\ud83d"}}')
    assert converted.event.tier_upgraded.notes == "cut \N{REPLACEMENT CHARACTER}"
    assert [(each.path, each.code) for each in converted.warnings] == [("/data/notes", "text")]


def test_a_batch_longer_than_allowed_is_refused() -> None:
    with pytest.raises(ConversionError, match="3 events; at most 2 are taken at once"):
        convert([flat(), flat(), flat()], max_events=2)


@pytest.mark.parametrize("payload", ["[]", json.dumps([flat(), flat()])])
def test_one_event_is_exactly_one(payload: str) -> None:
    with pytest.raises(ConversionError, match="one event is wanted"):
        convert_one(payload)


@pytest.mark.parametrize(("sent", "event_id"), [("", None), (15, "15"), (None, None), ("e1", "e1")])
def test_an_event_id_is_text_or_absent_and_comes_back_as_sent(sent: Any, event_id: str | None) -> None:
    payload = flat(eventId=sent)
    event = convert_one(json.dumps(payload)).event
    assert (event.event_id if event.HasField("event_id") else None) == event_id
    assert to_vendor_json(event) == payload


@pytest.mark.parametrize("key", ["eventId", "EVENTID", "event id"])
def test_a_number_is_taken_as_an_id_under_any_spelling_of_its_key(key: str) -> None:
    payload = {name: value for name, value in sample("pointsIssued").items() if name != "eventId"} | {key: 4711}
    first = convert_one(payload).event
    assert first.event_id == "4711"
    assert convert_one(to_vendor_json(first)).event == first
