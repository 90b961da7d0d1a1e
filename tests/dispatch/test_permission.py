"""What customers said counts for what waits already."""

from dispatch_kit import ORG, all_in, dispatching, open_desk
from rules_kit import BRANDS, rule
from tidings.model import Cause, Contact, Source, State, SuppressionReason, new_suppression
from tidings.rulebook import Rulebook, load
from tidings.store import Intervention, Person

OFFER = rule("event: pointsExpiryReminder\ncategory: offers\nnotify:\n  - email: {to: customer, template: offer}")
ADDRESS = "ada@example.com"
"""What the events carry for their customer."""


def offers(text: str = "See {{ brand.name }}.") -> Rulebook:
    return load(
        [
            Source(path="rules.yaml", data=OFFER.encode()),
            Source(path="brands/all.yaml", data=BRANDS.encode()),
            Source(path="templates/offer.en.txt", data=f"---\nsubject: An offer\n---\n{text}\n".encode()),
        ],
        rehearse=False,
    )


def saying(*, agreed: bool) -> Contact:
    return Contact(org_id=ORG, customer_id="4711", consents={"offers": agreed})


async def test_an_objection_stops_what_waits_already() -> None:
    async with open_desk(offers()) as desk:
        await desk.store.upsert_contacts([saying(agreed=True)])
        names = await desk.publish(3)
        await desk.store.upsert_contacts([saying(agreed=False)])
        async with dispatching(desk):
            await all_in(desk, State.SUPPRESSED, names)
        delivery, attempts = await desk.delivery(names[0])
        assert (delivery.reason, attempts) == ("customer 4711 objects to messages of category offers", ())


async def test_a_suppression_stops_what_waits_already_and_ends() -> None:
    async with open_desk(offers()) as desk:
        await desk.store.upsert_contacts([saying(agreed=True)])
        (waiting,) = await desk.publish(1)
        now = desk.clock()
        bounce = new_suppression(ORG, ADDRESS.upper(), SuppressionReason.HARD_BOUNCE, now=now, lasting_ms=60_000)
        await desk.store.suppress([bounce])
        async with dispatching(desk):
            await all_in(desk, State.SUPPRESSED, [waiting])
            desk.clock.shift += 60_001
            await all_in(desk, State.DELIVERED, await desk.publish(1, start=1))
        assert (await desk.delivery(waiting))[0].reason.startswith("its address is suppressed since ")


async def test_who_was_never_asked_has_not_agreed() -> None:
    async with open_desk(offers()) as desk:
        names = await desk.publish(1, customer=5)
        async with dispatching(desk):
            await all_in(desk, State.SUPPRESSED, names)
        assert (await desk.delivery(names[0]))[0].reason == "customer 5 has not agreed to messages of category offers"


async def test_what_nobody_lets_come_is_not_composed() -> None:
    async with open_desk(offers("{{ 1 / 0 }}")) as desk:
        await desk.store.upsert_contacts([saying(agreed=True)])
        agreed, unasked = await desk.publish(1), await desk.publish(1, start=1, customer=5)
        async with dispatching(desk):
            await all_in(desk, State.DEAD, agreed)
            await all_in(desk, State.SUPPRESSED, unasked)


async def test_what_lost_its_event_is_not_sent_as_something_empty() -> None:
    async with open_desk(offers()) as desk:
        await desk.store.upsert_contacts([saying(agreed=False)])
        names = await desk.publish(1)
        async with dispatching(desk):
            await all_in(desk, State.SUPPRESSED, names)
        await desk.store.erase(Person(org_id=ORG, customer_id="4711"), now=desk.clock())
        again = Intervention(cause=Cause.REQUEUED, reason="by hand", now=desk.clock())
        assert await desk.store.intervene(names, again) == [State.WAITING]
        async with dispatching(desk):
            await all_in(desk, State.DEAD, names)
        assert (await desk.delivery(names[0]))[0].reason == "what its event said was erased"
