"""The contract of every store: who customers are, what they agreed to, and whose address must not be used."""

import pytest

from store_kit import T0
from tidings.errors import InvalidRequest
from tidings.model import (
    ConsentMark,
    ConsentSource,
    Contact,
    Suppression,
    SuppressionReason,
    marked,
    new_suppression,
)
from tidings.store import Store, SuppressionFilter

ASHA = Contact(
    org_id=1,
    customer_id="c",
    email="a@example.com",
    name="Asha",
    locale="en",
    time_zone="Asia/Kolkata",
    consents={"offers": True, "news.weekly": False},
    attributes={"city": "Pune", "it's": '"quoted"'},
)
BOUNCE = SuppressionReason.HARD_BOUNCE
COMPLAINT = SuppressionReason.COMPLAINT


async def test_a_contact_comes_back_as_it_was_stored(store: Store) -> None:
    await store.upsert_contacts([ASHA])

    assert await store.get_contact(1, "c") == ASHA
    assert await store.get_contact(2, "c") is None


async def test_what_an_upsert_does_not_name_stays(store: Store) -> None:
    await store.upsert_contacts([ASHA, Contact(org_id=1, customer_id="c")])

    assert await store.get_contact(1, "c") == ASHA


async def test_an_upsert_changes_what_it_names(store: Store) -> None:
    await store.upsert_contacts([ASHA])
    await store.upsert_contacts(
        [
            Contact(
                org_id=1,
                customer_id="c",
                email="b@example.com",
                name="",
                consents={"offers": False, "surveys": True},
                attributes={"city": "", "shoe": "42"},
            )
        ]
    )

    assert await store.get_contact(1, "c") == Contact(
        org_id=1,
        customer_id="c",
        email="b@example.com",
        locale="en",
        time_zone="Asia/Kolkata",
        consents={"offers": False, "news.weekly": False, "surveys": True},
        attributes={"it's": '"quoted"', "shoe": "42"},
    )


async def test_empty_texts_of_a_new_contact_are_unknown(store: Store) -> None:
    await store.upsert_contacts([Contact(org_id=1, customer_id="c", email="", attributes={"city": ""})])

    assert await store.get_contact(1, "c") == Contact(org_id=1, customer_id="c")


async def test_contacts_are_kept_all_or_none(store: Store) -> None:
    good, faulty = Contact(org_id=1, customer_id="good"), Contact(org_id=2**63, customer_id="faulty")

    with pytest.raises(OverflowError):
        await store.upsert_contacts([good, faulty])

    assert await store.get_contact(1, "good") is None


async def test_contacts_are_listed_in_order_page_by_page(store: Store) -> None:
    contacts = [Contact(org_id=org, customer_id=f"c{number}") for org in (0, 1, 2) for number in range(3)]
    await store.upsert_contacts(contacts[::-1])

    first = await store.list_contacts(None, page_size=4, page_token="")
    rest = await store.list_contacts(None, page_size=9, page_token=first.next_token)
    assert [*first.contacts, *rest.contacts] == contacts
    assert rest.next_token == ""
    one = await store.list_contacts(1, page_size=2, page_token="")
    other = await store.list_contacts(1, page_size=1, page_token=one.next_token)
    assert ([*one.contacts, *other.contacts], other.next_token) == (contacts[3:6], "")
    with pytest.raises(InvalidRequest, match="another filter"):
        await store.list_contacts(2, page_size=2, page_token=one.next_token)


async def test_an_address_is_found_however_it_is_written(store: Store) -> None:
    bounce = new_suppression(1, " Asha.Rao@Example.COM ", BOUNCE, now=T0, detail="no such user")
    await store.suppress([bounce])

    assert bounce.address == "Asha.Rao@example.com"
    assert await store.suppressions_of(1, "asha.rao@EXAMPLE.com", now=T0) == (bounce,)
    assert await store.suppressions_of(2, "asha.rao@example.com", now=T0) == ()
    assert await store.suppressions_of(1, "other@example.com", now=T0) == ()


async def test_a_suppression_says_nothing_once_it_has_expired(store: Store) -> None:
    bounce = new_suppression(1, "a@example.com", BOUNCE, now=T0, lasting_ms=1_000)
    complaint = new_suppression(1, "a@example.com", COMPLAINT, now=T0)
    await store.suppress([bounce, complaint])

    assert await store.suppressions_of(1, "a@example.com", now=T0 + 999) == (bounce, complaint)
    assert await store.suppressions_of(1, "a@example.com", now=T0 + 1_000) == (complaint,)


async def test_the_same_reason_again_begins_anew(store: Store) -> None:
    later = new_suppression(1, "a@example.com", BOUNCE, now=T0 + 5, detail="again")
    await store.suppress([new_suppression(1, "A@example.com", BOUNCE, now=T0)])
    await store.suppress([later])

    assert await listed(store) == [later]


async def test_what_has_expired_goes_when_others_come(store: Store) -> None:
    lasting = new_suppression(1, "b@example.com", BOUNCE, now=T0 + 2_000)
    await store.suppress([new_suppression(1, "a@example.com", BOUNCE, now=T0, lasting_ms=1_000)])
    await store.suppress([lasting])

    assert await listed(store) == [lasting]


async def test_an_address_is_taken_off_for_one_reason_or_for_all(store: Store) -> None:
    reasons = [new_suppression(1, "a@example.com", reason, now=T0) for reason in SuppressionReason]
    await store.suppress(reasons)

    assert await store.lift(1, "A@EXAMPLE.com", reason=COMPLAINT) == 1
    assert await store.lift(1, "a@example.com", reason=COMPLAINT) == 0
    assert await store.lift(2, "a@example.com", reason=None) == 0
    assert await store.lift(1, "a@example.com", reason=None) == len(reasons) - 1
    assert await listed(store) == []


async def test_suppressions_are_listed_latest_first_page_by_page(store: Store) -> None:
    bounces = [new_suppression(number % 2, f"a{number}@example.com", BOUNCE, now=T0 + number) for number in range(4)]
    complaint = new_suppression(0, "a0@example.com", COMPLAINT, now=T0)
    await store.suppress([*bounces, complaint])

    of_none = SuppressionFilter(org_id=0)
    first = await store.list_suppressions(of_none, page_size=2, page_token="")
    rest = await store.list_suppressions(of_none, page_size=2, page_token=first.next_token)
    assert [*first.suppressions, *rest.suppressions] == [complaint, bounces[2], bounces[0]]
    assert await listed(store, SuppressionFilter(reason=COMPLAINT)) == [complaint]
    with pytest.raises(InvalidRequest, match="another filter"):
        await store.list_suppressions(SuppressionFilter(), page_size=2, page_token=first.next_token)


async def listed(store: Store, wanted: SuppressionFilter | None = None) -> list[Suppression]:
    page = await store.list_suppressions(wanted or SuppressionFilter(), page_size=100, page_token="")
    assert page.next_token == ""
    return list(page.suppressions)


async def test_a_consent_remembers_where_it_came_from(store: Store) -> None:
    api, page = (ConsentSource.API, ConsentSource.PREFERENCE_PAGE)
    await store.upsert_contacts([marked(ASHA, api, now=T0)])
    said = Contact(org_id=1, customer_id="c", consents={"offers": False, "surveys": True})
    await store.upsert_contacts([marked(said, page, now=T0 + 5), Contact(org_id=1, customer_id="c", name="Asha Rao")])

    found = await store.get_contact(1, "c")
    assert found is not None
    assert found.consent_marks == {
        "news.weekly": ConsentMark(source=api, at=T0),
        "offers": ConsentMark(source=page, at=T0 + 5),
        "surveys": ConsentMark(source=page, at=T0 + 5),
    }
    assert (await store.list_contacts(1, page_size=1, page_token="")).contacts == (found,)


async def test_a_consent_from_nowhere_forgets_where_the_one_before_came_from(store: Store) -> None:
    await store.upsert_contacts([marked(ASHA, ConsentSource.IMPORT, now=T0)])
    await store.upsert_contacts([Contact(org_id=1, customer_id="c", consents={"offers": False})])

    found = await store.get_contact(1, "c")
    assert found is not None
    assert found.consents == {"offers": False, "news.weekly": False}
    assert set(found.consent_marks) == {"news.weekly"}
