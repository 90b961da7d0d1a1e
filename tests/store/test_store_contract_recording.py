"""What every store must do when publications, contacts and revisions come in."""

import asyncio
from dataclasses import replace

from store_kit import T0, make_event, make_publication, make_publications, waiting
from tidings.store import (
    OWN_DIGEST,
    DeliveryFilter,
    Publication,
    Publications,
    Recorded,
    RecordResult,
    Revision,
    Store,
)


def new(publication: Publication, recorded: Recorded = Recorded.NEW) -> RecordResult:
    return RecordResult(
        recorded=recorded,
        matched_rules=publication.event.matched_rules,
        delivery_ids=tuple(each.id for each in publication.deliveries),
    )


async def everything(store: Store) -> set[str]:
    page = await store.list_deliveries(DeliveryFilter(), page_size=1_000, page_token="")
    return {each.id for each in page.deliveries}


async def test_a_recorded_event_reads_back_as_it_was(store: Store) -> None:
    event = make_event(content=bytes(range(256)))

    await store.record([make_publication(event)])

    assert await store.get_event(event.org_id, event.event_id) == event


async def test_a_recorded_delivery_waits(store: Store) -> None:
    publication = make_publication(deliveries=2)

    assert await store.record([publication]) == [new(publication)]

    assert await store.get_delivery(publication.deliveries[1].id) == (waiting(publication, 1), ())


async def test_what_was_never_recorded_is_none(store: Store) -> None:
    await store.record([make_publication()])

    assert await store.get_event(50750, "another") is None
    assert await store.get_event(1, "e-1") is None
    assert await store.get_delivery("dlv_unknown") is None
    assert await store.get_contact(50750, "c-7") is None
    assert await store.get_revision("rev-1") is None


async def test_recording_nothing_is_fine(store: Store) -> None:
    assert await store.record([]) == []


async def test_an_event_that_is_kept_as_it_came_has_the_digest_of_its_content(store: Store) -> None:
    whole = [make_publication(make_event(f"e-{number}", content=b"%d" % number)) for number in range(3)]
    parts = Publications.of([each._replace(event=each.event._replace(digest=OWN_DIGEST)) for each in whole])
    assert list(parts) == whole
    assert await store.record(parts) == [new(each) for each in whole]

    assert [await store.get_event(50750, f"e-{number}") for number in range(3)] == [each.event for each in whole]

    changed = make_publication(make_event("e-2", content=b"changed"))
    unlike = Publications.of([changed._replace(event=changed.event._replace(digest=OWN_DIGEST))])
    assert await store.record(whole) == [new(each, Recorded.DUPLICATE) for each in whole]
    assert await store.record(parts) == [new(each, Recorded.DUPLICATE) for each in whole]
    assert await store.record(unlike) == [RecordResult(Recorded.REUSED)]


async def test_a_repeat_gets_the_first_decision(store: Store) -> None:
    publication = make_publication(deliveries=2)
    decided_otherwise = Publication(event=publication.event._replace(matched_rules=()), deliveries=())
    await store.record([publication])

    results = await store.record([decided_otherwise])

    assert results == [new(publication, Recorded.DUPLICATE)]
    assert await everything(store) == {each.id for each in publication.deliveries}


async def test_another_content_under_a_used_id_writes_nothing(store: Store) -> None:
    first = make_publication()
    await store.record([first])

    results = await store.record([make_publication(make_event(content=b"other"), deliveries=3)])

    assert results == [RecordResult(recorded=Recorded.REUSED)]
    assert await everything(store) == {first.deliveries[0].id}
    assert await store.get_event(50750, "e-1") == first.event


async def test_one_call_may_hold_new_repeated_and_reused_events(store: Store) -> None:
    old, fresh = make_publications(2)
    await store.record([old])
    reused = make_publication(fresh.event._replace(digest=b"other"))

    results = await store.record([fresh, old, fresh, reused])

    assert results == [
        new(fresh),
        new(old, Recorded.DUPLICATE),
        new(fresh, Recorded.DUPLICATE),
        RecordResult(recorded=Recorded.REUSED),
    ]


async def test_what_matched_is_answered_whether_anything_is_sent_or_not(store: Store) -> None:
    await store.record([make_publication(make_event("first"), deliveries=0)])
    matched = make_publication(make_event("e-1")._replace(matched_rules=("rule-0",)), deliveries=0)
    unmatched = make_publication(make_event("e-2")._replace(matched_rules=()), deliveries=0)

    assert await store.record([unmatched, matched]) == [
        RecordResult(recorded=Recorded.NEW),
        RecordResult(recorded=Recorded.NEW, matched_rules=("rule-0",)),
    ]


async def test_organisations_have_ids_of_their_own(store: Store) -> None:
    publications = [make_publication(make_event(org_id=org_id)) for org_id in (1, 2, -(2**63), 2**63 - 1)]

    assert await store.record(publications) == [new(each) for each in publications]


async def test_of_calls_at_the_same_time_one_records_the_event(store: Store) -> None:
    publication = make_publication()

    results = await asyncio.gather(*(store.record([publication]) for _ in range(20)))

    assert sorted(result.recorded for (result,) in results) == [Recorded.DUPLICATE] * 19 + [Recorded.NEW]


async def test_a_delivery_that_is_there_already_is_not_made_again(store: Store) -> None:
    publication = make_publication()
    same_decision = Publication(event=make_event("e-2"), deliveries=publication.deliveries)
    await store.record([publication])

    await store.record([same_decision])

    assert await store.get_delivery(publication.deliveries[0].id) == (waiting(publication), ())


async def test_text_is_kept_as_it_is(store: Store) -> None:
    odd = "nul\0 quote' double\" newline\n emoji\N{PARTY POPPER} \u202eright to left"
    publication = make_publication(make_event(odd)._replace(customer_id=odd, matched_rules=(odd,)))

    await store.record([publication])

    assert await store.get_event(50750, odd) == publication.event
    assert await store.get_delivery(publication.deliveries[0].id) == (waiting(publication), ())


async def test_a_faulty_call_harms_no_other(store: Store) -> None:
    good = make_publications(20)
    faulty = make_publication(make_event("faulty", org_id=2**63))

    results = await asyncio.gather(
        *(store.record([each]) for each in [*good[:10], faulty, *good[10:]]), return_exceptions=True
    )

    assert isinstance(results.pop(10), OverflowError)
    assert results == [[new(each)] for each in good]


async def test_thousands_of_events_are_found_again(store: Store) -> None:
    publications = make_publications(3_000, deliveries=0)
    await store.record(publications)

    results = await store.record(publications)

    assert results == [new(each, Recorded.DUPLICATE) for each in publications]


async def test_a_revision_stays_as_it_was_first_saved(store: Store) -> None:
    first = Revision(id="rev-1", created_at=T0, archive=b"\0sources")

    await store.save_revision(first)
    await store.save_revision(replace(first, created_at=T0 + 1))

    assert await store.get_revision("rev-1") == first


async def test_a_store_that_can_commit_passes_its_check(store: Store) -> None:
    assert await store.check() is None  # type: ignore[func-returns-value]
