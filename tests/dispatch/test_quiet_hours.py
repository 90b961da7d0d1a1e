"""Customers are left alone in their quiet hours: by their own clock, on every attempt, and nobody else waits."""

import pytest

from channels_kit import SECRET
from sink_kit import http_sink
from tidings.model import Deferred, State
from tidings.rpc.convert import delivery_to_proto, timestamp
from timing_kit import HOUR, book, expiring, ms, open_office, reminder

QUIET = 'quiet_hours: {from: "21:00", to: "08:00"}'
NIGHT = ms("2026-06-01T23:00+02:00")
MORNING = ms("2026-06-02T08:00+02:00")


async def test_an_email_waits_until_the_brands_night_is_over() -> None:
    async with open_office(book(reminder(), brand=QUIET), now=NIGHT) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        held = await office.delivery(name)
        assert (held.state, held.due_at, held.attempts) == (State.HELD, MORNING, 0)
        assert held.reason == "quiet hours of the customer until 08:00 (Europe/Berlin)"
        assert delivery_to_proto(held).held_until == timestamp(MORNING)

        await office.run(MORNING - 1)
        assert office.relay.sent == []
        await office.run(MORNING)

        done = await office.delivery(name)
        assert [at for at, _ in office.relay.sent] == [MORNING]
        assert (done.state, delivery_to_proto(done).HasField("held_until")) == (State.DELIVERED, False)
        assert office.metrics.registry.get_sample_value("tidings_deliveries_held_total", {"kind": "quiet_hours"}) == 1


async def test_a_customers_own_zone_goes_before_the_brands_and_counts_on_every_attempt() -> None:
    """The customer moves while the message waits: first asleep in Kolkata, then awake in Apia, then a second try."""
    async with open_office(book(reminder(), brand=QUIET), now=ms("2026-06-01T18:00+02:00")) as office:
        await office.live_in("Asia/Kolkata")
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        held = await office.delivery(name)
        assert (held.state, held.due_at) == (State.HELD, ms("2026-06-02T08:00+05:30"))

        office.relay.answers.append(Deferred(status_code=451, detail="later"))
        await office.live_in("Pacific/Apia")
        await office.run(held.due_at)  # 15:30 in Apia
        assert (await office.delivery(name)).state is State.WAITING
        await office.live_in("Europe/Berlin")
        await office.run(held.due_at + HOUR)  # 05:30 in Berlin
        again = await office.delivery(name)
        assert (again.state, again.due_at, again.attempts) == (State.HELD, MORNING, 1)
        await office.run(MORNING)
        assert [at for at, _ in office.relay.sent] == [MORNING]


@pytest.mark.parametrize("to", ["brand", "duty@example.com"])
async def test_those_who_are_no_customers_do_not_wait(to: str) -> None:
    async with open_office(book(reminder(to=to), brand=QUIET), now=NIGHT) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        assert (await office.delivery(name)).state is State.DELIVERED


async def test_an_address_from_the_event_is_a_customers() -> None:
    rules = reminder(to="{path: data.customerIdentifiers.instore.email}")
    async with open_office(book(rules, brand=QUIET), now=NIGHT) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        assert (await office.delivery(name)).state is State.HELD


async def test_what_is_urgent_and_webhooks_do_not_wait() -> None:
    rules = reminder("urgent: true").replace("notify: [", "notify: [{webhook: {to: crm}}, ")
    async with (
        http_sink(SECRET) as sink,
        open_office(book(rules, brand=QUIET, endpoint=sink.url), now=NIGHT) as office,
    ):
        names = await office.publish(expiring("e-1"))
        await office.run()
        assert [(await office.delivery(name)).state for name in names] == [State.DELIVERED] * 2


async def test_what_would_expire_in_the_night_ends_at_once_and_says_so() -> None:
    """Sending it in the night is worse than not at all, and waiting for an end that is known helps nobody."""
    rules = book(reminder("expires_at: data.scheduledExpiryDate"), brand=QUIET)
    async with open_office(rules, now=NIGHT) as office:
        (name,) = await office.publish(expiring("e-1", expires="2026-06-01"))
        await office.run()
        ended = await office.delivery(name)
        assert (ended.state, ended.reason) == (
            State.EXPIRED,
            "its time passes while it waits: quiet hours of the customer until 08:00 (Europe/Berlin)",
        )
        assert office.relay.sent == []


async def test_a_brands_hours_count_as_they_are_now() -> None:
    async with open_office(book(reminder(), brand=QUIET), book(reminder()), now=NIGHT) as office:
        (name,) = await office.publish(expiring("e-1"))
        office.rulebooks.replace(book(reminder(), brand='quiet_hours: {from: "21:00", to: "07:00"}'))
        await office.run()
        assert (await office.delivery(name)).due_at == MORNING - HOUR


async def test_a_zone_that_is_none_any_more_leaves_the_brands() -> None:
    async with open_office(book(reminder(), brand=QUIET), now=NIGHT) as office:
        await office.live_in("Mars/Olympus")
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        assert (await office.delivery(name)).due_at == MORNING
