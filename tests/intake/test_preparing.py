"""What is recorded of many events is what would be recorded of each by itself, whatever the rulebook."""

from collections.abc import Sequence
from random import Random

import pytest
from prometheus_client import generate_latest

from events_kit import ORG, SPOILINGS, published
from tidings.errors import InvalidEvent
from tidings.events.v1.event_pb2 import Event
from tidings.intake.preparing import Preparation
from tidings.rulebook import Rulebook
from tidings.store import Publication
from tidings.telemetry.metrics import Metrics
from timing_kit import book, reminder

NOW = 1_768_000_000_000
WEBHOOK = "    notify: [{webhook: {to: crm}}]\n"

BOOKS = {
    "of no rule": "version: 1\nrules: []\n",
    "that glances": f"version: 1\nrules:\n  - id: one\n    event: [pointsExpiryReminder, tierUpgraded]\n"
    f"    when: data.loyaltyProgramId == `1`\n{WEBHOOK}"
    f"  - id: two\n    event: pointsIssued\n    when: data.loyaltyProgramId > `100000`\n{WEBHOOK}",
    "that takes all": f"version: 1\nrules:\n  - id: one\n    event: [pointsExpiryReminder, tierUpgraded]\n{WEBHOOK}"
    f"  - id: two\n    event: pointsIssued\n    mode: shadow\n{WEBHOOK}",
    "that fails": f"version: 1\nrules:\n  - id: one\n    event: pointsExpiryReminder\n"
    f"    when: length(data.customerIdentifiers.wechat.mobile) > `1`\n{WEBHOOK}",
    "that calls off": reminder("cancel_on: [tierUpgraded, {event: pointsIssued, when: 'data.loyaltyProgramId > `5`'}]"),
}
BRANDS = {"usual": "", "that keeps contacts": "keep_contacts: true"}


def copies(events: Sequence[Event]) -> list[Event]:
    made = [Event() for _ in events]
    for copy, event in zip(made, events, strict=True):
        copy.CopyFrom(event)
    return made


def told(outcome: Publication | InvalidEvent) -> object:
    """Tell an outcome as something that can be compared."""
    return outcome if isinstance(outcome, Publication) else (type(outcome), str(outcome), outcome.violations)


def counted(metrics: Metrics) -> list[str]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return [line for line in lines if line.startswith("tidings_rule") and "_created" not in line]


def prepared(rulebook: Rulebook, events: Sequence[Event], metrics: Metrics) -> list[Publication | InvalidEvent]:
    """Prepare events together; an outcome for each, in order."""
    publications, refused = Preparation(rulebook, now=NOW, metrics=metrics).of_many(events)
    accepted = iter(publications)
    return [refused.get(place) or next(accepted) for place in range(len(publications) + len(refused))]


def check(rulebook: Rulebook, events: Sequence[Event]) -> list[Publication | InvalidEvent]:
    """Prepare events together and each by itself; the outcomes, the events and the counts are the same."""
    together, alone, by_all, by_each = copies(events), copies(events), Metrics(), Metrics()
    found = prepared(rulebook, together, by_all)
    expected = [Preparation(rulebook, now=NOW, metrics=by_each).of_one(event) for event in alone]
    assert [told(each) for each in found] == [told(each) for each in expected]
    assert [each.event.event_id for each in found if isinstance(each, Publication)] == [
        event.event_id for event, each in zip(together, found, strict=True) if isinstance(each, Publication)
    ]
    assert together == alone
    assert counted(by_all) == counted(by_each)
    return found


@pytest.mark.parametrize("brand", BRANDS)
@pytest.mark.parametrize("rules", BOOKS)
def test_every_published_payload_is_prepared_as_by_itself(rules: str, brand: str) -> None:
    rulebook, events = book(BOOKS[rules], brand=BRANDS[brand]), published()
    for _ in range(2):  # some without an id, then all with one
        found = check(rulebook, events)
        assert [isinstance(each, Publication) for each in found] == [True] * len(events)
        for number, event in enumerate(events):
            event.event_id = f"e-{number}"


@pytest.mark.parametrize("rules", BOOKS)
def test_spoiled_ones_among_them_change_nothing_for_the_others(rules: str) -> None:
    rulebook, dice = book(BOOKS[rules]), Random(7)  # noqa: S311 (the same on every run)
    refused = 0
    for spoiling in SPOILINGS.values():
        events = dice.sample(published(), 12)
        for event in dice.sample(events, 3):
            spoiling(event)
        refused += sum(isinstance(each, InvalidEvent) for each in check(rulebook, events))
    assert refused > 30


def test_the_rulebooks_say_something_of_the_payloads() -> None:
    """Lest the tests above compare nothing with nothing."""
    of_all = check(book(BOOKS["that takes all"]), published())
    assert any(isinstance(each, Publication) and each.deliveries for each in of_all)
    assert any(isinstance(each, Publication) and not each.event.matched_rules for each in of_all)
    failing = Metrics()
    Preparation(book(BOOKS["that fails"]), now=NOW, metrics=failing).of_many(published())
    assert any("rule_failures_total{" in line for line in counted(failing))
    calling = check(book(BOOKS["that calls off"]), published())
    assert any(isinstance(each, Publication) and each.call_offs for each in calling)
    keeping = check(book(BOOKS["of no rule"], brand=BRANDS["that keeps contacts"]), published())
    assert any(isinstance(each, Publication) and each.contact for each in keeping)
    assert all(isinstance(each, Publication) and each.event.org_id == ORG for each in keeping)
