"""That an endpoint is disabled is told once, whoever else finds it out, and whatever fails meanwhile."""

from pathlib import Path

from dispatch_kit import ORG, Desk, open_desk, rulebook
from tidings.app.core import announcer
from tidings.dispatch import DispatchSettings, OnDisabled
from tidings.dispatch.endpoints import Endpoints
from tidings.errors import Overloaded
from tidings.intake import Publish
from tidings.model import Endpoint, Gone
from tidings.store import EventFilter

NOW = 1_790_000_000_000
GONE = Gone(detail="410 Gone", status_code=410)
CRM = rulebook("name: crm, url: 'http://127.0.0.1:1/'")


def the_endpoint() -> Endpoint:
    (found,) = CRM.rules.brands[ORG].endpoints
    return found


async def endpoints_of(desk: Desk, on_disabled: OnDisabled) -> Endpoints:
    """Have what a gateway knows of its endpoints, with one that has had something to do."""
    made = Endpoints(store=desk.store, metrics=desk.metrics, settings=DispatchSettings(), on_disabled=on_disabled)
    await made.restore()
    made.use(CRM)
    (name,) = await desk.publish(1)
    made.destination((await desk.delivery(name))[0])
    return made


async def news(desk: Desk) -> list[str]:
    page = await desk.store.list_events(EventFilter(name="tidings.endpointDisabled"), page_size=10, page_token="")
    return [each.event_id for each in page.events]


async def test_two_gateways_that_find_it_out_in_the_same_millisecond_tell_it_once(tmp_path: Path) -> None:
    async with open_desk(CRM, path=tmp_path / "a.db") as one, open_desk(CRM, path=tmp_path / "a.db") as other:
        for desk in (one, other):
            publish = Publish(store=desk.store, rulebooks=desk.rulebooks, metrics=desk.metrics, clock=desk.clock)
            endpoints = await endpoints_of(desk, announcer(publish, desk.rulebooks))
            await endpoints.record(the_endpoint(), GONE, now=NOW)
        assert await news(one) == [f"endpoint-disabled-crm-{NOW}"]


async def test_what_could_not_be_told_is_told_with_the_next_look() -> None:
    told: list[tuple[str, str, int]] = []
    failures = [Overloaded("too much is waiting", retry_after=1)]

    async def hear(endpoint: Endpoint, reason: str, since: int) -> None:
        if failures:
            raise failures.pop(0)
        told.append((endpoint.name, reason, since))

    async with open_desk(CRM) as desk:
        endpoints = await endpoints_of(desk, hear)
        await endpoints.record(the_endpoint(), GONE, now=NOW)
        assert told == []
        await endpoints.save(NOW + 500)
        await endpoints.save(NOW + 1000)
    assert told == [("crm", "it answered 410 Gone", NOW)]


async def test_a_mistake_in_telling_is_not_made_over_and_over() -> None:
    calls: list[int] = []

    async def fail(endpoint: Endpoint, reason: str, since: int) -> None:
        calls.append(since)
        raise RuntimeError("a mistake")

    async with open_desk(CRM) as desk:
        endpoints = await endpoints_of(desk, fail)
        await endpoints.record(the_endpoint(), GONE, now=NOW)
        await endpoints.save(NOW + 500)
    assert calls == [NOW]
