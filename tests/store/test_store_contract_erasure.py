"""The contract of every store: a person can be forgotten."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from store_kit import T0, by_hand, lease_one, make_event, make_publication, settlement, state_of
from tidings.model import Cause, Contact, Delivery, Recipient, RecipientKind, State, SuppressionReason, new_suppression
from tidings.store import (
    DeliveryFilter,
    Erasure,
    Person,
    Publication,
    Recorded,
    RejectedBody,
    Store,
    SuppressionFilter,
    open_store,
)

ADDRESS = "asha@example.com"
PERSON = Person(org_id=50750, customer_id="c-7", addresses=(ADDRESS,))
SAYS = "550 5.1.1 <asha@example.com> no such user"


def publication(event_id: str, *, customer: str = "c-7", org_id: int = 50750) -> Publication:
    event = make_event(event_id, org_id=org_id, content=f"{customer} {ADDRESS}".encode())._replace(customer_id=customer)
    planned = make_publication(event, lane="crm:c-7")
    deliveries = tuple(
        each._replace(customer_id=customer, recipient=Recipient(kind=RecipientKind.CUSTOMER, name=customer))
        for each in planned.deliveries
    )
    return Publication(event=event, deliveries=deliveries)


def body(number: int, text: str) -> RejectedBody:
    return RejectedBody(id=f"rej_{number}", received_at=T0, intake="k42", reason="no JSON", body=text.encode())


async def test_nothing_of_a_person_is_left(store: Store) -> None:
    await store.upsert_contacts([Contact(org_id=50750, customer_id="c-7", email=ADDRESS, name="Asha")])
    await store.record([publication("e-1"), publication("e-2")])
    dead = await lease_one(store)
    await store.settle([settlement(dead, Cause.REFUSED, reason=SAYS)])
    for number, text in enumerate(('{"id": "c-7"}', "mail ASHA@example.com", '{"id": "c-77"}')):
        await store.keep_rejected(body(number, text), keep=9, not_before=0)
    await store.suppress([new_suppression(50750, ADDRESS, SuppressionReason.HARD_BOUNCE, now=T0, detail=SAYS)])

    done = await store.erase(PERSON, now=T0 + 9)

    assert done == Erasure(
        contacts=1, events=2, deliveries=2, cancelled=1, attempts=1, rejected_bodies=2, suppressions=1, under_way=0
    )
    assert await store.get_contact(50750, "c-7") is None
    for name in ("e-1", "e-2"):
        event = await store.get_event(50750, name)
        assert event is not None
        assert (event.content, event.customer_id) == (b"", None)
    found = await store.get_delivery(dead.delivery.id)
    assert found is not None
    delivery, (attempt,) = found
    assert (delivery.state, str(delivery.recipient), delivery.customer_id) == (State.DEAD, "customer:", None)
    assert (delivery.reason, attempt.detail) == ("its customer was erased", "")
    bodies = (await store.list_rejected(page_size=9, page_token="")).bodies
    assert [each.id for each in bodies] == ["rej_2"]
    (listed,) = (await store.list_suppressions(SuppressionFilter(), page_size=9, page_token="")).suppressions
    assert (listed.address, listed.detail) == (None, "")
    assert await store.erase(PERSON, now=T0 + 9) == Erasure()


async def test_what_was_forgotten_still_does_what_it_is_kept_for(store: Store) -> None:
    first = publication("e-1")
    await store.record([first])
    await store.suppress([new_suppression(50750, ADDRESS, SuppressionReason.COMPLAINT, now=T0)])
    await store.erase(PERSON, now=T0 + 9)

    (again,) = await store.record([first])
    assert again.recorded is Recorded.DUPLICATE
    (stopping,) = await store.suppressions_of(50750, ADDRESS.upper(), now=T0)
    assert stopping.reason is SuppressionReason.COMPLAINT
    assert await state_of(store, first.deliveries[0].id) is State.CANCELLED
    assert await store.lease(now=T0 + 10**9, until=T0 + 10**9 + 1, limit=9) == []


async def test_others_are_left_alone(store: Store) -> None:
    others = [publication("e-3", customer="c-8"), publication("e-4", org_id=1)]
    await store.record(others)
    await store.upsert_contacts([Contact(org_id=1, customer_id="c-7"), Contact(org_id=50750, customer_id="c-8")])
    await store.suppress([new_suppression(1, ADDRESS, SuppressionReason.MANUAL, now=T0)])

    assert await store.erase(PERSON, now=T0 + 9) == Erasure()
    assert [await state_of(store, each.deliveries[0].id) for each in others] == [State.WAITING, State.WAITING]


async def test_what_is_under_way_stays_until_it_is_done_again(store: Store) -> None:
    await store.upsert_contacts([Contact(org_id=50750, customer_id="c-7")])
    await store.record([publication("e-1")])
    leased = await lease_one(store)

    first = await store.erase(PERSON, now=T0 + 9)
    assert first == Erasure(under_way=1)
    assert await store.get_contact(50750, "c-7") is not None
    await store.settle([settlement(leased, Cause.ACCEPTED)])
    again = first + await store.erase(PERSON, now=T0 + 9)
    assert again == Erasure(contacts=1, events=1, deliveries=1, attempts=1)


async def test_what_ends_while_a_person_is_erased_is_erased_too(store: Store) -> None:
    """Workers lease and settle meanwhile; once nothing is said to be under way, nothing of the person is left."""
    names = [f"e-{number}" for number in range(400)]
    await store.record([publication(name) for name in names])

    async def work() -> None:
        while leased := await store.lease(now=T0 + 10, until=T0 + 10**6, limit=3):
            await store.settle([settlement(each, Cause.ACCEPTED) for each in leased])

    working = [asyncio.create_task(work()) for _ in range(4)]
    done = await store.erase(PERSON, now=T0 + 9)
    while done.under_way:
        done = await store.erase(PERSON, now=T0 + 9)
    erased = [each for name in names for each in await _deliveries_of(store, name)]
    await asyncio.gather(*working)
    assert len(erased) == len(names)
    assert {each.customer_id for each in erased} == {None}


async def _deliveries_of(store: Store, event_id: str) -> tuple[Delivery, ...]:
    return (await store.list_deliveries(DeliveryFilter(event_id=event_id), page_size=9, page_token="")).deliveries


async def test_an_e_mail_to_the_persons_address_is_theirs(store: Store) -> None:
    event = make_event("e-1")._replace(customer_id=None)
    planned = make_publication(event).deliveries[0]
    to_address = planned._replace(
        customer_id=None, recipient=Recipient(kind=RecipientKind.ADDRESS, name=ADDRESS), lane=None
    )
    await store.record([Publication(event=event, deliveries=(to_address,))])

    assert await store.erase(PERSON, now=T0 + 9) == Erasure(deliveries=1, cancelled=1)
    assert await store.intervene([planned.id], by_hand(Cause.CANCELLED)) == [State.CANCELLED]


async def test_no_byte_of_the_address_is_left_in_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    async with open_store(f"sqlite:///{path}") as store:
        await store.upsert_contacts([Contact(org_id=50750, customer_id="c-7", email=ADDRESS)])
        await store.record([publication("e-1")])
        await store.settle([settlement(await lease_one(store), Cause.REFUSED, reason=SAYS)])
        await store.suppress([new_suppression(50750, ADDRESS, SuppressionReason.HARD_BOUNCE, now=T0, detail=SAYS)])
        await store.erase(PERSON, now=T0 + 9)
    with closing(sqlite3.connect(path)) as connection:
        dump = "\n".join(connection.iterdump())
    assert "asha" not in dump.lower()
    assert ADDRESS.encode().hex() not in dump.lower()
