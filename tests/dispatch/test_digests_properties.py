"""Whatever happens in whatever order, on a real database: every event is told exactly once, in exactly one digest."""

import asyncio
import tempfile
from collections import Counter
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from typing import Final, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from long_kit import at_length
from tidings.model import Deferred, Email
from tidings.rulebook import Rulebook
from timing_kit import DAY, HOUR, Office, book, expiring, ms, open_office, reminder

NOW: Final = ms("2026-06-01T12:00+02:00")
MINUTE: Final = 60_000
LISTING: Final = "---\nsubject: Points\n---\n{% for each in events %}{{ each.eventId }}:\n{% endfor %}"
BRANDS: Final = ("", 'quiet_hours: {from: "13:00", to: "15:00"}', "weight: 3")
"""What a reload changes by turns; in one of them the customers' night is in the middle of the day."""

Doing = tuple[Literal["publish", "wait", "flush", "die", "defer", "restart", "reload"], int]
DOINGS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 11)),
        st.tuples(st.just("wait"), st.sampled_from([1, MINUTE, 29 * MINUTE, HOUR])),
        st.tuples(st.sampled_from(["flush", "die", "defer", "restart"]), st.just(0)),
        st.tuples(st.just("reload"), st.integers(0, len(BRANDS) - 1)),
    ),
    min_size=4,
    max_size=24,
)


class World:
    """A gateway that is told what to do, and what came of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOW
        self.brand = 0
        self.published: set[str] = set()
        self.sent: list[Email] = []

    async def live(self, doings: list[Doing]) -> None:
        """Do one thing after the other, in as many processes as there are restarts; then let everything go."""
        waiting = list(doings)
        while waiting:
            async with self.process() as office:
                while waiting and (doing := waiting.pop(0))[0] != "restart":
                    await self.do(office, *doing)
                self.leave(office)
        async with self.process() as office:
            for _ in range(3):  # past a night, and past the pauses between attempts
                await office.run(office.clock.now + DAY + 5 * HOUR)
            self.leave(office)

    def process(self) -> AbstractAsyncContextManager[Office]:
        return open_office(*self.books(), now=self.now, path=self.path)

    def books(self) -> list[Rulebook]:
        """Return every rulebook that may have decided something, the live one last."""
        found = [digests(brand) for brand in BRANDS]
        return [*found, found[self.brand]]

    def leave(self, office: Office) -> None:
        self.now = office.clock.now
        self.sent += [email for _, email in office.relay.sent]

    async def do(self, office: Office, what: str, value: int) -> None:
        if what == "publish":
            self.published.add(f"e-{value}")
            await office.publish(expiring(f"e-{value}", customer=value % 2))
        elif what == "wait":
            office.clock.now += value
        elif what == "flush":
            await office.run()
        elif what == "die":  # a worker takes what is due, and is never heard of again
            await office.store.lease(now=office.clock.now, until=office.clock.now + MINUTE, limit=10)
        elif what == "defer":
            office.relay.answers.append(Deferred(status_code=451, detail="later"))
        else:
            self.brand = value
            office.rulebooks.replace(digests(BRANDS[value]))


@cache
def digests(brand: str) -> Rulebook:
    rules = reminder("digest: {window: 30m, by: customer}")
    return book(rules, brand=brand, **{"templates/expiring.en.txt": LISTING})


@given(DOINGS)
@settings(max_examples=at_length(5, 15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_event_is_told_once_in_one_digest(doings: list[Doing]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "tidings.db")
        asyncio.run(world.live(doings))
    listed = Counter(line.rstrip(":") for email in world.sent for line in email.text.split())
    assert listed == Counter(world.published)
    names = [email.delivery_id for email in world.sent]
    assert sorted(set(names)) == sorted(names)
    for email in world.sent:  # nobody reads of another customer
        assert len({int(line.rstrip(":").removeprefix("e-")) % 2 for line in email.text.split()}) == 1
