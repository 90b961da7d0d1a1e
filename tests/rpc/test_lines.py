"""How calls are taken up: each method by a line of its own, many at a time, and else as grpc.aio does it."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from gateway_kit import open_test_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.gateway.v1.event_service_pb2 import ListEventsRequest, PublishBatchRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.gateway.v1.rule_service_pb2 import GetRulebookRequest
from tidings.gateway.v1.rule_service_pb2_grpc import RuleServiceStub
from tidings.rpc.lines import FEWEST_READY, MOST_READY, waking_once
from tidings.rpc.server import make_server

Context = grpc.aio.ServicerContext[bytes, bytes]
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
OTHER = "1.99.0"
"""A version of gRPC that lines are not made for."""


@pytest.fixture(params=["lines", "gRPC's own way"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "lines":
        monkeypatch.setattr(grpc, "__version__", OTHER)


def workers() -> int:
    """Count the tasks of this loop that take up calls."""
    return sum(getattr(task.get_coro(), "__qualname__", "") == "_Line._work" for task in asyncio.all_tasks())


def unary(answer: Callable[[bytes, Context], Awaitable[bytes]]) -> Handler:
    return grpc.unary_unary_rpc_method_handler(answer)


async def echo(request: bytes, context: Context) -> bytes:
    return request


@asynccontextmanager
async def serving(methods: Mapping[str, Handler]) -> AsyncIterator[tuple[grpc.aio.Server, grpc.aio.Channel]]:
    server = make_server([])
    server.add_registered_method_handlers("test.Service", methods)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield server, channel
    finally:
        await server.stop(0)


def call(channel: grpc.aio.Channel, method: str, request: bytes = b"", *, timeout: float = 20) -> Any:
    ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/test.Service/{method}")
    return ask(request, timeout=timeout)


async def until_refused(channel: grpc.aio.Channel) -> None:
    """Call until a server has heard that it is to stop."""
    while True:
        await call(channel, "Echo")


async def for_ever() -> bytes:
    waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    return await waiting


@pytest.mark.usefixtures("either_way")
async def test_calls_of_each_kind_are_answered() -> None:
    async def tell(request: bytes, context: Context) -> AsyncIterator[bytes]:
        for byte in request:
            yield bytes([byte])

    async def gather(requests: AsyncIterator[bytes], context: Context) -> bytes:
        return b"".join([each async for each in requests])

    async def talk(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for each in requests:
            yield each * 2

    methods: dict[str, Handler] = {
        "Echo": unary(echo),
        "Tell": grpc.unary_stream_rpc_method_handler(tell),
        "Gather": grpc.stream_unary_rpc_method_handler(gather),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
    }
    async with serving(methods) as (_, channel):
        assert await call(channel, "Echo", b"one") == b"one"
        told: Any = channel.unary_stream("/test.Service/Tell")
        assert [each async for each in told(b"abc", timeout=10)] == [b"a", b"b", b"c"]
        gathered: Any = channel.stream_unary("/test.Service/Gather")
        assert await gathered(iter([b"x", b"y"]), timeout=10) == b"xy"
        talked: Any = channel.stream_stream("/test.Service/Talk")
        assert [each async for each in talked(iter([b"p", b"q"]), timeout=10)] == [b"pp", b"qq"]


async def test_calls_do_not_wait_for_each_other_and_workers_go_when_a_burst_is_over() -> None:
    burst = 5 * MOST_READY
    came = 0
    all_came = asyncio.Event()

    async def meet(request: bytes, context: Context) -> bytes:
        nonlocal came
        came += 1
        if came == burst:
            all_came.set()
        await all_came.wait()
        return request

    async with serving({"Meet": unary(meet), "Echo": unary(echo)}) as (_, channel):
        assert await call(channel, "Echo", b"first") == b"first"
        assert workers() <= 2 * (FEWEST_READY + 1)
        answers = await asyncio.gather(*(call(channel, "Meet", str(each).encode()) for each in range(burst)))
        assert answers == [str(each).encode() for each in range(burst)]
        for each in range(2 * burst):  # who has answered still has to see the end of its call
            await call(channel, "Echo", str(each).encode())
        assert FEWEST_READY <= workers() <= MOST_READY + 2 * FEWEST_READY + 1


@pytest.mark.usefixtures("either_way")
async def test_a_call_that_is_given_up_is_cancelled_and_the_line_goes_on() -> None:
    given_up: asyncio.Queue[str] = asyncio.Queue()
    begun: asyncio.Queue[None] = asyncio.Queue()

    async def linger(request: bytes, context: Context) -> bytes:
        begun.put_nowait(None)
        try:
            return await for_ever()
        except asyncio.CancelledError:
            given_up.put_nowait("given up")
            raise

    async with serving({"Linger": unary(linger), "Echo": unary(echo)}) as (_, channel):
        for _ in range(3 * FEWEST_READY):
            lingering = call(channel, "Linger")
            waiting = asyncio.ensure_future(lingering)
            await asyncio.wait_for(begun.get(), 10)
            lingering.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert await asyncio.wait_for(given_up.get(), 10) == "given up"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "Linger", timeout=0.05)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await asyncio.wait_for(given_up.get(), 10) == "given up"
        assert await call(channel, "Echo", b"still there") == b"still there"


@pytest.mark.usefixtures("either_way")
async def test_errors_of_a_handler_reach_its_caller_and_nobody_else() -> None:
    async def fail(request: bytes, context: Context) -> bytes:
        raise ValueError("no such thing")

    async def refuse(request: bytes, context: Context) -> bytes:
        return await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")

    async with serving({"Fail": unary(fail), "Refuse": unary(refuse), "Echo": unary(echo)}) as (_, channel):
        for _ in range(3 * FEWEST_READY):
            with pytest.raises(grpc.aio.AioRpcError, match="no such thing") as failed:
                await call(channel, "Fail")
            assert failed.value.code() is grpc.StatusCode.UNKNOWN
            with pytest.raises(grpc.aio.AioRpcError, match="not now") as refused:
                await call(channel, "Refuse")
            assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert await call(channel, "Echo", b"still there") == b"still there"


@pytest.mark.usefixtures("either_way")
async def test_stopping_sees_through_what_was_taken_up_and_takes_up_no_more() -> None:
    begun = asyncio.Event()
    may_end = asyncio.Event()

    async def linger(request: bytes, context: Context) -> bytes:
        begun.set()
        await may_end.wait()
        return b"seen through"

    async with serving({"Linger": unary(linger), "Echo": unary(echo)}) as (server, channel):
        lingering = asyncio.ensure_future(call(channel, "Linger"))
        await asyncio.wait_for(begun.wait(), 10)
        stopping = asyncio.create_task(server.stop(20))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await until_refused(channel)
        assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        may_end.set()
        assert await lingering == b"seen through"
        await stopping
        assert not workers()


ENDED_TOO_EARLY = """
import asyncio, grpc
from tidings.rpc.server import make_server

kept = []  # or gRPC would stop the server once nothing names it

async def main():
    given_up = asyncio.Event()

    async def linger(request, context):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            given_up.set()
        await asyncio.get_running_loop().create_future()

    server = make_server([])
    server.add_registered_method_handlers("test.Service", {"Linger": grpc.unary_unary_rpc_method_handler(linger)})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    calling = asyncio.ensure_future(channel.unary_unary("/test.Service/Linger")(b"", timeout=0.1))
    await given_up.wait()
    kept.extend([server, channel, calling])

asyncio.run(main())
print("ended")
"""


async def test_a_loop_that_is_ended_beside_a_handler_that_goes_on_all_the_same_ends() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENDED_TOO_EARLY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert said == b"ended\n"


async def test_what_a_poller_writes_wakes_its_reader_once() -> None:
    loop = asyncio.get_running_loop()
    woken: asyncio.Queue[str] = asyncio.Queue()
    reader, poller = socket.socketpair()
    reader.settimeout(0)
    with reader, poller:
        with waking_once(loop):
            loop.add_reader(reader, woken.put_nowait, "woken")
        poller.sendall(b"many")
        assert await woken.get() == "woken"
        poller.sendall(b"more")
        assert await woken.get() == "woken"
        with pytest.raises(BlockingIOError):
            reader.recv(1)
        loop.remove_reader(reader)
        assert woken.empty()


async def test_a_server_has_the_poller_of_gRPC_wake_its_loop_so(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802
    loop = asyncio.get_running_loop()
    add_reader = loop.add_reader
    added: list[str] = []

    def noting(reader: Any, callback: Callable[[], object]) -> None:
        added.append(callback.__qualname__)
        add_reader(reader, callback)

    monkeypatch.setattr(loop, "add_reader", noting)
    async with serving({"Echo": unary(echo)}) as (_, channel):
        assert await call(channel, "Echo", b"one") == b"one"
        assert loop.add_reader is noting
    assert [each for each in added if each.startswith("waking_once")]


async def test_a_line_that_cannot_go_on_ends_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with serving({"Echo": unary(echo)}) as (server, channel):
        assert await call(channel, "Echo", b"once") == b"once"
        core: Any = vars(server)["_server"]
        core._handlers["/test.Service/Never"] = unary(echo)
        core._make_request_call_future(b"/test.Service/Never")  # which gRPC's core knows nothing of
        with pytest.raises(KeyError, match="Never"):
            await server.wait_for_termination(20)
    assert "Never" in caplog.text


async def test_every_method_of_a_gateway_has_a_line(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9")
    path = write_config(tmp_path, rules=str(rules), grpc={"listen": "127.0.0.1:0"})
    async with open_test_gateway(path) as gateway:
        channel: Any = gateway.channel
        assert not (await EventServiceStub(channel).PublishBatch(PublishBatchRequest(), timeout=10)).results
        assert not (await EventServiceStub(channel).ListEvents(ListEventsRequest(), timeout=10)).events
        assert (await RuleServiceStub(channel).GetRulebook(GetRulebookRequest(), timeout=10)).revision
        stub: Any = HealthStub(channel)
        health = await stub.Check(HealthCheckRequest(), timeout=10)
        assert health.status == HealthCheckResponse.SERVING
        reflection: Any = ServerReflectionStub(channel)
        asked = iter([ServerReflectionRequest(list_services="")])
        found = [answer async for answer in reflection.ServerReflectionInfo(asked, timeout=10)]
        services = {each.name for each in found[0].list_services_response.service}
        assert "grpc.health.v1.Health" in services
        assert workers() >= FEWEST_READY * len(services)


@pytest.mark.usefixtures("either_way")
async def test_a_method_that_there_is_not_is_not_implemented(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9")
    path = write_config(tmp_path, rules=str(rules), grpc={"listen": "127.0.0.1:0"})
    async with open_test_gateway(path) as gateway:
        channel: Any = gateway.channel
        for method in ("/tidings.gateway.v1.EventService/None", "/tidings.gateway.v1.NoService/Publish"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(method)(b"", timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_gRPC_that_this_project_is_tested_with_has_lines() -> None:  # noqa: N802 (gRPC's name)
    # an upgrade must not make the gateway slow unseen: see whether lines still do what they say, then widen
    async with serving({"Echo": unary(echo)}) as (_, channel):
        assert await call(channel, "Echo", b"") == b""
        assert workers()
