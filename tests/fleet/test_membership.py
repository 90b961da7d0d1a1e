"""A gateway's place among the others: who counts, who is dropped, and when one must take itself for gone."""

import asyncio
import os
import subprocess

from fleet_kit import Stopwatch, a_membership, a_presence
from tidings.fleet import Membership, own_place
from tidings.fleet.place import has_ended, place_of
from tidings.store import open_store


def others(membership: Membership) -> tuple[list[str], list[str]]:
    fellows = membership.fellows
    return [each.id for each in fellows.others], [each.id for each in fellows.silent]


async def test_who_is_not_heard_of_is_not_counted_then_dropped_and_knows_it_first() -> None:
    async with open_store("sqlite://") as store:
        watch = Stopwatch()
        a, b = (a_membership(store.fleet, name, watch) for name in "ab")
        assert not a.is_sure
        assert (await a.beat()).may_begin
        assert a.is_sure
        assert not (await b.beat()).may_begin, "a takes limits for its own until it has seen b"
        await a.beat(sharing=True)
        assert (await b.beat()).may_begin
        await a.beat()
        assert (a.fellows.dispatching, a.fellows.taking_in) == (2, 2)

        watch.seconds += 8.9
        assert b.is_sure
        await a.beat()
        watch.seconds += 0.2
        assert not b.is_sure, "earlier than anybody counts it out"
        assert others(a) == (["b"], [])
        watch.seconds += 1
        await a.beat()
        assert others(a) == ([], ["b"])
        assert [each.id for each in await a.all_there()] == ["a"]
        assert a.fellows.own.sharing, "what b held is still b's"
        watch.seconds += 5
        await a.beat()
        assert others(a) == ([], [])
        assert not (await a.beat()).own.sharing

        assert b.times_dropped == 0
        await b.beat()
        assert b.times_dropped == 1
        assert not b.fellows.may_begin, "it is new again, and a has not seen it"
        await b.leave()
        assert [each.id for each in await a.all_there()] == ["a"]


async def test_one_that_takes_in_only_holds_nobody_up() -> None:
    async with open_store("sqlite://") as store:
        watch = Stopwatch()
        intake = a_membership(store.fleet, "i", watch, dispatches=False)
        await intake.beat()
        sender = a_membership(store.fleet, "s", watch)
        assert (await sender.beat()).may_begin
        assert not sender.fellows.own.sharing
        assert (sender.fellows.dispatching, sender.fellows.taking_in) == (1, 2)


def ended_place() -> str:
    """Return the place of a process that ran and ended."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        place = place_of(process.pid)
        assert place
        assert not has_ended(place)
    return place


def test_a_process_of_this_machine_is_seen_to_have_ended() -> None:
    assert has_ended(ended_place())
    assert not has_ended(own_place())
    assert not has_ended("another machine/1/1"), "nobody knows"
    assert not has_ended("")
    reused = f"{own_place().partition('/')[0]}/{os.getpid()}/1"
    assert has_ended(reused), "its number belongs to another process now"


async def test_what_a_process_of_this_machine_left_when_it_was_killed_holds_nobody_up() -> None:
    async with open_store("sqlite://") as store:
        await store.fleet.beat(a_presence("killed", place=await asyncio.to_thread(ended_place)))
        heir = a_membership(store.fleet, "heir", Stopwatch())
        await heir.beat()
        assert others(heir) == ([], [])
        assert not (await heir.beat()).own.sharing
