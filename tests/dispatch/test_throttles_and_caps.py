"""How many messages go: throttles of rules and caps of brands, counted over what was sent or is under way."""

import asyncio

import pytest

from channels_kit import SECRET
from sink_kit import http_sink
from tidings.model import Deferred, Refused, State
from timing_kit import DAY, HOUR, book, expiring, ms, open_office, reminder

NOW = ms("2026-06-01T12:00+02:00")
ONE_A_WEEK = "throttle: {limit: 1, per: 7d, by: customer}"


def two_rules(*keys: str) -> str:
    """Return a rules file of two rules of different categories on the same event."""
    one, two = (reminder(f"category: {name}", *keys, id=name) for name in ("offers", "news"))
    return one + two.removeprefix("version: 1\nrules:\n")


async def test_the_second_in_the_window_is_suppressed_and_says_until_when() -> None:
    async with open_office(book(reminder(ONE_A_WEEK)), now=NOW) as office:
        first, second = await office.publish(expiring("e-1"), expiring("e-2"))
        await office.run()
        states = {(await office.delivery(each)).state for each in (first, second)}
        assert states == {State.DELIVERED, State.SUPPRESSED}
        (stopped,) = [each for each in [await office.delivery(name) for name in (first, second)] if each.reason]
        assert stopped.reason == (
            "throttled: rule reminder is limited to 1 in 7d by customer, and has room again from 2026-06-08T10:00:00Z"
        )
        await office.publish(expiring("e-3"))
        await office.run(NOW + 7 * DAY - 1)
        office.clock.now = NOW + 7 * DAY
        (late,) = await office.publish(expiring("e-4"))
        await office.run()
        assert (await office.delivery(late)).state is State.DELIVERED
        assert len(office.relay.sent) == 2


async def test_an_email_and_a_webhook_of_one_event_are_one() -> None:
    rules = reminder(ONE_A_WEEK).replace("notify: [", "notify: [{webhook: {to: crm}}, ")
    async with (
        http_sink(SECRET) as sink,
        open_office(book(rules, endpoint=sink.url), now=NOW) as office,
    ):
        await office.publish(expiring("e-1"))
        await office.run()
        await office.publish(expiring("e-2"))
        await office.run(NOW + HOUR)
        assert (len(office.relay.sent), len(sink.received)) == (1, 1)


@pytest.mark.parametrize(
    ("by", "delivered"),
    [("customer", 3), ("brand", 1), ("data.loyaltyProgramId", 1), ("data.customerIdentifiers.customerId", 3)],
)
async def test_it_counts_by_what_the_rule_says(by: str, delivered: int) -> None:
    rules = book(reminder(f"throttle: {{limit: 1, per: 1d, by: {by}}}"))
    async with open_office(rules, now=NOW) as office:
        await office.publish(*(expiring(f"e-{number}", customer=number % 3 + 1) for number in range(9)))
        await office.run()
        assert len(office.relay.sent) == delivered


async def test_a_retry_keeps_its_room_and_what_was_refused_gives_it_back() -> None:
    async with open_office(book(reminder(ONE_A_WEEK)), now=NOW) as office:
        office.relay.answers.append(Deferred(status_code=451, detail="later"))
        (first,) = await office.publish(expiring("e-1"))
        await office.run()
        (second,) = await office.publish(expiring("e-2"))
        await office.run(NOW + 1)
        assert [(await office.delivery(each)).state for each in (first, second)] == [State.WAITING, State.SUPPRESSED]
        office.relay.answers.append(Refused(status_code=550, detail="no"))
        await office.run(NOW + HOUR)
        assert (await office.delivery(first)).state is State.DEAD
        (third,) = await office.publish(expiring("e-3"))
        await office.run()
        assert (await office.delivery(third)).state is State.DELIVERED


async def test_what_waits_for_the_morning_does_not_count_until_it_goes() -> None:
    night = ms("2026-06-01T23:00+02:00")
    quiet = 'quiet_hours: {from: "21:00", to: "08:00"}'
    async with open_office(book(reminder(ONE_A_WEEK), brand=quiet), now=night) as office:
        names = await office.publish(expiring("e-1"), expiring("e-2"))
        await office.run()
        assert [(await office.delivery(each)).state for each in names] == [State.HELD] * 2
        morning = ms("2026-06-02T08:00+02:00")
        await office.run(morning)
        states = sorted([(await office.delivery(each)).state for each in names])
        assert states == [State.DELIVERED, State.SUPPRESSED]


async def test_two_dispatchers_on_one_store_send_no_more_than_one() -> None:
    async with open_office(book(reminder("throttle: {limit: 5, per: 1d, by: brand}")), now=NOW) as office:
        await office.publish(*(expiring(f"e-{number}", customer=number) for number in range(60)))
        await asyncio.gather(office.run(), office.run())
        assert len(office.relay.sent) == 5


# Caps


async def test_a_cap_counts_across_rules_and_holds_until_there_is_room() -> None:
    rules = book(two_rules(), brand="caps: [{limit: 3, per: 1d}]")
    async with open_office(rules, now=NOW) as office:
        names = await office.publish(expiring("e-1"), expiring("e-2"))
        await office.run()
        found = [await office.delivery(each) for each in names]
        assert sorted(each.state for each in found) == [State.DELIVERED] * 3 + [State.HELD]
        (held,) = [each for each in found if each.state is State.HELD]
        assert (held.due_at, held.reason) == (NOW + DAY, "over the cap of 3 in 1d for this customer")
        await office.run(NOW + DAY)
        assert (await office.delivery(held.id)).state is State.DELIVERED
        assert [at for at, _ in office.relay.sent] == [NOW] * 3 + [NOW + DAY]


async def test_service_and_other_categories_do_not_count() -> None:
    service = reminder(id="service").removeprefix("version: 1\nrules:\n")
    rules = book(two_rules() + service, brand="caps: [{limit: 1, per: 1d, categories: [offers]}]")
    async with open_office(rules, now=NOW) as office:
        await office.publish(expiring("e-1"), expiring("e-2"))
        await office.run()
        assert len(office.relay.sent) == 5


async def test_each_customer_has_a_count_and_emails_to_the_brand_have_none() -> None:
    rules = reminder("category: offers").replace("notify: [", "notify: [{email: {to: brand, template: expiring}}, ")
    async with open_office(book(rules, brand="caps: [{limit: 1, per: 1d}]"), now=NOW) as office:
        await office.publish(*(expiring(f"e-{number}", customer=number % 2 + 1) for number in range(6)))
        await office.run()
        assert len(office.relay.sent) == 6 + 2


async def test_the_fullest_cap_says_how_long() -> None:
    rules = book(reminder("category: offers"), brand="caps: [{limit: 1, per: 1h}, {limit: 1, per: 2d}]")
    async with open_office(rules, now=NOW) as office:
        names = await office.publish(expiring("e-1"), expiring("e-2"))
        await office.run()
        (held,) = [each for each in [await office.delivery(name) for name in names] if each.state is State.HELD]
        assert (held.due_at, held.reason) == (NOW + 2 * DAY, "over the cap of 1 in 2d for this customer")


async def test_what_would_expire_before_there_is_room_is_suppressed() -> None:
    rules = reminder("category: offers", "expires_at: data.scheduledExpiryDate")
    async with open_office(book(rules, brand="caps: [{limit: 1, per: 2d}]"), now=NOW) as office:
        names = await office.publish(*(expiring(f"e-{number}", expires="2026-06-02") for number in range(2)))
        await office.run()
        (stopped,) = [each for each in [await office.delivery(name) for name in names] if each.reason]
        assert stopped.state is State.SUPPRESSED
        assert stopped.reason == (
            "over the cap of 1 in 2d for this customer, and there is no room before its time passes"
        )


async def test_nothing_waits_for_a_cap_for_more_than_a_week() -> None:
    """Of ten at one a day seven go within the week after the first; the others say why not."""
    rules = book(reminder("category: offers"), brand="caps: [{limit: 1, per: 1d}]")
    async with open_office(rules, now=NOW) as office:
        names = await office.publish(*(expiring(f"e-{number}") for number in range(10)))
        for day in range(9):
            await office.run(NOW + day * DAY)
        assert [at for at, _ in office.relay.sent] == [NOW + day * DAY for day in range(8)]
        stopped = [each for each in [await office.delivery(name) for name in names] if each.reason]
        assert {(each.state, each.reason) for each in stopped} == {
            (State.SUPPRESSED, "over the cap of 1 in 1d for this customer, and there is no room within 7d")
        }
