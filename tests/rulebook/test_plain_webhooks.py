"""What many webhooks share is found once, and makes the same bodies."""

from typing import Any

import pytest

from tidings.events import convert_one, sample
from tidings.model import Channel, Delivery, Recipient, RecipientKind, Source, State
from tidings.rulebook import Rulebook, compose, load, plain_webhook

BRAND = """version: 1
brands:
  - org: 1
    name: Example Rewards
    from: rewards@example.com
    time_zone: Asia/Kolkata
    endpoints: [{name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}]
"""
RULES = """version: 1
rules:
  - id: rule
    event: [pointsIssued, tierUpgraded]
    %s
    notify:
      - webhook: {to: crm}
      - webhook: {to: crm, type: loyalty.points, body: {name: eventName, of: {at: createdAt}}}
      - email: {to: desk@example.com, template: notice}
"""
PAGE = "---\nsubject: Points\n---\n<p>Points</p>"


def rulebook(timing: str = "retry: [5s, 1m]") -> Rulebook:
    files = {"brands/all.yaml": BRAND, "loyalty.yaml": RULES % timing, "templates/notice.en.html": PAGE}
    return load([Source(path=path, data=text.encode()) for path, text in files.items()])


def delivery(**changes: Any) -> Delivery:
    made = Delivery(
        id="dlv_0123", org_id=1, event_id="e", event_name="pointsIssued", rule_id="rule", action=0, revision="r",
        channel=Channel.WEBHOOK, recipient=Recipient(RecipientKind.ENDPOINT, "crm"), customer_id=None,
        state=State.SENDING, reason="", created_at=1_700_000_000_123, due_at=0, expires_at=None, attempts=0,
    )  # fmt: skip
    return made._replace(**changes)


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("name", ["pointsIssued", "tierUpgraded"])
def test_it_makes_the_same_bodies_as_composing_each(name: str, action: int) -> None:
    book, wanted = rulebook(), delivery(event_name=name, action=action)
    plain = plain_webhook(book, wanted)
    assert plain is not None
    assert plain.retry == (5_000, 60_000)
    for created in (1_700_000_000_123, 1_800_000_000_000):
        each = wanted._replace(created_at=created)
        event = convert_one(sample(name)).event
        call = compose(book, each, event, None)
        assert (plain.endpoint, plain.body(event, now=created)) == (call.endpoint, call.body)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "other",
    [{"rule_id": "gone"}, {"org_id": 2}, {"action": 2}, {"action": 9}, {"recipient": Recipient.parse("endpoint:gone")}],
    ids=str,
)
def test_what_is_no_such_webhook_shares_nothing(other: dict[str, Any]) -> None:
    assert plain_webhook(rulebook(), delivery(**other)) is None


@pytest.mark.parametrize("timing", ["throttle: {limit: 1, per: 1h}", "digest: {window: 30m}"])
def test_what_gates_are_asked_about_is_not_plain(timing: str) -> None:
    assert plain_webhook(rulebook(timing), delivery()) is None
