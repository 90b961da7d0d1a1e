"""Many events published in one call: each has its own answer, in its place, and is counted as what it came to."""

from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest

from rules_kit import points_expiring
from tidings.errors import EventIdReused, InvalidEvent
from tidings.events.v1.event_pb2 import Event
from tidings.intake import Publish, Published
from tidings.rulebook import Rulebook, Rulebooks
from tidings.store import open_store
from tidings.telemetry.metrics import Metrics
from timing_kit import book

RULES = (
    "version: 1\nrules:\n  - id: one\n    event: pointsExpiryReminder\n"
    "    when: data.pointsScheduledForExpiry > `1000`\n    notify: [{webhook: {to: crm}}]\n"
)
KINDS = ("new", "matched", "unnamed", "duplicate", "reused", "invalid")


async def no_past(_: str) -> Rulebook | None:
    return None


def event_of(kind: str, number: int) -> Event:
    event = points_expiring(customer=number + 1)
    event.event_id = {"duplicate": "taken", "reused": "other"}.get(kind, f"e-{number}")
    event.points_expiry_reminder.points_scheduled_for_expiry = 5_000 if kind == "matched" else 5
    if kind == "duplicate":
        event.points_expiry_reminder.customer_identifiers.customer_id = 1
    elif kind == "unnamed":
        event.ClearField("event_id")
    elif kind == "invalid":
        event.ClearField("org_id")
    return event


def kind_of(answer: Published | InvalidEvent | EventIdReused, number: int) -> str:
    if isinstance(answer, InvalidEvent):
        return "invalid"
    if isinstance(answer, EventIdReused):
        return "reused"
    if answer.duplicate:
        return "duplicate" if answer.event_id == "taken" else "?"
    if answer.event_id.startswith("sha256-"):
        return "unnamed"
    assert answer.event_id == f"e-{number}"
    assert bool(answer.delivery_ids) == bool(answer.matched_rules)
    return "matched" if answer.matched_rules == ("one",) else "new"


def counted(metrics: Metrics) -> Counter[str]:
    """Count events by what they came to."""
    found = {
        outcome: metrics.registry.get_sample_value("tidings_events_total", {"outcome": outcome})
        for outcome in ("new", "duplicate", "reused", "invalid")
    }
    return Counter({outcome: int(count) for outcome, count in found.items() if count})


@pytest.mark.parametrize(
    "kinds", [KINDS, KINDS[::-1], ("new",) * 3, *product(("invalid", "matched"), repeat=3), ("new", "invalid") * 3]
)
async def test_each_event_has_its_answer_in_its_place(kinds: Sequence[str]) -> None:
    rulebooks, metrics = Rulebooks(book(RULES), read_past=no_past), Metrics()
    async with open_store("sqlite://") as store:
        earlier = [event_of("duplicate", 0), event_of("reused", 99)]
        await Publish(store=store, rulebooks=rulebooks, metrics=Metrics()).many(earlier)
        publish = Publish(store=store, rulebooks=rulebooks, metrics=metrics)

        answers = await publish.many([event_of(kind, number) for number, kind in enumerate(kinds)])

    assert [kind_of(each, number) for number, each in enumerate(answers)] == list(kinds)
    assert counted(metrics) == Counter("new" if kind in {"matched", "unnamed"} else kind for kind in kinds)
