"""The contract of every store: who customers are, what they agreed to, and whose address must not be used."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from store_kit import T0, make_event
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
from tidings.store import Known, Publication, Store, SuppressionFilter

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


async def test_a_reader_is_known_with_what_stands_against_their_address(store: Store) -> None:
    contacts = [Contact(org_id=1, customer_id=name, email=f"{name}@Example.com") for name in ("a", "b")]
    without = Contact(org_id=1, customer_id="c", name="Without")
    await store.upsert_contacts([*contacts, without])
    bounce = new_suppression(1, "A@example.com", BOUNCE, now=T0, lasting_ms=1_000)
    complaint = new_suppression(1, "a@example.com", COMPLAINT, now=T0)
    await store.suppress([bounce, complaint, new_suppression(2, "b@example.com", BOUNCE, now=T0)])

    asked = [(1, "a", T0 + 999), (1, "c", T0), (1, "d", T0), (1, "b", T0), (1, "a", T0 + 1_000), (2, "a", T0)]
    known = await asyncio.gather(*(store.get_reader(org_id, name, now=now) for org_id, name, now in asked))
    assert known == [
        Known(contacts[0], (bounce, complaint)),
        Known(without, ()),
        Known(None, ()),
        Known(contacts[1], ()),
        Known(contacts[0], (complaint,)),
        Known(None, ()),
    ]


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


def many(kind: str, count: int, *, start: int = 0) -> Contact:
    names = [f"{kind}-{number}" for number in range(start, start + count)]
    named: dict[str, Any] = {"consents": dict.fromkeys(names, True)}
    if kind == "attributes":
        named = {"attributes": dict.fromkeys(names, "x")}
    return Contact(org_id=1, customer_id="c", email="a@example.com", **named)


async def refusal(store: Store, *contacts: Contact) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        await store.upsert_contacts(contacts)
    return [(each.field, each.description) for each in refused.value.violations]


@pytest.mark.parametrize("kind", ["consents", "attributes"])
async def test_several_calls_together_name_no_more_than_one_may(store: Store, kind: str) -> None:
    first = Contact(org_id=1, customer_id="b")
    await store.upsert_contacts([many(kind, 49)])
    told = "must be at most 50 with those known already, would be 51"
    assert await refusal(store, first, many(kind, 2, start=49)) == [(f"contacts[1].{kind}", told)]
    # Of several for one customer in a call, it is the last that may be too much.
    assert await refusal(store, many(kind, 1, start=49), many(kind, 1, start=50)) == [(f"contacts[1].{kind}", told)]
    assert await store.get_contact(1, "b") is None
    await store.upsert_contacts([many(kind, 2, start=48), many(kind, 50)])

    kept = await store.get_contact(1, "c")
    assert kept is not None
    assert len(getattr(kept, kind)) == 50
    # Calls that share a transaction: the good one stands.
    calls = [store.upsert_contacts([each]) for each in (many(kind, 1, start=50), first)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in outcomes] == [InvalidRequest, type(None)]


async def test_attributes_that_go_make_room(store: Store) -> None:
    await store.upsert_contacts([many("attributes", 50)])
    gone = {"attributes-0": "", "attributes-1": "", "more-0": "x", "more-1": "x"}
    await store.upsert_contacts([Contact(org_id=1, customer_id="c", attributes=gone)])
    kept = await store.get_contact(1, "c")
    assert kept is not None
    assert (len(kept.attributes), "more-1" in kept.attributes) == (50, True)
    # A new contact's attribute without a value is none.
    fresh = dict.fromkeys((f"n-{number}" for number in range(50)), "x")
    await store.upsert_contacts([Contact(org_id=1, customer_id="n", attributes={**fresh, "n-0": ""})])
    await store.upsert_contacts([Contact(org_id=1, customer_id="n", attributes={"m": "x"})])


async def test_what_customers_say_themselves_is_never_one_too_many(store: Store) -> None:
    await store.upsert_contacts([many("consents", 50)])
    objection = Contact(org_id=1, customer_id="c", consents={"offers": False})
    await store.upsert_contacts([marked(objection, ConsentSource.UNSUBSCRIBE_LINK, now=T0)])

    kept = await store.get_contact(1, "c")
    assert kept is not None
    assert (len(kept.consents), kept.consents["offers"]) == (51, False)
    # What is beyond the bound may be changed, and not grow.
    changed = replace(many("consents", 1), attributes={"city": "Pune"})
    await store.upsert_contacts([changed, replace(objection, consents={"consents-1": False})])
    assert len(await refusal(store, many("consents", 1, start=50))) == 1


async def test_of_two_who_become_one_what_there_is_no_room_for_is_logged(store: Store) -> None:
    victim = replace(many("attributes", 2, start=50), customer_id="v", consents={"x": True, "y": False})
    await store.upsert_contacts([many("attributes", 49), many("consents", 50), victim])
    event = make_event("e-1", content=b"e-1")._replace(org_id=1)
    with capture_logs() as heard:
        await store.record([Publication(event, (), contact=None, swallows=("c", "v"))])
    assert heard == [
        {"event": "contact.merge_left_out", "log_level": "warning", "org": 1, "consents": 1, "attributes": 1}
    ]
    kept = await store.get_contact(1, "c")
    assert kept is not None
    assert (len(kept.attributes), len(kept.consents), kept.consents["y"]) == (50, 51, False)
