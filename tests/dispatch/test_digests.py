"""Digests: events gather and become one message, which is told once."""

import asyncio
from typing import Final

import pytest

from channels_kit import SECRET
from sink_kit import http_sink
from tidings.dispatch.sending import MOST_TOLD
from tidings.events.v1.event_pb2 import Event
from tidings.model import Cause, Contact, Deferred, State
from tidings.rulebook import Rulebook
from tidings.store import Intervention
from timing_kit import DAY, HOUR, ORG, Office, book, expiring, ms, open_office, reminder

NOW: Final = ms("2026-06-01T12:00+02:00")
MINUTE: Final = 60_000

LISTING: Final = """\
---
subject: "{{ events | length + more }} reminders, the last {{ eventId }}"
---
{% for each in events %}{{ each.eventId }}: {{ each.data.pointsScheduledForExpiry }}
{% endfor %}{% if more %}and {{ more }} more{% endif %}
"""
DAILY: Final = 'digest: {every: 1d, at: "09:00", by: customer}'
SHORT: Final = "digest: {window: 30m, by: customer}"


def digests(*keys: str, brand: str = "", template: str = LISTING, **further: str) -> Rulebook:
    """Return a rulebook of one rule with these keys, whose e-mail lists what it gathered."""
    return book(reminder(*keys), brand=brand, **{"templates/expiring.en.txt": template, **further})


def webhooks(*keys: str, endpoint: str, body: str = "") -> Rulebook:
    lines = "".join(f"    {key}\n" for key in keys)
    rules = (
        f"version: 1\nrules:\n  - id: reminder\n    event: pointsExpiryReminder\n{lines}"
        f"    notify: [{{webhook: {{to: crm{body}}}}}]\n"
    )
    return book(rules, endpoint=endpoint)


def told(office: Office) -> list[list[str]]:
    """Return the ids of the events that each e-mail listed."""
    return [
        [line.partition(":")[0] for line in email.text.splitlines() if ":" in line] for _, email in office.relay.sent
    ]


def redeemed(name: str, *, customer: int = 4711) -> Event:
    event = Event(org_id=ORG, event_id=name)
    event.points_redeemed.customer_identifiers.customer_id = customer
    return event


async def test_events_of_a_window_become_one_message_the_oldest_first() -> None:
    async with open_office(digests(SHORT), now=NOW) as office:
        (name,) = await office.publish(expiring("e-1"))
        held = await office.delivery(name)
        assert (held.state, held.reason) == (State.HELD, "gathering until 2026-06-01T10:30:00Z")
        office.clock.now += 20 * MINUTE
        assert await office.publish(expiring("e-2"), expiring("e-1"), expiring("e-3")) == [name] * 3
        await office.run(NOW + 30 * MINUTE - 1)
        assert office.relay.sent == []
        await office.run(NOW + 30 * MINUTE)
        assert told(office) == [["e-1", "e-2", "e-3"]]
        ((_, email),) = office.relay.sent
        assert (email.subject, email.date) == ("3 reminders, the last e-3", NOW + 30 * MINUTE)
        (other,) = await office.publish(expiring("e-4"))
        assert other != name


async def test_customers_have_digests_of_their_own_at_their_own_hour() -> None:
    async with open_office(digests(DAILY), now=NOW) as office:
        await office.live_in("America/New_York", customer=1)  # where it is 06:00
        await office.publish(expiring("e-1", customer=1), expiring("e-2", customer=2), expiring("e-3", customer=1))
        hour = ms("2026-06-01T09:00-04:00")
        await office.run(hour)
        await office.run(ms("2026-06-02T09:00+02:00"))
        assert [at for at, _ in office.relay.sent] == [hour, ms("2026-06-02T09:00+02:00")]
        assert told(office) == [["e-1", "e-3"], ["e-2"]]


async def test_a_digest_of_several_days_goes_at_its_hour_within_them() -> None:
    async with open_office(digests('digest: {every: 7d, at: "09:00"}'), now=NOW) as office:
        (name,) = await office.publish(expiring("e-1"))
        assert (await office.delivery(name)).due_at == ms("2026-06-08T09:00+02:00")


async def test_an_event_at_the_very_hour_is_for_the_next_day() -> None:
    nine = ms("2026-06-01T09:00+02:00")
    async with open_office(digests(DAILY), now=nine) as office:
        (name,) = await office.publish(expiring("e-1"))
        assert (await office.delivery(name)).due_at == nine + DAY


async def test_the_hour_keeps_to_clocks_that_change() -> None:
    async with open_office(digests('digest: {every: 1d, at: "02:30"}'), now=ms("2026-03-28T12:00+01:00")) as office:
        (name,) = await office.publish(expiring("e-1"))
        assert (await office.delivery(name)).due_at == ms("2026-03-29T03:00+02:00")


async def test_only_the_latest_are_told_and_the_others_counted() -> None:
    async with open_office(digests(SHORT), now=NOW) as office:
        await office.publish(*(expiring(f"e-{number}") for number in range(MOST_TOLD + 5)))
        await office.run(NOW + HOUR)
        assert told(office) == [[f"e-{number}" for number in range(5, MOST_TOLD + 5)]]
        assert office.relay.sent[0][1].text.rstrip().endswith("and 5 more")


async def test_what_expired_or_was_called_off_is_not_told() -> None:
    rules = digests(SHORT, "expires_at: data.scheduledExpiryDate", "cancel_on: pointsRedeemed")
    async with open_office(rules, now=ms("2026-06-01T23:45+02:00")) as office:
        (name, *_) = await office.publish(expiring("e-1"))
        (off,) = await office.publish(expiring("e-2", customer=1))
        await office.publish(redeemed("r-1"), redeemed("r-2", customer=1))
        (name, *_) = await office.publish(
            expiring("e-3"), expiring("e-4", expires="2026-06-01"), expiring("e-5", expires="2026-06-02")
        )
        await office.run(ms("2026-06-02T00:15+02:00"))
        assert told(office) == [["e-3", "e-5"]]
        assert (await office.delivery(name)).state is State.DELIVERED
        assert (await office.delivery(off)).state is State.CANCELLED


async def test_a_digest_of_which_all_has_expired_expires() -> None:
    async with open_office(
        digests(SHORT, "expires_at: data.scheduledExpiryDate"), now=ms("2026-06-01T23:45+02:00")
    ) as office:
        (name, _) = await office.publish(expiring("e-1", expires="2026-06-01"), expiring("e-2", expires="2026-06-01"))
        await office.run(ms("2026-06-02T00:15+02:00"))
        assert ((await office.delivery(name)).state, office.relay.sent) == (State.EXPIRED, [])


async def test_what_quiet_hours_hold_gathers_on_and_is_one_message_in_the_morning() -> None:
    quiet = 'quiet_hours: {from: "21:00", to: "08:00"}'
    async with open_office(digests(SHORT, brand=quiet), now=ms("2026-06-01T20:45+02:00")) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.run(ms("2026-06-01T21:15+02:00"))
        held = await office.delivery(name)
        assert (held.state, held.due_at) == (State.HELD, ms("2026-06-02T08:00+02:00"))
        assert await office.publish(expiring("e-2")) == [name]
        await office.run(held.due_at)
        assert told(office) == [["e-1", "e-2"]]


async def test_consent_is_asked_when_it_goes() -> None:
    async with open_office(digests(SHORT, "category: news"), now=NOW) as office:
        agreed = Contact(org_id=ORG, customer_id="4711", email="ada@example.com", consents={"news": True})
        await office.store.upsert_contacts([agreed])
        (name,) = await office.publish(expiring("e-1"))
        await office.store.upsert_contacts([Contact(org_id=ORG, customer_id="4711", consents={"news": False})])
        await office.run(NOW + HOUR)
        stopped = await office.delivery(name)
        assert (stopped.state, stopped.reason) == (
            State.SUPPRESSED, "customer 4711 objects to messages of category news",
        )  # fmt: skip


async def test_a_throttle_and_a_cap_count_a_digest_once() -> None:
    rules = digests(SHORT, "category: news", "throttle: {limit: 1, per: 1h}", brand="caps: [{limit: 2, per: 7d}]")
    async with open_office(rules, now=NOW) as office:
        names = []
        for number in range(3):
            office.clock.now = NOW + number * HOUR
            names += await office.publish(expiring(f"{number}-a"), expiring(f"{number}-b"))
            await office.run(office.clock.now + 30 * MINUTE)
        assert told(office) == [["0-a", "0-b"], ["1-a", "1-b"]]
        assert "over the cap of 2 in 7d" in (await office.delivery(names[-1])).reason


async def test_a_repeat_says_the_same_and_what_comes_meanwhile_is_another_message() -> None:
    async with open_office(digests(SHORT), now=NOW) as office:
        (name,) = await office.publish(expiring("e-1"))
        office.relay.answers.append(Deferred(status_code=451, detail="later"))
        await office.run(NOW + 30 * MINUTE)
        assert (await office.delivery(name)).state is State.WAITING
        (other,) = await office.publish(expiring("e-2"))
        assert other != name
        await office.run(NOW + 4 * HOUR)
        assert sorted(told(office)) == [["e-1"], ["e-2"]]


async def test_a_reload_leaves_what_is_gathered_as_it_was_meant_and_a_changed_rule_gathers_by_itself() -> None:
    first, unrelated = digests(SHORT), digests(SHORT, brand="weight: 2")
    changed = digests("digest: {window: 2h, by: customer}", template=LISTING.replace("reminders", "notices"))
    async with open_office(first, now=NOW) as office:

        async def publish(name: str, live: Rulebook) -> str:
            office.rulebooks.replace(live)
            (delivery,) = await office.publish(expiring(name))
            return delivery

        names = [await publish("e-1", first), await publish("e-2", unrelated), await publish("e-3", changed)]
        assert names[0] == names[1] != names[2]
        await office.run(NOW + 30 * MINUTE)
        await office.run(NOW + 2 * HOUR)
        assert told(office) == [["e-1", "e-2"], ["e-3"]]
        assert [email.subject for _, email in office.relay.sent] == [
            "2 reminders, the last e-2", "1 notices, the last e-3",
        ]  # fmt: skip


async def test_events_gathered_by_a_value_of_theirs_and_by_the_brand() -> None:
    by_points = book(
        reminder("digest: {window: 30m, by: data.pointsScheduledForExpiry}", to="brand"),
        **{"templates/expiring.en.txt": LISTING},
    )
    by_brand = book(reminder("digest: {window: 30m, by: brand}", to="brand"), **{"templates/expiring.en.txt": LISTING})
    for rules, expected in ((by_points, [["e-1", "e-3"], ["e-2"]]), (by_brand, [["e-1", "e-2", "e-3"]])):
        async with open_office(rules, now=NOW) as office:
            events = [expiring(f"e-{number}", customer=number) for number in (1, 2, 3)]
            events[1].points_expiry_reminder.points_scheduled_for_expiry = 77
            names = await office.publish(*events)
            assert {(await office.delivery(each)).customer_id for each in names} == {None}
            await office.run(NOW + HOUR)
            assert told(office) == expected


async def test_an_email_to_a_customer_never_tells_of_another() -> None:
    async with open_office(digests("digest: {window: 30m, by: brand}"), now=NOW) as office:
        await office.publish(expiring("e-1", customer=1), expiring("e-2", customer=2), expiring("e-3", customer=1))
        await office.run(NOW + HOUR)
        assert sorted(told(office)) == [["e-1", "e-3"], ["e-2"]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", {"events": ["e-1", "e-2"], "more": 0}),
        (
            ", body: {last: eventId, all: 'sum(events[].data.pointsScheduledForExpiry)', rest: more}",
            {"last": "e-2", "all": 600, "rest": 0},
        ),
    ],
)
async def test_a_webhook_tells_of_all_events(body: str, expected: dict[str, object]) -> None:
    async with http_sink(SECRET) as sink:
        async with open_office(webhooks(SHORT, endpoint=sink.url, body=body), now=NOW) as office:
            await office.publish(expiring("e-1"), expiring("e-2"))
            await office.run(NOW + HOUR)
        assert [_told(each.json["data"]) for each in sink.received] == [expected]


def _told(data: dict[str, object]) -> dict[str, object]:
    events = data.get("events")
    return data | {"events": [each["eventId"] for each in events]} if isinstance(events, list) else data


async def test_what_a_worker_died_with_is_told_by_the_next() -> None:
    async with open_office(digests(SHORT), now=NOW) as office:
        (name,) = await office.publish(expiring("e-1"))
        (leased,) = await office.store.lease(now=NOW + 30 * MINUTE, until=NOW + 31 * MINUTE, limit=1)
        assert leased.delivery.id == name
        await office.run(NOW + 32 * MINUTE)
        assert told(office) == [["e-1"]]


async def test_what_somebody_makes_due_before_its_time_is_held_until_then() -> None:
    async with open_office(digests(SHORT), now=NOW) as office:
        names = await office.publish(expiring("e-1"))
        for cause in (Cause.CANCELLED, Cause.REQUEUED):
            await office.store.intervene(names, Intervention(cause=cause, reason="by hand", now=NOW))
        await office.run()
        held = await office.delivery(names[0])
        assert (held.state, held.due_at, office.relay.sent) == (State.HELD, NOW + 30 * MINUTE, [])
        await office.run(held.due_at)
        assert told(office) == [["e-1"]]


async def test_publishing_beside_flushing_tells_every_event_once() -> None:
    async with open_office(digests("digest: {window: 1s, by: customer}"), now=NOW) as office:

        async def publish(worker: int) -> None:
            for number in range(25):
                await office.publish(expiring(f"{worker}-{number}", customer=number % 3))
                office.clock.now += 97

        async def flush() -> None:
            for _ in range(8):
                await office.run()

        await asyncio.gather(*map(publish, range(4)), flush())
        await office.run(office.clock.now + DAY)
        listed = [name for names in told(office) for name in names]
        assert sorted(listed) == sorted(f"{worker}-{number}" for worker in range(4) for number in range(25))
