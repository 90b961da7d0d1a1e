"""Laws of conversion, on published payloads with things done to them and on any JSON at all."""

import contextlib
import json
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events_kit import ORG, meanings, spoiled, values
from long_kit import at_length
from tidings.events import (
    Conversion,
    ConversionError,
    RejectedEvent,
    convert,
    convert_one,
    native_view,
    to_vendor_json,
    validate,
)
from tidings.events.v1.event_pb2 import Event

EXAMPLES = int(os.environ.get("TIDINGS_EXAMPLES") or at_length(50, 150))

unhurried = settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def converted(payload: dict[str, Any]) -> Event | None:
    try:
        return convert_one(json.dumps(payload), org_id=ORG).event
    except ConversionError:
        return None


@unhurried
@given(spoiled())
def test_no_leaf_is_lost_and_the_way_back_gives_the_same_event(payload: dict[str, Any]) -> None:
    event = converted(payload)
    if event is None:
        return
    back = to_vendor_json(event)
    assert meanings(payload) - meanings(back) == set()
    assert convert_one(json.dumps(back), org_id=ORG).event == event


@unhurried
@given(spoiled(flat=False))
def test_no_value_is_lost_out_of_any_envelope(payload: dict[str, Any]) -> None:
    event = converted(payload)
    if event is None:
        return
    back = to_vendor_json(event)
    assert {value for _, value in meanings(payload)} - {value for _, value in meanings(back)} == set()
    assert convert_one(json.dumps(back), org_id=ORG).event == event


@unhurried
@given(spoiled())
def test_a_converted_event_is_valid_and_survives_its_binary_form(payload: dict[str, Any]) -> None:
    event = converted(payload)
    if event is None:
        return
    assert validate(event) == ()
    assert Event.FromString(event.SerializeToString()) == event


@unhurried
@given(spoiled())
def test_without_warnings_the_way_back_is_exact(payload: dict[str, Any]) -> None:
    try:
        read = convert_one(json.dumps(payload), org_id=ORG)
    except ConversionError:
        return
    if not read.warnings:
        assert {"orgId": ORG} | to_vendor_json(read.event) == {"orgId": ORG} | payload


@unhurried
@given(spoiled())
def test_text_and_parsed_values_convert_alike(payload: dict[str, Any]) -> None:
    text = converted(payload)
    try:
        parsed = convert_one(payload, org_id=ORG).event
    except ConversionError:
        parsed = None
    assert text == parsed


@unhurried
@given(spoiled())
def test_rules_see_every_leaf(payload: dict[str, Any]) -> None:
    event = converted(payload)
    if event is not None and "timestamp" not in payload:
        flat = {key: value for key, value in payload.items() if key != "type"}
        if "eventName" in payload:
            assert meanings(flat) - meanings(native_view(event)) == set()


@unhurried
@given(values, st.sampled_from([None, "events", "attributes", "data", "body", "event", "eventName"]))
def test_any_json_converts_or_is_refused(value: Any, wrapper: str | None) -> None:
    payload = value if wrapper is None else {wrapper: value, "eventName": "pointsIssued"}
    try:
        members = convert(json.dumps(payload)).members
    except ConversionError:
        return
    for member in members:
        assert isinstance(member, RejectedEvent) or validate(member.event) == ()


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_convert_or_are_refused(payload: bytes) -> None:
    with contextlib.suppress(ConversionError):
        assert isinstance(convert(payload), Conversion)
