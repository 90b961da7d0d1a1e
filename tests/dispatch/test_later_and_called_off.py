"""Messages that go later, at a time of day, or not at all because something happened meanwhile."""

from tidings.events.v1.event_pb2 import Event
from tidings.model import State
from timing_kit import HOUR, ORG, book, expiring, ms, open_office, reminder

NOW = ms("2026-06-01T12:00+02:00")


def redeemed(name: str, *, points: int = 50, customer: int = 4711) -> Event:
    event = Event(org_id=ORG, event_id=name)
    event.points_redeemed.customer_identifiers.customer_id = customer
    event.points_redeemed.total_points_redeemed = points
    return event


async def test_a_delayed_message_goes_then_and_not_before() -> None:
    async with open_office(book(reminder("delay: 2h")), now=NOW) as office:
        await office.publish(expiring("e-1"))
        await office.run(NOW + 2 * HOUR - 1)
        assert office.relay.sent == []
        await office.run(NOW + 2 * HOUR)
        assert [at for at, _ in office.relay.sent] == [NOW + 2 * HOUR]


async def test_a_time_of_day_is_the_customers_and_the_quiet_hours_go_on_top() -> None:
    quiet = 'quiet_hours: {from: "22:00", to: "09:30"}'
    async with open_office(book(reminder('send_at: "09:00"'), brand=quiet), now=NOW) as office:
        await office.live_in("America/New_York")  # where it is 06:00
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        held = await office.delivery(name)
        assert (held.state, held.due_at) == (State.HELD, ms("2026-06-01T09:00-04:00"))
        assert held.reason == "it goes at 09:00 by the customer's clock (America/New_York)"
        await office.run(held.due_at)
        again = await office.delivery(name)
        assert (again.state, again.due_at) == (State.HELD, ms("2026-06-01T09:30-04:00"))
        await office.run(again.due_at)
        assert [at for at, _ in office.relay.sent] == [again.due_at]


async def test_a_customer_who_moves_gets_it_by_the_new_clock() -> None:
    async with open_office(book(reminder('send_at: "15:00"')), now=NOW) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        await office.live_in("America/New_York")
        await office.run(ms("2026-06-01T15:00+02:00"))
        held = await office.delivery(name)
        assert (held.state, held.due_at) == (State.HELD, ms("2026-06-01T15:00-04:00"))


async def test_an_event_calls_off_what_waits_for_its_customer() -> None:
    async with open_office(book(reminder("delay: 2h", "cancel_on: pointsRedeemed")), now=NOW) as office:
        mine, another = await office.publish(expiring("e-1"), expiring("e-2", customer=1))
        await office.publish(redeemed("r-1"))
        off = await office.delivery(mine)
        assert (off.state, off.reason) == (State.CANCELLED, "called off by pointsRedeemed r-1")
        (later,) = await office.publish(expiring("e-3"))
        await office.run(NOW + 2 * HOUR)
        states = [(await office.delivery(each)).state for each in (mine, another, later)]
        assert states == [State.CANCELLED, State.DELIVERED, State.DELIVERED]


async def test_what_is_held_in_the_night_is_called_off_too() -> None:
    night = ms("2026-06-01T23:00+02:00")
    rules = book(reminder("cancel_on: [pointsRedeemed]"), brand='quiet_hours: {from: "21:00", to: "08:00"}')
    async with open_office(rules, now=night) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.run()
        assert (await office.delivery(name)).state is State.HELD
        await office.publish(redeemed("r-1"))
        assert (await office.delivery(name)).state is State.CANCELLED


async def test_the_condition_of_cancel_on_must_hold() -> None:
    condition = "cancel_on: {event: pointsRedeemed, when: data.totalPointsRedeemed > `100`}"
    async with open_office(book(reminder("delay: 2h", condition)), now=NOW) as office:
        (name,) = await office.publish(expiring("e-1"))
        await office.publish(redeemed("r-1", points=100))
        assert (await office.delivery(name)).state is State.WAITING
        await office.publish(redeemed("r-2", points=101))
        assert (await office.delivery(name)).state is State.CANCELLED


async def test_the_order_of_publication_decides_within_one_batch() -> None:
    async with open_office(book(reminder("delay: 2h", "cancel_on: pointsRedeemed")), now=NOW) as office:
        before, after = await office.publish(expiring("e-1"), redeemed("r-1"), expiring("e-2"))
        states = [(await office.delivery(each)).state for each in (before, after)]
        assert states == [State.CANCELLED, State.WAITING]
