"""Connections: kept or dropped, closed by the far side at bad moments, shared, and bounded in time and number."""

import asyncio
from collections.abc import Callable, Collection, Sequence

import pytest

from raw_http_kit import OK, RawServer, Say, a_client, answers, post, raw_server, saying
from tidings.channels.addresses import AddressPolicy
from tidings.channels.http_addresses import Dialer, Origin, VettedNames, system_resolve
from tidings.channels.http_client import HttpAnswer, HttpFault
from tidings.channels.http_connection import Connection
from tidings.channels.http_pool import ConnectionPool
from tidings.channels.http_target import Target, read_url

CLOSED = "the connection was closed before an answer came"
LATE = "no answer in time"


async def test_a_request_reads_as_it_should() -> None:
    async with raw_server(saying(OK)) as server, a_client() as client:
        target = client.target(server.url).with_headers({"X-Tenant": "example", "User-Agent": "Other"})
        await client.post(target, b"body", {"webhook-id": "dlv_example", "X-100%s": "%d"})
    (request,) = server.requests
    head, _, body = request.decode().partition("\r\n\r\n")
    assert (head.split("\r\n"), body) == (
        [
            "POST /hooks?a=b%20c HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            "content-type: application/json",
            "accept: */*",
            "accept-encoding: identity",
            "X-Tenant: example",
            "User-Agent: Other",
            "webhook-id: dlv_example",
            "X-100%s: %d",
            "Content-Length: 4",
        ],
        "body",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "a\r\nX: b"), ("webhook-id", "a\nX: b"), ("webhook-id", "\x00"), ("webhook-id", "caf\u00e9"),
        ("X: y\r\nZ", "a"), ("X Y", "a"), ("", "a"), ("Content-Length", "0"), ("transfer-encoding", "chunked"),
        ("Host", "example.com"), ("Connection", "close"),
    ],
)  # fmt: skip
async def test_a_header_cannot_say_more_than_it_should(name: str, value: str) -> None:
    async with raw_server(saying(OK)) as server, a_client() as client:
        with pytest.raises(HttpFault, match="cannot be sent"):
            await client.post(client.target(server.url), b"{}", {name: value})
        with pytest.raises(ValueError, match="cannot be sent"):
            client.target(server.url).with_headers({name: value})
    assert server.requests == []


@pytest.mark.parametrize("path", ["/a\r\nX: b", "/a b\tc", "/?q=\r\n\r\nGET / HTTP/1.1", "/\u2028\x7f", "/%0d%0aX: b"])
def test_a_url_cannot_break_out_of_the_request_line(path: str) -> None:
    head = Target(read_url(f"http://example.com{path}")).head
    line, host, *rest = head.split("\r\n")
    assert (line.count(" "), line.isascii() and line.isprintable(), host) == (2, True, "Host: example.com")
    assert not [each for each in rest if each.startswith(("X", "GET"))]


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (OK, 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        (OK + b"HTTP/1.1 500 Never asked\r\nContent-Length: 0\r\n\r\n", 3),
        (OK + b"stray", 3),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"y" * 30_000, 3),
    ],
)
async def test_a_connection_is_kept_only_when_nothing_is_left_on_it(reply: bytes, connections: int) -> None:
    async with raw_server(saying(reply)) as server, a_client() as client:
        got = [await post(client, server.url) for _ in range(3)]
    assert [isinstance(each, HttpAnswer) and each.status in (200, 204) for each in got] == [True] * 3
    assert server.connections == connections


async def test_a_connection_closed_while_unused_is_not_used_again() -> None:
    async with raw_server(saying(OK, then_close=True)) as server, a_client() as client:
        got = []
        for _ in range(3):
            got.append(await post(client, server.url))
            await until(lambda: not client._pool._connections)
    assert got == answers(200, 200, 200)
    assert (server.connections, len(server.requests)) == (3, 3)


def closing_on(number: int, last_words: bytes = b"") -> Callable[[RawServer], Say]:
    """Answer a connection's first requests; read the one of this number, say these words and close."""

    def for_server(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(1, number):
                await server.read(reader)
                writer.write(OK)
            await server.read(reader)
            writer.write(last_words)

        return say

    return for_server


async def test_a_request_that_met_a_closing_connection_goes_out_once_more() -> None:
    async with raw_server(closing_on(2)) as server, a_client() as client:
        got = [await post(client, server.url, body) for body in (b"1", b"2", b"3")]
    assert got == answers(200, 200, 200)
    assert [request[-1:] for request in server.requests] == [b"1", b"2", b"2", b"3", b"3"]
    assert server.connections == 3


async def test_a_new_connection_that_closes_is_not_tried_again() -> None:
    async with raw_server(closing_on(1)) as server, a_client() as client:
        assert await post(client, server.url) == CLOSED
    assert (server.connections, len(server.requests)) == (1, 1)


async def test_once_a_byte_was_answered_nothing_is_sent_again() -> None:
    async with raw_server(closing_on(2, b"H")) as server, a_client() as client:
        got = [await post(client, server.url, body) for body in (b"1", b"2")]
    assert got == [*answers(200), CLOSED]
    assert [request[-1:] for request in server.requests] == [b"1", b"2"]


async def test_slow_bytes_do_not_outlast_the_timeout() -> None:
    def slow(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)

        return say

    async with raw_server(slow) as server, a_client(timeout=0.3) as client:
        started = asyncio.get_running_loop().time()
        assert await post(client, server.url) == LATE
        assert asyncio.get_running_loop().time() - started < 20
        assert await drained(client._pool._connections)


@pytest.mark.parametrize("idle", [0.05, 60.0], ids=["short idle", "long idle"])
async def test_each_request_has_the_whole_timeout(idle: float) -> None:
    """The connection's one timer is set for requests and for idling in turn; neither must cut the other short."""

    def pausing(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for pause in (0.0, 0.3, 0.3, 0.3, 60.0):
                await server.read(reader)
                await asyncio.sleep(pause)
                writer.write(OK)

        return say

    async with raw_server(pausing) as server, a_client(timeout=0.6, idle=idle) as client:
        got = [await post(client, server.url) for _ in range(5)]
    assert got == [*answers(200, 200, 200, 200), LATE]
    assert server.connections == 1


async def test_an_unused_connection_is_closed_after_a_while() -> None:
    async with raw_server(saying(OK)) as server, a_client(idle=0.05) as client:
        assert await post(client, server.url) == answers(200)[0]
        assert await drained(client._pool._connections)
        assert await post(client, server.url) == answers(200)[0]
    assert server.connections == 2


def answering_early(*, close: bool) -> Callable[[RawServer], Say]:
    def for_server(_: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
            if not close:
                await asyncio.sleep(60)

        return say

    return for_server


@pytest.mark.parametrize("close", [False, True])
async def test_an_answer_before_the_body_is_written_stands_and_ends_the_connection(*, close: bool) -> None:
    async with raw_server(answering_early(close=close)) as server, a_client() as client:
        got = await post(client, server.url, b"x" * 32 * 1024**2)
        assert await drained(client._pool._connections)
    assert got == answers(413)[0]


async def test_a_far_side_that_only_closes_its_half_answers_no_more() -> None:
    def half_closing(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            writer.write_eof()
            await asyncio.sleep(60)

        return say

    async with raw_server(half_closing) as server, a_client() as client:
        assert await post(client, server.url) == CLOSED


async def test_words_that_nobody_asked_for_end_an_unused_connection() -> None:
    speak = asyncio.Event()

    def chatty(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            writer.write(OK)
            await speak.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
            await asyncio.sleep(60)

        return say

    async with raw_server(chatty) as server, a_client() as client:
        assert await post(client, server.url) == answers(200)[0]
        speak.set()
        assert await drained(client._pool._connections)
        assert await post(client, server.url) == answers(200)[0]
    assert server.connections == 2


async def test_an_address_that_fails_is_followed_by_the_next() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.2", "127.0.0.1"]

    async with raw_server(saying(OK)) as server, a_client(resolve) as client:
        got = await post(client, f"http://crm.example.com:{server.port}/")
    assert got == answers(200)[0]


async def test_an_address_whose_tls_fails_is_followed_by_the_next() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    tried: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.append(writer.get_extra_info("sockname")[0])
        writer.write(b"no TLS here")
        writer.close()

    first = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(listen, "127.0.0.2", port)
    async with first, second, a_client(resolve) as client:
        got = await post(client, f"https://crm.example.com:{port}/")
    assert str(got).startswith("TLS failed: ")
    assert tried == ["127.0.0.2", "127.0.0.1"]


async def test_those_in_line_are_served_whatever_becomes_of_the_others() -> None:
    """Some give up, some connections close: the places go on to whoever waits."""
    async with raw_server(closing_on(5)) as server, a_client(connections_per_endpoint=2) as client:
        sends = [asyncio.create_task(post(client, server.url, b"%d" % number)) for number in range(40)]
        await until(lambda: bool(server.requests))
        for given_up in sends[5:40:3]:
            given_up.cancel()
        got = await asyncio.gather(*sends, return_exceptions=True)
        assert {place.open for place in client._pool._places.values()} <= {0, 1, 2}
    kept = [each for number, each in enumerate(got) if number not in range(5, 40, 3)]
    assert all(each in (answers(200)[0], CLOSED) for each in kept)
    assert client._pool._places == {}


@pytest.mark.parametrize("closing", [False, True])
async def test_a_place_is_not_lost_with_one_who_gave_up_just_when_served(*, closing: bool) -> None:
    async with raw_server(saying(OK)) as server, a_client(connections_per_endpoint=1) as client:
        pool, origin = client._pool, Origin("http", "127.0.0.1", server.port, None)
        held = await pool.open(origin)
        in_line = asyncio.create_task(pool.open(origin))
        await asyncio.sleep(0)
        pool._on_idle(held)
        if closing:
            held.abort()
        in_line.cancel()
        with pytest.raises(asyncio.CancelledError):
            await in_line
        assert await post(client, server.url) == answers(200)[0]
    assert server.connections == (2 if closing else 1)
    assert pool._places == {}


async def test_no_more_connections_are_kept_unused_than_allowed() -> None:
    policy = AddressPolicy.of(("127.0.0.0/8",))
    dialer = Dialer(VettedNames(system_resolve, policy, ttl=0), policy, timeout=5)
    pool = ConnectionPool(dialer, limit=10, idle=60, most_unused=3)
    async with raw_server(saying(OK)) as server:
        origin = Origin("http", "127.0.0.1", server.port, None)
        opened = [await pool.open(origin) for _ in range(5)]
        deadline = asyncio.get_running_loop().time() + 5
        request = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
        await asyncio.gather(*(each.exchange(request, deadline) for each in opened))
        await until(lambda: len(pool._connections) == 3)
        assert [pool.take(origin) is not None for _ in range(4)] == [True, True, True, False]
        await pool.close()
    assert pool._places == {}


async def test_a_line_that_does_not_move_ends_in_time() -> None:
    def silent(server: RawServer) -> Say:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            await asyncio.sleep(60)

        return say

    async with raw_server(silent) as server, a_client(connections_per_endpoint=1, timeout=0.3) as client:
        got = await asyncio.gather(*(post(client, server.url) for _ in range(4)))
        assert await drained(client._pool._connections)
        assert client._pool._places == {}
    assert got == [LATE] * 4


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not look():  # noqa: ASYNC110  the loop's own work is the only sign
            await asyncio.sleep(0.005)


async def drained(connections: Collection[Connection]) -> bool:
    """Wait until there are no connections."""
    await until(lambda: not connections)
    return True
