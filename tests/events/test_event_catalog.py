"""The catalog: what events there are, how they are found, whom they concern."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor

from events_kit import ORG, PAYLOADS
from tidings.events import catalog, convert_one, customer_id, event_fields, native_view, sample
from tidings.events.v1.event_pb2 import Event

SUBJECTS = {
    "points": 16,
    "tiers": 4,
    "rewards": 7,
    "promotions": 6,
    "cart promotions": 4,
    "targets": 9,
    "streaks": 6,
    "customers": 4,
    "groups": 4,
    "transactions": 6,
    "coupons": 3,
    "cards": 1,
    "partner programmes": 5,
    "requests": 2,
    "card-linked": 6,
}


def test_the_catalog_holds_every_event_by_subject() -> None:
    counted: dict[str, int] = {}
    for event in catalog():
        counted[event.subject] = counted.get(event.subject, 0) + 1
    assert counted == SUBJECTS
    assert len(catalog()) == len({event.name for event in catalog()}) == 83


def test_every_event_says_what_it_is() -> None:
    untold = [event.name for event in catalog() if not event.description.endswith(".") or not event.message.fields]
    assert untold == []


def test_every_member_of_the_oneof_but_the_generic_one_is_an_event() -> None:
    members = {field.name for field in Event.DESCRIPTOR.oneofs_by_name["data"].fields}
    assert members == {event.field.name for event in catalog()} | {"generic"}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("pointsIssued", "pointsIssued"),
        ("PointsIssued", "pointsIssued"),
        ("50750_pointsIssued", "pointsIssued"),
        ("issuedalternateCurrenciesReversed", "issuedAlternateCurrenciesReversed"),
        ("1000006_issuedalternateCurrenciesReversed", "issuedAlternateCurrenciesReversed"),
        ("PP_EXPIRY_JOB", "PP_EXPIRY_JOB"),
        ("cashback.reverted", "cashback.reverted"),
    ],
)
def test_an_event_is_found_by_every_spelling(spelling: str, name: str) -> None:
    found = catalog().find(spelling)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("spelling", ["", "pointsIssue", "_pointsIssued", "50750", "50750_"])
def test_other_names_are_not_found(spelling: str) -> None:
    assert catalog().find(spelling) is None


@pytest.mark.parametrize(("name", "payload"), [(name, payload) for _, name, payload in PAYLOADS])
def test_the_customer_is_found_wherever_the_catalog_says_there_is_one(name: str, payload: object) -> None:
    known = catalog().find(name)
    assert known is not None
    found = customer_id(convert_one(payload, org_id=ORG).event)
    assert (found is not None) is bool(known.customer_id_path)


def test_the_customer_path_reads_as_an_expression() -> None:
    known = catalog().find("CouponIssue")
    assert known is not None
    assert known.customer_id_path == ("data", "coupons", "0", "customerIdentifiers", "customerId")
    assert known.customer_id_expression == "data.coupons[0].customerIdentifiers.customerId"


def test_every_event_has_a_sample_of_its_name() -> None:
    named = {event.name: convert_one(sample(event.name), org_id=ORG).event.WhichOneof("data") for event in catalog()}
    assert named == {event.name: event.field.name for event in catalog()}


@pytest.mark.parametrize(("name", "payload"), [(name, payload) for _, name, payload in PAYLOADS])
def test_the_fields_of_an_event_are_where_its_view_shows_them(name: str, payload: object) -> None:
    known = catalog().find(name)
    assert known is not None
    listed = {field.path: field.type for field in event_fields(known)}
    open_shapes = {path for path, kind in listed.items() if kind in {"any object", "map of text"}}
    shown = set(_shown(native_view(convert_one(payload, org_id=ORG).event), open_shapes))
    assert shown - set(listed) <= {"event"}


def test_fields_are_listed_with_their_types() -> None:
    known = catalog().find("pointsExpiryReminder")
    assert known is not None
    listed = {field.path: field.type for field in event_fields(known)}
    paths = ["orgId", "traceAttributes", "data", "data.pointsScheduledForExpiry", "data.loyaltyProgramDetails.tiers"]
    paths += ["data.loyaltyProgramDetails.tiers[].tierName", "data.customerIdentifiers.instore.cardNumbers"]
    types = ["integer", "map of text", "object", "number", "list of objects", "text", "list of text"]
    assert [listed[path] for path in paths] == types


def _shown(value: object, stop: set[str], path: str = "") -> Iterator[str]:
    if path in stop or path == "event":
        yield path
    elif isinstance(value, dict):
        if path:
            yield path
        for key, each in value.items():
            yield from _shown(each, stop, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path
        for each in value:
            if isinstance(each, dict):
                for key, inner in each.items():
                    yield from _shown(inner, stop, f"{path}[].{key}")
    else:
        yield path


def test_an_unknown_event_has_no_sample() -> None:
    with pytest.raises(KeyError, match="pointsIssue'"):
        sample("pointsIssue")


def test_names_of_the_vendors_are_unique_within_every_message() -> None:
    seen: set[str] = set()
    for event in catalog():
        for message in _messages(event.message):
            seen.add(message.full_name)
            keys = [field.json_name for field in message.fields]
            assert len({key.casefold() for key in keys}) == len(keys), message.full_name
    assert len(seen) > 83


def _messages(root: Descriptor) -> list[Descriptor]:
    found = [root]
    for message in found:
        inner = [field.message_type for field in message.fields if field.message_type is not None]
        found.extend(each for each in inner if each not in found and each.file.package == "tidings.events.v1")
    return found
