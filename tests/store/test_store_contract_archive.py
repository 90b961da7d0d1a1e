"""The contract of every store: what came in can be looked at."""

import pytest

from store_kit import T0, make_event, make_publication
from tidings.errors import InvalidRequest
from tidings.store import EventFilter, RejectedBody, Store


def body(number: int) -> RejectedBody:
    return RejectedBody(
        id=f"rej_{number}", received_at=T0 + number, intake="k42", reason="no JSON", body=b"{%d" % number
    )


async def keep(store: Store, *numbers: int, at_most: int = 100, not_before: int = 0) -> None:
    for number in numbers:
        await store.keep_rejected(body(number), keep=at_most, not_before=not_before)


async def test_rejected_bodies_are_listed_newest_first_page_by_page(store: Store) -> None:
    await keep(store, 1, 2, 3)
    first = await store.list_rejected(page_size=2, page_token="")
    rest = await store.list_rejected(page_size=2, page_token=first.next_token)
    assert (first.bodies, rest.bodies, rest.next_token) == ((body(3), body(2)), (body(1),), "")


async def test_the_oldest_give_way_when_there_are_too_many(store: Store) -> None:
    await keep(store, 1, 2, 3, 4, at_most=2)
    assert (await store.list_rejected(page_size=10, page_token="")).bodies == (body(4), body(3))


async def test_bodies_past_their_time_are_let_go(store: Store) -> None:
    await keep(store, 1, 2)
    await keep(store, 3, not_before=T0 + 2)
    assert (await store.list_rejected(page_size=10, page_token="")).bodies == (body(3), body(2))


async def test_events_are_listed_newest_first_by_what_is_wanted(store: Store) -> None:
    await store.record([make_publication(make_event(f"e{number}", org_id=number % 2)) for number in range(5)])
    first = await store.list_events(EventFilter(org_id=0), page_size=2, page_token="")
    rest = await store.list_events(EventFilter(org_id=0), page_size=2, page_token=first.next_token)
    assert [each.event_id for each in (*first.events, *rest.events)] == ["e4", "e2", "e0"]
    assert rest.next_token == ""
    assert (await store.list_events(EventFilter(name="nothing"), page_size=2, page_token="")).events == ()


async def test_a_token_fits_its_own_listing_only(store: Store) -> None:
    await store.record([make_publication(make_event(f"e{number}")) for number in range(3)])
    token = (await store.list_events(EventFilter(), page_size=1, page_token="")).next_token
    with pytest.raises(InvalidRequest, match="another filter"):
        await store.list_events(EventFilter(name="x"), page_size=1, page_token=token)
    with pytest.raises(InvalidRequest, match="another filter"):
        await store.list_rejected(page_size=1, page_token=token)
