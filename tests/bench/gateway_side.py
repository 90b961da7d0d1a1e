"""Our side of the rows that compare whole systems: a gateway in one process or two, one rule, one endpoint."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from processes import until
from rulebooks import ORG
from standardwebhooks import Webhook
from webhook_sink import Post, RunningSink, running_sink

from gateway_kit import CRM_SECRET, RunningGateway, running_gateway, write_config
from tidings.events import convert_one, sample
from tidings.gateway.v1.delivery_service_pb2 import DELIVERY_STATE_DELIVERED, ListDeliveriesRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

CONCURRENCY = 64
"""How many posts may be under way to the one endpoint."""
BATCH = 100
"""Events a call."""

_CALLERS = 8
_PAGE = 1_000
_RULE = """version: 1
rules:
  - id: points-expiring
    event: pointsExpiryReminder
    when: data.pointsScheduledForExpiry > `100`
    notify:
      - webhook:
          to: crm
          type: loyalty.points_expiring
          body: {customer: data.customerIdentifiers.customerId, points: data.pointsScheduledForExpiry}
"""
_DELIVERED = re.compile(r'^tidings_deliveries_ended_total\{channel="webhook",state="delivered"\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class GatewaySide:
    """A running gateway and where it sends."""

    intake: RunningGateway
    dispatch: RunningGateway
    """The same one, if one process does both."""
    sink: RunningSink
    _session: aiohttp.ClientSession
    _delivered: int = 0
    """How many the store had delivered before."""

    async def rate(self, name: str, count: int) -> float:
        """Publish ``count`` events; return how many a second were done when sink and store had them all."""
        await self.sink.forget()
        batches = _batches(name, count)
        began = time.perf_counter()
        await self._publish_all(batches)
        await self.sink.received(count)
        await until(lambda: self._has_counted(self._delivered + count), what="the record of every delivery")
        took = time.perf_counter() - began
        self._delivered += count
        await self._check()
        return count / took

    async def _publish_all(self, batches: list[PublishBatchRequest]) -> None:
        """Publish batches from several callers at once."""
        stub = EventServiceStub(self.intake.channel)
        waiting = iter(batches)

        async def caller() -> None:
            for batch in waiting:
                answer = await stub.PublishBatch(batch, timeout=60)
                if not all(each.published.delivery_ids for each in answer.results):
                    raise AssertionError(f"an event called for nothing: {answer}")

        await asyncio.gather(*(caller() for _ in range(_CALLERS)))

    async def _has_counted(self, count: int) -> bool:
        """Ask the counter of settlements that were committed: cheaper while it runs than a list."""
        async with self._session.get(f"http://127.0.0.1:{self.dispatch.http_port}/metrics") as answer:
            found = _DELIVERED.search(await answer.text())
        return found is not None and float(found[1]) == count

    async def _check(self) -> None:
        """Have the reference library verify the sample, and the store list what was delivered."""
        for post in await self.sink.samples():
            verify(post)
        listed = await self._count_listed()
        if listed != self._delivered:
            raise AssertionError(f"the store lists {listed} as delivered, not {self._delivered}")

    async def _count_listed(self) -> int:
        stub = DeliveryServiceStub(self.intake.channel)
        request = ListDeliveriesRequest(states=[DELIVERY_STATE_DELIVERED], page_size=_PAGE)
        listed = 0
        while True:
            page = await stub.ListDeliveries(request, timeout=60)
            listed += len(page.deliveries)
            if not page.next_page_token:
                return listed
            request.page_token = page.next_page_token


def verify(post: Post) -> None:
    """Raise WebhookVerificationError unless the post is signed as the standard says."""
    Webhook(CRM_SECRET).verify(post.body, dict(post.headers), json_parse=False)


@asynccontextmanager
async def gateway_side(folder: Path, *, processes: int) -> AsyncIterator[GatewaySide]:
    """Open our side with a sink of its own: one process that does all, or two, of which one takes in and one sends."""
    async with AsyncExitStack() as closing:
        sink = await closing.enter_async_context(running_sink(folder))
        rules = folder / "rules"
        (rules / "brands").mkdir(parents=True)
        (rules / "loyalty.yaml").write_text(_RULE)
        (rules / "brands" / "all.yaml").write_text(json.dumps(_brand(sink.url)))
        webhook = {"allow_networks": ["127.0.0.0/8"]}
        config = write_config(folder, rules=str(rules), webhook=webhook, dispatch={}, reload={"every": 0})
        roles = [["--role", "intake"], ["--role", "dispatch"]] if processes > 1 else [[]]
        gateways = [await closing.enter_async_context(running_gateway(config, arguments=each)) for each in roles]
        session = await closing.enter_async_context(aiohttp.ClientSession())
        yield GatewaySide(gateways[0], gateways[-1], sink, session)


def _brand(url: str) -> dict[str, object]:
    endpoint = {"name": "crm", "url": url, "secrets": ["env:EXAMPLE_CRM_SECRET"], "concurrency": CONCURRENCY}
    brand = {"org": ORG, "name": "Example Rewards", "from": "rewards@example.com", "endpoints": [endpoint]}
    return {"version": 1, "brands": [brand]}


def _batches(name: str, count: int) -> list[PublishBatchRequest]:
    """Return the requests, made beforehand as the peer's are."""
    return [_batch(name, range(start, min(start + BATCH, count))) for start in range(0, count, BATCH)]


def _batch(name: str, numbers: Iterable[int]) -> PublishBatchRequest:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.org_id = ORG
    batch = PublishBatchRequest()
    for number in numbers:
        event.event_id = f"{name}-{number}"
        batch.events.append(event)
    return batch
