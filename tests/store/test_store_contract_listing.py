"""What every store must do when deliveries are listed."""

import pytest

from store_kit import T0, make_event, make_publication, make_publications, settlement
from tidings.errors import InvalidRequest
from tidings.model import Cause, Channel, Delivery, Recipient, RecipientKind, State
from tidings.store import DeliveryFilter, Publication, Store


async def pages(store: Store, wanted: DeliveryFilter, size: int) -> list[tuple[Delivery, ...]]:
    """Return every page; a store that never ends fails the test."""
    found: list[tuple[Delivery, ...]] = []
    token = ""
    for _ in range(100):
        page = await store.list_deliveries(wanted, page_size=size, page_token=token)
        found.append(page.deliveries)
        if not (token := page.next_token):
            return found
    raise AssertionError("the listing does not end")


def by_both_channels(number: int) -> Publication:
    """Return an event with an e-mail and a webhook."""
    event = make_event(f"e-{number % 6}", org_id=1 + number // 6, received_at=T0 + number // 3)
    email, webhook = make_publication(event, deliveries=2).deliveries
    endpoint = Recipient(kind=RecipientKind.ENDPOINT, name="crm")
    return Publication(event=event, deliveries=(email, webhook._replace(channel=Channel.WEBHOOK, recipient=endpoint)))


async def fill(store: Store) -> list[Delivery]:
    """Record events of two organisations with two deliveries each, in every state a worker leads to; newest first."""
    await store.record([by_both_channels(number) for number in range(12)])
    endings = [Cause.ACCEPTED, Cause.REFUSED, Cause.EXPIRED, Cause.SUPPRESSED, Cause.HELD, Cause.DEFERRED]
    leased = await store.lease(now=T0 + 100, until=T0 + 900, limit=18)
    await store.settle(
        [
            settlement(each, endings[number % 6], due_at=T0 + 5_000 if number % 6 > 3 else None)
            for number, each in enumerate(leased[:15])
        ]
    )
    (everything,) = await pages(store, DeliveryFilter(), 1_000)
    return list(everything)


async def test_deliveries_come_newest_first(store: Store) -> None:
    everything = await fill(store)

    assert len(everything) == 24
    assert everything == sorted(everything, key=lambda each: (each.created_at, each.id), reverse=True)


@pytest.mark.parametrize("size", [1, 5, 24, 100])
async def test_pages_join_to_the_whole(store: Store, size: int) -> None:
    everything = await fill(store)

    found = await pages(store, DeliveryFilter(), size)

    assert [each for page in found for each in page] == everything
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
    assert 0 < len(found[-1]) <= size


FILTERS = [
    DeliveryFilter(org_id=1),
    DeliveryFilter(org_id=3),
    DeliveryFilter(event_id="e-2"),
    DeliveryFilter(org_id=2, event_id="e-2"),
    DeliveryFilter(rule_id="rule-1"),
    DeliveryFilter(channel=Channel.EMAIL),
    DeliveryFilter(channel=Channel.WEBHOOK),
    DeliveryFilter(recipient=Recipient(kind=RecipientKind.CUSTOMER, name="c-7")),
    DeliveryFilter(recipient=Recipient(kind=RecipientKind.ENDPOINT, name="crm"), states=frozenset({State.DEAD})),
    DeliveryFilter(channel=Channel.WEBHOOK, states=frozenset({State.WAITING, State.SENDING, State.HELD})),
    DeliveryFilter(created_from=T0 + 2),
    DeliveryFilter(created_before=T0 + 2),
    DeliveryFilter(created_from=T0 + 1, created_before=T0 + 3, org_id=1),
    DeliveryFilter(created_from=T0 + 1, states=frozenset({State.WAITING, State.HELD})),
    DeliveryFilter(created_before=T0 + 2, states=frozenset({State.DEAD, State.EXPIRED, State.SUPPRESSED})),
    DeliveryFilter(created_from=T0 + 1, created_before=T0 + 2, event_id="e-4"),
    DeliveryFilter(org_id=2, rule_id="rule-0"),
    DeliveryFilter(org_id=1, event_id="e-0", rule_id="rule-0", states=frozenset({State.DELIVERED})),
    *(DeliveryFilter(states=frozenset({state})) for state in State),
    DeliveryFilter(states=frozenset({State.WAITING, State.HELD})),
    DeliveryFilter(states=frozenset({State.DEAD, State.EXPIRED, State.SUPPRESSED})),
    DeliveryFilter(states=frozenset({State.DEAD, State.WAITING, State.DELIVERED})),
    DeliveryFilter(org_id=2, rule_id="rule-1", states=frozenset({State.DEAD, State.EXPIRED})),
    DeliveryFilter(org_id=1, rule_id="rule-1", states=frozenset({State.WAITING, State.SENDING})),
    DeliveryFilter(org_id=1, states=frozenset({State.DELIVERED, State.SENDING})),
]


@pytest.mark.parametrize("wanted", FILTERS)
async def test_every_field_of_a_filter_must_hold(store: Store, wanted: DeliveryFilter) -> None:
    everything = await fill(store)

    found = await pages(store, wanted, 2)

    assert [each for page in found for each in page] == [
        each
        for each in everything
        if wanted.org_id in (None, each.org_id)
        and wanted.event_id in (None, each.event_id)
        and wanted.rule_id in (None, each.rule_id)
        and wanted.channel in (None, each.channel)
        and wanted.recipient in (None, each.recipient)
        and (wanted.created_from is None or each.created_at >= wanted.created_from)
        and (wanted.created_before is None or each.created_at < wanted.created_before)
        and (not wanted.states or each.state in wanted.states)
    ]


async def test_what_comes_in_between_pages_moves_none(store: Store) -> None:
    await store.record(make_publications(4))
    first = await store.list_deliveries(DeliveryFilter(), page_size=2, page_token="")
    await store.record([make_publication(make_event("newer", received_at=T0 + 100))])

    second = await store.list_deliveries(DeliveryFilter(), page_size=2, page_token=first.next_token)

    assert [each.event_id for each in (*first.deliveries, *second.deliveries)] == ["e-3", "e-2", "e-1", "e-0"]
    assert second.next_token == ""


async def test_a_token_of_another_filter_is_refused(store: Store) -> None:
    await store.record(make_publications(3))
    page = await store.list_deliveries(DeliveryFilter(), page_size=1, page_token="")

    with pytest.raises(InvalidRequest, match="page_token: was given for another filter"):
        await store.list_deliveries(DeliveryFilter(org_id=50750), page_size=1, page_token=page.next_token)


@pytest.mark.parametrize("token", ["x", "not base64!", "AAAA", "ÄÖÜ", "A" * 21, "_" * 200])
async def test_a_token_that_nobody_gave_is_refused(store: Store, token: str) -> None:
    with pytest.raises(InvalidRequest, match="page_token"):
        await store.list_deliveries(DeliveryFilter(), page_size=1, page_token=token)


async def test_a_page_of_nothing_is_refused(store: Store) -> None:
    with pytest.raises(InvalidRequest, match="page_size: must be at least 1, got 0"):
        await store.list_deliveries(DeliveryFilter(), page_size=0, page_token="")


async def test_a_token_travels_in_a_url(store: Store) -> None:
    await store.record(make_publications(2))

    page = await store.list_deliveries(DeliveryFilter(), page_size=1, page_token="")

    assert page.next_token.replace("-", "").replace("_", "").isalnum()
