"""The body of a webhook."""

import json
from zoneinfo import ZoneInfo

import pytest

from rules_kit import points_expiring, rule, ruleset
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import EvaluationError
from tidings.rules import WebhookAction, webhook_payload

NOW = 1_768_000_000_123
UTC = ZoneInfo("UTC")


def action(webhook: str) -> WebhookAction:
    rules = ruleset(rule(f"event: pointsExpiryReminder\nnotify: [{{webhook: {webhook}}}]"))
    found = rules.rules[0].actions[0]
    assert isinstance(found, WebhookAction)
    return found


def payload(webhook: str, event: Event | None = None, *, now: int = NOW) -> bytes:
    return webhook_payload(action(webhook), event or points_expiring(), now=now, zone=UTC)


def test_a_body_is_evaluated_key_by_key() -> None:
    body = (
        "{to: crm, type: loyalty.points_expiring, body: {member: data.customerIdentifiers.customerId,"
        " nested: {points: data.pointsScheduledForExpiry, none: data.loyaltyProgramDetails.name}, at: now()}}"
    )
    assert payload(body) == (
        b'{"type":"loyalty.points_expiring","timestamp":"2026-01-09T23:06:40.123Z","data":{"member":4711,'
        b'"nested":{"points":300,"none":null},"at":1768000000123}}'
    )


def test_without_a_body_the_whole_event_is_sent() -> None:
    event = points_expiring()
    event.created_at = 1_769_904_000_000
    event.event_id = "e-1"
    body = json.loads(payload("{to: crm}", event))
    assert (body["type"], body["timestamp"]) == ("pointsExpiryReminder", "2026-02-01T00:00:00.000Z")
    assert (body["data"]["eventName"], body["data"]["eventId"], body["data"]["data"]["scheduledExpiryDate"]) == (
        "pointsExpiryReminder",
        "e-1",
        "2026-01-31",
    )


def test_the_same_delivery_has_the_same_bytes_on_every_attempt() -> None:
    assert payload("{to: crm}") == payload("{to: crm}")


@pytest.mark.parametrize(
    ("name", "kind"), [("cashback.created", "cashback.created"), ("a b/ü-c", "a_b___c"), ("x_1", "x_1")]
)
def test_a_type_made_of_the_name_holds_only_what_types_may(name: str, kind: str) -> None:
    event = Event(org_id=1)
    event.generic.name = name
    assert json.loads(payload("{to: crm}", event))["type"] == kind


@pytest.mark.parametrize(
    ("created_at", "timestamp"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "2026-01-09T23:06:40.123Z"),
        (2**62, "2026-01-09T23:06:40.123Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_that_cannot_be_written_gives_way_to_that_of_receipt(created_at: int, timestamp: str) -> None:
    event = points_expiring()
    event.created_at = created_at
    assert json.loads(payload("{to: crm}", event))["timestamp"] == timestamp


def test_integers_of_any_size_are_written_in_full() -> None:
    event = points_expiring()
    event.unmodelled.add(path="/data/loyaltyProgramId", json=str(2**80))
    event.unmodelled.add(path="/data/loyaltyProgramDetails/id", json=str(2**63 - 1))
    body = payload(
        "{to: crm, body: {huge: data.loyaltyProgramId, large: data.loyaltyProgramDetails.id, text: \"'é'\"}}", event
    )
    assert body.endswith(f'"data":{{"huge":{2**80},"large":{2**63 - 1},"text":"é"}}}}'.encode())


def test_a_body_that_cannot_be_evaluated_says_so() -> None:
    with pytest.raises(EvaluationError):
        payload("{to: crm, body: {n: length(data.customerIdentifiers.wechat.mobile)}}")


def test_expressions_bound_before_give_the_same_bytes_as_those_bound_anew() -> None:
    rules = ruleset(
        rule(
            "event: pointsExpiryReminder\nnotify: [{webhook: {to: crm, body: {member: data.customerIdentifiers,"
            " points: data.pointsScheduledForExpiry}}}]"
        )
    )
    bound = rules.bound("pointsExpiryReminder")
    found = rules.rules[0].actions[0]
    assert isinstance(found, WebhookAction)
    noted = points_expiring()
    noted.unmodelled.add(path="/data/customerIdentifiers/note", json='"kept"')
    for event in (points_expiring(), noted, points_expiring()):
        anew = webhook_payload(found, event, now=NOW, zone=UTC)
        assert webhook_payload(found, event, now=NOW, zone=UTC, bound=bound) == anew
    assert rules.bound("pointsExpiryReminder") is bound
