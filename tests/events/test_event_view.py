"""The native view: what conditions and templates read."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from events_kit import ORG, PAYLOADS
from tidings.events import convert_one, narrow_view, native_view
from tidings.events.v1.common_pb2 import CustomerIdentifiers
from tidings.events.v1.event_pb2 import Event, GenericEvent, UnmodelledField
from tidings.events.v1.points_pb2 import PointsIssued
from tidings.events.v1.tiers_pb2 import TierUpgraded


def test_zero_false_and_empty_text_that_were_sent_are_kept_and_absence_is_absence() -> None:
    event = Event(
        org_id=0,
        ref_id="",
        event_log_id=-1,
        points_issued=PointsIssued(
            loyalty_program_id=0, total_points_issued=0.0, customer_identifiers=CustomerIdentifiers()
        ),
    )
    assert native_view(event) == {
        "orgId": 0,
        "refId": "",
        "eventLogId": -1,
        "eventName": "pointsIssued",
        "data": {
            "customerIdentifiers": {},
            "loyaltyProgramId": 0,
            "totalPointsIssued": 0,
            "regularPointsBreakup": [],
            "promotionalPointsIssued": [],
            "promisedPointsIssued": [],
        },
    }


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        (120.0, 120),
        (0.269, 0.269),
        (2.0**53, 2**53),
        (2.0**60, 2.0**60),
        (1e300, 1e300),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_whole_double_shows_as_an_integer(points: float, shown: float | None) -> None:
    view = native_view(Event(points_issued=PointsIssued(total_points_issued=points)))
    found = view["data"]["totalPointsIssued"]
    assert (found, type(found)) == (shown, type(shown))


def test_a_generic_event_shows_its_struct_with_whole_numbers_as_integers() -> None:
    data = Struct()
    data.update({"count": 3, "share": 0.5, "on": True, "none": None, "list": [1, {"deep": "x"}], "empty": {}})
    event = Event(org_id=1, generic=GenericEvent(name="somethingNew", data=data))
    assert native_view(event) == {
        "orgId": 1,
        "eventName": "somethingNew",
        "data": {"count": 3, "share": 0.5, "on": True, "none": None, "list": [1, {"deep": "x"}], "empty": {}},
    }


def unmodelled(**at: str) -> Event:
    fields = [UnmodelledField(path=path, json=text) for path, text in at.items()]
    return Event(tier_upgraded=TierUpgraded(notes="n"), unmodelled=fields)


@pytest.mark.parametrize(
    ("path", "json_text", "expected"),
    [
        ("/data/large", "18446744073709551616", {"notes": "n", "large": 2**64}),
        ("/data/a/b/c", "[1]", {"notes": "n", "a": {"b": {"c": [1]}}}),
        ("/data/a~1b~0c", '"x"', {"notes": "n", "a/b~c": "x"}),
        ("/data/", "1", {"notes": "n", "": 1}),
        ("/data", "5", 5),
        ("/data/notes/x", "1", {"notes": "n"}),
    ],
)
def test_an_unmodelled_value_stands_at_its_path(path: str, json_text: str, expected: Any) -> None:
    assert native_view(unmodelled(**{path: json_text}))["data"] == expected


@pytest.mark.parametrize(("name", "payload"), [(name, payload) for _, name, payload in PAYLOADS])
def test_a_narrow_view_shows_what_its_paths_lead_to_as_the_whole_view_does(name: str, payload: Any) -> None:
    event = convert_one(payload, org_id=ORG).event
    whole = native_view(event)
    for path in paths_of(whole):
        assert reached(narrow_view(name, [path])(event), path) == reached(whole, path)
    assert narrow_view(name, [*paths_of(whole)])(event) == whole


def test_a_narrow_view_reads_nothing_else() -> None:
    event = Event(org_id=1, tier_upgraded=TierUpgraded(notes="n", loyalty_program_id=3))
    view_of = narrow_view("tierUpgraded", [("data", "loyaltyProgramId"), ("data", "nonsense"), ("refId",)])
    assert view_of(event) == {"eventName": "tierUpgraded", "data": {"loyaltyProgramId": 3}}


def test_a_narrow_view_of_nothing_or_of_an_unknown_event_is_the_whole_view() -> None:
    event = Event(org_id=1, tier_upgraded=TierUpgraded(notes="n"))
    whole = native_view(event)
    assert [narrow_view("tierUpgraded", [])(event), narrow_view("somethingNew", [("orgId",)])(event)] == [whole, whole]
    assert narrow_view("tierUpgraded", [()])(event) == whole


def paths_of(view: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in view.items():
        found.append((*above, key))
        if isinstance(value, dict):
            found.extend(paths_of(value, (*above, key)))
    return found


def reached(view: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        view = view[key]
    return view
