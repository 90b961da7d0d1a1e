"""Hostile peers: whatever they send, hold open or do not read, memory stays bounded and honest callers are served."""

import asyncio
import contextlib
import io
import random
import resource
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from family_kit import memory_of
from gateway_kit import CRM_SECRET, RunningGateway, details_of, eventually, running_gateway, write_config
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from tidings.access import Key, KeyFile, Permission, new_key
from tidings.client.channel import _interceptors
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event
from tidings.gateway.v1.delivery_service_pb2 import WatchDeliveriesRequest
from tidings.gateway.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from tidings.gateway.v1.event_service_pb2 import (
    PublishBatchRequest,
    PublishRequest,
    PublishStreamRequest,
    PublishStreamResponse,
)
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.model import Rate

PUBLISH = "/tidings.gateway.v1.EventService/Publish"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MB = 1024 * 1024


def issued(number: int, *, padding: int = 0) -> Event:
    event = convert_one(sample("pointsIssued")).event
    event.event_id = f"evt-{number}"
    event.ref_id = "x" * padding
    return event


@dataclass(frozen=True, slots=True)
class Besieged:
    """A gateway, and the keys of those who call it."""

    gateway: RunningGateway
    honest: str
    limited: str
    expired: str

    def rss(self) -> int:
        """Return the memory of its processes, bytes."""
        return int(memory_of(self.gateway.process.pid) * 1024 * 1024)

    @asynccontextmanager
    async def calling(self, key: str) -> AsyncIterator[grpc.aio.Channel]:
        """Open a connection of its own, which gRPC would otherwise share among the channels of a process."""
        address = f"127.0.0.1:{self.gateway.grpc_port}"
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options=options, interceptors=_interceptors(key)) as channel:
            yield channel

    async def serves(self, number: int) -> None:
        """An honest caller, over both faces, is answered soon."""
        async with asyncio.timeout(10), self.calling(self.honest) as channel:
            answer = await EventServiceStub(channel).Publish(PublishRequest(event=issued(number)), timeout=10)
            assert answer.delivery_ids
            async with (
                aiohttp.ClientSession(f"http://127.0.0.1:{self.gateway.http_port}") as http,
                http.post("/intake/capillary", json=[]) as posted,
            ):
                assert posted.status in (200, 400)

    async def withstands(self, attack: Callable[[], Awaitable[None]], *, growth: int) -> None:
        """Serve honest callers before, during and after an attack, with memory that grows by less than ``growth``."""
        await self.serves(1_000_001)
        before = self.rss()
        attacking = asyncio.ensure_future(attack())
        number = 1_000_002
        while not attacking.done():
            await self.serves(number)
            number += 1
            await asyncio.wait({attacking}, timeout=0.2)
        await attacking
        assert self.rss() - before < growth
        await self.serves(number)


@pytest.fixture
async def besieged(tmp_path: Path) -> AsyncIterator[Besieged]:
    def key(*, rate: Rate | None = None, expires_at: datetime | None = None) -> str:
        made = new_key()
        keys.append(
            Key(
                id=made.id,
                name="test",
                digest=made.digest,
                orgs=None,
                permissions=frozenset(Permission),
                created_at=datetime.now(UTC),
                rate=rate,
                expires_at=expires_at,
            )
        )
        return made.token

    keys: list[Key] = []
    tokens = (key(), key(rate=Rate(count=5, seconds=1)), key(expires_at=datetime.now(UTC) - timedelta(days=1)))
    KeyFile(tmp_path / "keys.yaml").write(keys)
    async with http_sink(CRM_SECRET) as sink:
        config = write_config(
            tmp_path,
            rules=str(write_rulebook(tmp_path / "rules", crm=sink.url)),
            auth={"keys": str(tmp_path / "keys.yaml")},
            grpc={"listen": "127.0.0.1:0", "max_streams": 200},
            http={"listen": "127.0.0.1:0", "idle": "1s", "body_timeout": "1s", "bodies_bytes": 8 * MB},
        )
        async with running_gateway(config) as gateway:
            yield Besieged(gateway, *tokens)


async def sent(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts over a connection of their own; return what comes back within two seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        answer = await asyncio.wait_for(reader.read(65_536), 2)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return answer


def frame(kind: int, flags: int, stream: int, payload: bytes, *, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


async def test_malformed_frames(besieged: Besieged) -> None:
    dice = random.Random(7)  # noqa: S311 (variety, not secrecy)
    settings = PREFACE + frame(4, 0, 0, b"")
    kinds = [
        dice.randbytes(4_000),
        PREFACE + dice.randbytes(4_000),
        settings + frame(0, 0, 1, b"x" * 64, length=0xFFFFFF),
        settings + frame(1, 4, 1, dice.randbytes(200)),
        settings + frame(9, 0, 3, b"") * 200,
        settings + b"".join(frame(3, 0, stream, b"\0\0\0\x08") for stream in range(1, 400, 2)),
        settings + frame(6, 0, 0, b"\0" * 8) * 2_000,
        b"GET / HTTP/1.1\r\n\r\n",
    ]

    async def attack() -> None:
        for _ in range(12):
            await asyncio.gather(*(sent(besieged.gateway.grpc_port, each) for each in kinds))

    await besieged.withstands(attack, growth=60 * MB)


@pytest.mark.long
async def test_messages_that_are_no_messages_or_too_large(besieged: Besieged) -> None:
    dice = random.Random(7)  # noqa: S311 (variety, not secrecy)

    async def attack() -> None:
        async with besieged.calling(besieged.honest) as channel:
            raw = channel.unary_unary(PUBLISH, request_serializer=lambda body: body, response_deserializer=bytes)
            for _ in range(60):
                codes[await code_of(raw(dice.randbytes(2_000), timeout=10))] += 1
            for _ in range(60):
                codes[await code_of(raw(b"\x0a" + b"\xff" * (5 * MB), timeout=10))] += 1

    codes: Counter[grpc.StatusCode] = Counter()
    await besieged.withstands(attack, growth=100 * MB)
    assert codes[grpc.StatusCode.RESOURCE_EXHAUSTED] == 60
    assert codes[grpc.StatusCode.OK] == 0
    assert sum(codes.values()) == 120


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_thousands_of_idle_connections(besieged: Besieged) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(4_000, (soft - 500) // 2)
    assert count >= 200
    idle: list[asyncio.StreamWriter] = []

    async def attack() -> None:
        for number in range(count):
            port = besieged.gateway.http_port if number % 2 else besieged.gateway.grpc_port
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nX-Slow: " if number % 2 else PREFACE + frame(4, 0, 0, b""))
            idle.append(writer)

    try:
        await besieged.withstands(attack, growth=(count * 64 + 40_000) * 1024)
    finally:
        for writer in idle:
            writer.close()


@pytest.mark.long
async def test_more_streams_than_a_connection_may_have(besieged: Besieged) -> None:
    async def attack() -> None:
        async with besieged.calling(besieged.honest) as channel:
            stub = DeliveryServiceStub(channel)
            watching = [stub.WatchDeliveries(WatchDeliveriesRequest()) for _ in range(1_000)]
            await asyncio.wait_for(watching[0].initial_metadata(), 10)
            reached = [asyncio.ensure_future(each.initial_metadata()) for each in watching]
            await asyncio.wait(reached, timeout=3)
            taken_up.append(sum(each.done() for each in reached))
            for each in watching:
                each.cancel()
            await asyncio.gather(*reached, return_exceptions=True)

    taken_up: list[int] = []
    await besieged.withstands(attack, growth=60 * MB)
    assert taken_up == [200]


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_slow_readers_of_moves(besieged: Besieged) -> None:
    """They ask for every move and read none, while thousands of deliveries move."""

    async def attack() -> None:
        async with besieged.calling(besieged.honest) as slow, besieged.calling(besieged.honest) as busy:
            watching = [DeliveryServiceStub(slow).WatchDeliveries(WatchDeliveriesRequest()) for _ in range(100)]
            await asyncio.gather(*(each.initial_metadata() for each in watching))
            for start in range(0, 4_000, 500):
                batch = PublishBatchRequest(events=[issued(start + number) for number in range(500)])
                await EventServiceStub(busy).PublishBatch(batch, timeout=30)
            for each in watching:
                each.cancel()

    await besieged.withstands(attack, growth=120 * MB)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_slow_readers_of_acknowledgements(besieged: Besieged) -> None:
    """They send as fast as they may and read no acknowledgement."""

    async def attack() -> None:
        async with besieged.calling(besieged.honest) as channel:
            calls = [EventServiceStub(channel).PublishStream() for _ in range(40)]
            await asyncio.gather(*(pour(call, lane) for lane, call in enumerate(calls)))
            for call in calls:
                call.cancel()

    async def pour(call: grpc.aio.StreamStreamCall[PublishStreamRequest, PublishStreamResponse], lane: int) -> None:
        with contextlib.suppress(TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            async with asyncio.timeout(8):
                for number in range(2_000):
                    event = issued(10_000 * lane + number, padding=20_000)
                    await call.write(PublishStreamRequest(sequence=number, event=event))

    await besieged.withstands(attack, growth=250 * MB)


@pytest.mark.long
async def test_slow_headers_and_slow_bodies_are_ended(besieged: Besieged) -> None:
    port = besieged.gateway.http_port
    head = b"POST /intake/capillary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n"

    async def attack() -> None:
        headers = [sent(port, *[b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 20], pause=0.2) for _ in range(100)]
        bodies = [sent(port, head + b"\r\n", *[b"["] * 10, pause=0.2) for _ in range(100)]
        answers.extend(await asyncio.gather(*headers, *bodies))

    answers: list[bytes] = []
    await besieged.withstands(attack, growth=60 * MB)
    assert all(answer == b"" for answer in answers[:100])
    assert all(answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 429 ")) for answer in answers[100:])


async def test_oversized_headers_and_bodies_are_refused(besieged: Besieged) -> None:
    async def attack() -> None:
        url = f"http://127.0.0.1:{besieged.gateway.http_port}/intake/capillary"
        async with aiohttp.ClientSession() as http:
            for _ in range(10):
                async with http.post(url, headers={"X-Long": "y" * 10_000}) as answer:
                    seen[answer.status] += 1
                posts = [http.post(url, data=io.BytesIO(b" " * (3 * MB + each))) for each in range(8)]
                for post in await asyncio.gather(*posts, return_exceptions=True):
                    if isinstance(post, aiohttp.ClientResponse):
                        seen[post.status] += 1
                        post.release()
            with contextlib.suppress(aiohttp.ClientError):
                async with http.post(url, data=io.BytesIO(b" " * (40 * MB))) as answer:
                    seen[answer.status] += 1

    seen: Counter[int] = Counter()
    await besieged.withstands(attack, growth=120 * MB)
    assert seen[400] >= 10
    assert set(seen) <= {400, 413, 429}


@pytest.mark.long
async def test_a_flood_with_one_key_leaves_the_others_alone(besieged: Besieged) -> None:
    async def attack() -> None:
        async with besieged.calling(besieged.limited) as channel:
            stub = EventServiceStub(channel)
            for start in range(0, 1_500, 150):
                calls = [stub.Publish(PublishRequest(event=issued(start + each)), timeout=20) for each in range(150)]
                for answer in await asyncio.gather(*calls, return_exceptions=True):
                    if not isinstance(answer, grpc.aio.AioRpcError):
                        codes[grpc.StatusCode.OK] += 1
                        continue
                    codes[answer.code()] += 1
                    assert any(each.Is(RetryInfo.DESCRIPTOR) for each in details_of(answer))

    codes: Counter[grpc.StatusCode] = Counter()
    await besieged.withstands(attack, growth=60 * MB)
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert codes[grpc.StatusCode.OK] < 500


@pytest.mark.long
async def test_wrong_and_expired_keys_by_the_thousand(besieged: Besieged) -> None:
    async def attack() -> None:
        wrong = [new_key().token for _ in range(600)]
        given = [*wrong, *[besieged.expired] * 300, "", "Bearer", "tdk_", "tdk_" + "a" * 4_000]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{besieged.gateway.grpc_port}") as channel:
            stub = EventServiceStub(channel)
            for token in given:
                metadata = (("authorization", f"Bearer {token}"),)
                codes[await code_of(stub.Publish(PublishRequest(event=issued(1)), metadata=metadata, timeout=10))] += 1

    codes: Counter[grpc.StatusCode] = Counter()
    await besieged.withstands(attack, growth=40 * MB)
    assert codes == {grpc.StatusCode.UNAUTHENTICATED: 904}


@pytest.mark.long
async def test_the_gateway_still_stops_as_it_should_after_an_attack(besieged: Besieged) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", besieged.gateway.grpc_port)
    writer.write(PREFACE)
    await besieged.serves(1)

    async def ended() -> bool:
        return await besieged.gateway.stop() == 0

    assert await eventually(ended)
    writer.close()
