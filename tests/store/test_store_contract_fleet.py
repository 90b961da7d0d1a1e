"""The contract of every store: the gateways on it know each other, and never share out more than there is."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fleet_kit import a_presence
from store_kit import T0
from tidings.store import Ask, Booked, EndpointPause, Part, Store, open_store

SECOND = 1_000_000
"""Microseconds."""


def crm(*, keep: int = 0, wanted: int = 1, limit: int = 3, **rate: int) -> Ask:
    return Ask(1, "crm", limit, keep, wanted, **rate)


async def together(store: Store, *names: str) -> None:
    """Have gateways tell of themselves, the first one last so that it shares."""
    for name in (*names, names[0]):
        await store.fleet.beat(replace(a_presence(name), sharing=True))


async def ask(store: Store, name: str, what: Ask, *, now: int = T0) -> Part:
    parts = await store.fleet.share_out(name, [what], now=now)
    assert parts is not None
    return parts[0]


async def test_gateways_hear_of_each_other_and_share_only_in_company(store: Store) -> None:
    fleet = store.fleet
    first, intake, second = a_presence("a"), a_presence("i", started_at=T0 + 1, dispatches=False), a_presence("b")
    second = replace(second, started_at=T0 + 2)
    assert await fleet.beat(first) == (replace(first, beats=1),)
    assert await fleet.beat(intake) == (replace(first, beats=1), replace(intake, beats=1, sharing=True))
    assert [each.sharing for each in await fleet.beat(second)] == [False, True, True]

    told = await fleet.beat(replace(first, revision="rev-2", seen_at=T0 + 9))
    assert told[0] == replace(first, revision="rev-2", seen_at=T0 + 9, beats=2)
    assert (await fleet.beat(replace(first, sharing=True)))[0].sharing
    assert [each.id for each in await fleet.gateways()] == ["a", "i", "b"]

    await fleet.drop("b", beats=0)  # it has told of itself since
    assert len(await fleet.gateways()) == 3
    await fleet.drop("b", beats=1)
    await fleet.drop("i")
    (alone,) = await fleet.beat(replace(first, sharing=True))
    assert not alone.sharing


async def test_slots_are_handed_over_and_nobody_holds_what_another_one_has(store: Store) -> None:
    await together(store, "a", "b", "c")
    assert (await ask(store, "a", crm(wanted=9)))[:2] == (3, 3)
    assert (await ask(store, "b", crm(wanted=1)))[:2] == (0, 0)
    assert (await ask(store, "a", crm(keep=3, wanted=9)))[:2] == (3, 2)
    assert (await ask(store, "a", crm(keep=2, wanted=9)))[:2] == (2, 2)
    assert (await ask(store, "b", crm(wanted=9)))[:2] == (1, 1)
    assert (await ask(store, "c", crm(wanted=9)))[:2] == (0, 0), "all want all: each gets one, once a gives it back"
    assert (await ask(store, "a", crm(keep=1, wanted=9)))[:2] == (1, 1)
    assert (await ask(store, "c", crm(wanted=9)))[:2] == (1, 1)
    await store.fleet.drop("a")
    assert (await ask(store, "b", crm(keep=1, wanted=9)))[:2] == (2, 2)
    assert await store.fleet.share_out("a", [crm()], now=T0) is None, "who was dropped holds nothing"
    await ask(store, "b", crm(wanted=0))
    await ask(store, "c", crm(wanted=0))
    assert (await ask(store, "c", crm(wanted=3)))[:2] == (3, 3)


async def test_one_slot_goes_round_among_three(store: Store) -> None:
    await together(store, "a", "b", "c")
    one = crm(limit=1, wanted=5)
    now, served, holder = T0, [], None
    for _ in range(60):
        for name in "abc":
            part = await ask(store, name, one, now=now)
            assert part.slots <= 1
            if part.slots and part.room:
                assert holder in (None, name)
                holder = name
                served.append(name)
            elif holder == name:
                holder = None
        now += 100
    turns = [name for name, before in zip(served, [None, *served], strict=False) if name != before]
    assert len(turns) >= 5
    assert all({*three} == {*"abc"} for three in zip(turns, turns[1:], turns[2:], strict=False)), (
        "nobody is passed over"
    )


async def test_where_there_are_many_slots_one_is_left_for_each_that_may_come(store: Store) -> None:
    await together(store, "a", "b", "c")
    assert (await ask(store, "a", crm(limit=16, wanted=99)))[:2] == (14, 14)
    assert (await ask(store, "b", crm(limit=16, wanted=1)))[:2] == (1, 1)
    await ask(store, "a", crm(limit=16, keep=0, wanted=0))
    assert (await ask(store, "a", crm(limit=16, wanted=1)))[:2] == (5, 5), "its equal part, to grow into"


async def test_times_of_a_rate_are_booked_once_a_second_ahead(store: Store) -> None:
    await together(store, "a", "b")
    now = T0 * 1_000
    tenth = crm(interval=SECOND // 10, times=4)
    assert (await ask(store, "a", tenth))[3:] == (now, 4)
    assert (await ask(store, "b", tenth))[3:] == (now + 4 * SECOND // 10, 4)
    assert (await ask(store, "a", tenth))[3:] == (now + 8 * SECOND // 10, 3), "no further than a second"
    assert (await ask(store, "b", tenth))[3:] == (now + 11 * SECOND // 10, 0)
    assert await store.fleet.booked() == [Booked(1, "crm", now + 11 * SECOND // 10)]

    hourly = Ask(1, "slow", 1, 0, 1, interval=3_600 * SECOND, times=2, booked_until=now + SECOND // 2)
    assert (await ask(store, "a", hourly))[3:] == (now + SECOND // 2, 1)
    assert (await ask(store, "b", hourly._replace(booked_until=0)))[3:] == (now + SECOND // 2 + 3_600 * SECOND, 0)
    put_back = await ask(store, "b", hourly._replace(booked_until=0), now=T0 - 7_200_000)
    assert put_back[3:] == (now - 3_600 * SECOND, 0), "a clock that was put back costs one interval"

    await store.fleet.beat(replace(a_presence("b"), seen_at=T0 + 4_000_000))
    assert await store.fleet.booked() == [], "what is over binds nobody"


async def test_a_time_that_passed_unused_is_free_again_unless_a_later_one_is_booked(store: Store) -> None:
    await together(store, "a", "b")
    now, late = T0 * 1_000, T0 + 50
    hourly = Ask(1, "slow", 2, 0, 1, interval=3_600 * SECOND, times=1)
    assert (await ask(store, "a", hourly))[3:] == (now, 1)
    assert (await ask(store, "b", hourly, now=late))[3:] == (now + 3_600 * SECOND, 0)
    assert (await ask(store, "a", hourly._replace(unused_at=now, times=0), now=late)).times == 0
    assert (await ask(store, "b", hourly, now=late))[3:] == (late * 1_000, 1)
    assert (await ask(store, "a", hourly._replace(unused_at=now), now=late + 50)).times == 0, "b has it now"
    assert await store.fleet.booked() == [Booked(1, "slow", late * 1_000 + 3_600 * SECOND)]


async def test_no_time_is_booked_that_would_have_passed_when_the_answer_comes(store: Store) -> None:
    await together(store, "a", "b")
    slow = Ask(1, "slow", 2, 0, 1, interval=60 * SECOND, times=1, not_before=T0 * 1_000 + 200_000)
    assert (await ask(store, "b", slow._replace(times=0)))[3:] == (T0 * 1_000, 0), "the next is free at once"
    assert (await ask(store, "a", slow))[3:] == (T0 * 1_000 + 200_000, 1)


async def test_who_has_no_slot_books_no_times(store: Store) -> None:
    await together(store, "a", "b")
    one = crm(limit=1, interval=SECOND // 10, times=5)
    assert (await ask(store, "a", one)).times == 5
    assert (await ask(store, "b", one))[:2] == (0, 0)
    assert (await ask(store, "b", one)).times == 0
    assert await store.fleet.booked() == [Booked(1, "crm", T0 * 1_000 + 5 * SECOND // 10)]


async def test_what_keeps_everybody_from_an_endpoint_is_kept_until_it_is_over(store: Store) -> None:
    opened = EndpointPause(org_id=1, name="crm", breaker=2, probe_at=T0, pause_ms=30_000)
    asked = EndpointPause(org_id=2, name="crm", asked_until=T0 + 5)
    for pause in (asked, opened, replace(opened, breaker=1)):
        await store.fleet.save_pause(pause)
    assert await store.fleet.pauses() == [replace(opened, breaker=1), asked]
    await store.fleet.save_pause(EndpointPause(org_id=1, name="crm"))
    assert await store.fleet.pauses() == [asked]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=some.integers(1, 6),
    steps=some.lists(some.tuples(some.sampled_from("abcd"), some.integers(0, 8), some.integers(0, 8)), max_size=40),
)
async def test_never_more_than_the_limit_is_held_whoever_asks_for_what(
    limit: int, steps: list[tuple[str, int, int]]
) -> None:
    """Each step, a gateway keeps some of what it holds and wants so many; or it goes, and all of it with it."""
    async with open_store("sqlite://") as store:
        await together(store, *"abcd")
        held = dict.fromkeys("abcd", 0)
        for step, (name, keep, wanted) in enumerate(steps):
            if keep == wanted == 8:
                await store.fleet.drop(name)
                await store.fleet.beat(a_presence(name))
                held[name] = 0
                continue
            what = Ask(1, "crm", limit, min(keep, held[name]), wanted)
            held[name] = (await ask(store, name, what, now=T0 + 100 * step)).slots
            assert sum(held.values()) <= limit
        for _ in range(3):  # whoever wants nothing gives back; the one that wants all gets it
            for name in "abcd":
                what = Ask(1, "crm", limit, 0, limit if name == "d" else 0)
                held[name] = (await ask(store, name, what, now=T0 + 100_000)).slots
        assert held == {"a": 0, "b": 0, "c": 0, "d": limit}
