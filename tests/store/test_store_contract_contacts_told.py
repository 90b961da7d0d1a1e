"""What events tell of customers: in one commit with the event, once, and only what they name."""

from store_kit import make_event
from tidings.model import ConsentMark, ConsentSource, Contact
from tidings.store import Publication, Recorded, Store

BY_LINK = ConsentMark(source=ConsentSource.UNSUBSCRIBE_LINK, at=5)
BY_IMPORT = ConsentMark(source=ConsentSource.IMPORT, at=9)


def contact(customer: str, **fields: object) -> Contact:
    return Contact(org_id=50750, customer_id=customer, **fields)  # type: ignore[arg-type]


def telling(event_id: str, told: Contact | None = None, swallows: tuple[str, str] | None = None) -> Publication:
    return Publication(make_event(event_id, content=event_id.encode()), (), contact=told, swallows=swallows)


async def test_an_event_changes_what_it_names_and_keeps_the_rest(store: Store) -> None:
    known = contact("1", email="old@example.com", name="Asha", locale="hi", consents={"offers": False})
    await store.upsert_contacts([known])
    await store.record([telling("e-1", contact("1", email="new@example.com")), telling("e-2", contact("2", name="B"))])

    assert await store.get_contact(50750, "1") == contact(
        "1", email="new@example.com", name="Asha", locale="hi", consents={"offers": False}
    )
    assert await store.get_contact(50750, "2") == contact("2", name="B")


async def test_the_last_of_several_in_a_call_counts(store: Store) -> None:
    told = [telling(f"e-{number}", contact("1", email=f"{number}@example.com")) for number in range(3)]
    await store.record(told)
    found = await store.get_contact(50750, "1")
    assert found is not None
    assert found.email == "2@example.com"


async def test_a_repeat_tells_nothing_again(store: Store) -> None:
    event = telling("e-1", contact("1", email="old@example.com"))
    await store.record([event])
    await store.upsert_contacts([contact("1", email="new@example.com")])
    reused = event._replace(event=event.event._replace(digest=b"other"))
    results = await store.record([event, reused])

    assert [each.recorded for each in results] == [Recorded.DUPLICATE, Recorded.REUSED]
    assert await store.get_contact(50750, "1") == contact("1", email="new@example.com")


async def test_of_two_who_become_one_the_survivors_word_stands_and_either_objection(store: Store) -> None:
    await store.upsert_contacts(
        [
            contact(
                "1",
                email="one@example.com",
                consents={"offers": True, "news": False, "surveys": True},
                consent_marks={"offers": BY_IMPORT, "surveys": BY_IMPORT},
                attributes={"city": "Pune"},
            ),
            contact(
                "2",
                email="two@example.com",
                name="Asha",
                time_zone="Asia/Kolkata",
                consents={"offers": False, "news": True, "surveys": True, "tips": True},
                consent_marks={"offers": BY_LINK, "news": BY_LINK, "surveys": BY_LINK},
                attributes={"city": "Goa", "shoe": "42"},
            ),
        ]
    )
    await store.record([telling("e-1", swallows=("1", "2"))])

    assert await store.get_contact(50750, "1") == contact(
        "1",
        email="one@example.com",
        name="Asha",
        time_zone="Asia/Kolkata",
        consents={"offers": False, "news": False, "surveys": True, "tips": True},
        consent_marks={"offers": BY_LINK, "surveys": BY_IMPORT},
        attributes={"city": "Pune", "shoe": "42"},
    )
    # Only what still protects them is left of the other.
    assert await store.get_contact(50750, "2") == contact(
        "2", consents={"offers": False}, consent_marks={"offers": BY_LINK}
    )


async def test_one_who_was_unknown_takes_over_the_others_contact(store: Store) -> None:
    await store.upsert_contacts([contact("2", email="two@example.com", consents={"offers": True})])
    await store.record([telling("e-1", swallows=("1", "2")), telling("e-2", swallows=("3", "4"))])

    assert await store.get_contact(50750, "1") == contact("1", email="two@example.com", consents={"offers": True})
    assert [await store.get_contact(50750, each) for each in ("2", "3", "4")] == [None, None, None]


async def test_in_one_call_things_happen_in_their_order(store: Store) -> None:
    await store.record(
        [
            telling("e-1", contact("2", email="two@example.com", name="B")),
            telling("e-2", contact("1", email="one@example.com"), swallows=("1", "2")),
            telling("e-3", contact("2", email="again@example.com")),
        ]
    )
    assert await store.get_contact(50750, "1") == contact("1", email="one@example.com", name="B")
    assert await store.get_contact(50750, "2") == contact("2", email="again@example.com")


async def test_nobody_else_of_that_number_is_touched(store: Store) -> None:
    elsewhere = Contact(org_id=1, customer_id="2", email="other@example.com")
    await store.upsert_contacts([elsewhere, contact("2", email="two@example.com")])
    await store.record([telling("e-1", swallows=("1", "2"))])
    assert await store.get_contact(1, "2") == elsewhere
