"""Throttles, caps and digests hold over three gateways on one store: what is counted and gathered is counted there."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateways_kit import KINDS, url_of
from tidings.model import State
from tidings.rulebook import Rulebook
from timing_kit import HOUR, Office, book, expiring, ms, open_office, reminder

NOW = ms("2026-06-01T12:00+02:00")
LISTING = "---\nsubject: Points\n---\n{% for each in events %}{{ each.eventId }} {% endfor %}\n"


class Offices:
    """Opens offices on one store; each dispatches when told to, all at once."""

    def __init__(self, url: str, closing: AsyncExitStack) -> None:
        self._url = url
        self._closing = closing

    async def open(self, rulebook: Rulebook) -> list[Office]:
        opening = (open_office(rulebook, now=NOW, url=self._url) for _ in range(3))
        return [await self._closing.enter_async_context(each) for each in opening]


async def run(offices: list[Office], now: int) -> None:
    """Let them dispatch together until nothing is due; who is the last to stop may give something back."""
    await asyncio.gather(*(each.run(now) for each in offices))
    await offices[0].run(now)


def sent(offices: list[Office]) -> list[tuple[int, str, str]]:
    """Return when each e-mail went, to whom, and what it says."""
    return [(at, email.recipient, email.text) for each in offices for at, email in each.relay.sent]


@pytest.fixture(params=KINDS)
async def offices(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Offices]:
    async with AsyncExitStack() as closing:
        yield Offices(await url_of(request.param, tmp_path), closing)


async def test_throttles_and_caps_count_what_any_of_them_sends(offices: Offices) -> None:
    rules = reminder("throttle: {limit: 20, per: 1d, by: brand}", "category: offers")
    three = await offices.open(book(rules, brand="caps: [{limit: 2, per: 1d}]"))
    names = []
    for number, office in enumerate(three):
        events = (expiring(f"e-{number}-{each}", customer=each % 12) for each in range(36))
        names += await office.publish(*events)
    await run(three, NOW)
    found = [await three[0].delivery(name) for name in names]
    delivered = [each.customer_id for each in found if each.state is State.DELIVERED]
    assert len(delivered) == len(sent(three)) == 20
    assert max(Counter(delivered).values()) == 2
    assert {each.state for each in found} <= {State.DELIVERED, State.SUPPRESSED, State.HELD}


async def test_a_digest_is_flushed_once_whoever_gathers_and_whoever_flushes(offices: Offices) -> None:
    digests = book(reminder("digest: {window: 30m, by: customer}"), **{"templates/expiring.en.txt": LISTING})
    three = await offices.open(digests)
    gathering = [
        office.publish(*(expiring(f"e-{number}-{each}", customer=each % 4) for each in range(12)))
        for number, office in enumerate(three)
    ]
    names = {name for answer in await asyncio.gather(*gathering) for name in answer}
    assert len(names) == 4
    for each in three:
        each.clock.now = NOW + HOUR // 2
    late = three[0].publish(*(expiring(f"late-{each}", customer=each) for each in range(4)))
    await asyncio.gather(late, *(each.run(NOW + HOUR // 2) for each in three))
    await run(three, NOW + 2 * HOUR)
    told = Counter(name for _, _, text in sent(three) for name in text.split())
    gathered = [f"e-{number}-{each}" for number in range(3) for each in range(12)]
    assert told == Counter(gathered + [f"late-{each}" for each in range(4)])
    assert len(sent(three)) <= 8
