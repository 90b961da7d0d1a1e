"""Answers as bytes: what they mean, what is none, what is too much; over real sockets, and any bytes at all."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from long_kit import at_length
from raw_http_kit import OK, a_client, answers, post, raw_server, saying
from tidings.channels.http_answer import BODY_LIMIT, HEAD_LIMIT, AnswerReader, Familiar, HttpAnswer, HttpFault

CLOSED = "the connection was closed before an answer came"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, cuts: tuple[int, ...] = ()) -> HttpAnswer | str:
    """What these bytes say when they come in such pieces and then the connection closes."""
    reader = AnswerReader()
    edges = [0, *sorted(cuts), len(data)]
    try:
        for start, end in itertools.pairwise(edges):
            if start < end and reader.feed(data[start:end]):
                break
    except HttpFault as fault:
        return str(fault)
    return reader.answer() if reader.has_status else CLOSED


@pytest.mark.parametrize("piecewise", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(
    ("said", "status", "retry_after", "body"),
    [
        (OK, 200, None, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, None, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, None, b"to the end"),
        (CHUNKED + b"2;a=b\r\nok\r\n1\r\n!\r\n0\r\nRetry-After: 9\r\n\r\n", 200, None, b"ok!"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nRetry-After: 9\r\n\r\n" + OK, 200, None, b"ok"),
        (b"HTTP/1.1 503 Busy\r\nretry-AFTER: 5\r\nRetry-After: 6\r\nContent-Length: 0\r\n\r\n", 503, "5", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 200, None, b"half"),
        (CHUNKED + b"2\r\nok\r\nzz\r\n", 200, None, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"y" * 90_000, 200, None, b"y" * BODY_LIMIT),
        (OK + OK, 200, None, b"ok"),
        (OK + b"stray", 200, None, b"ok"),
    ],
)  # fmt: skip
def test_an_answer_is_read(said: bytes, status: int, retry_after: str | None, body: bytes, *, piecewise: bool) -> None:
    cuts = tuple(range(1, len(said))) if piecewise else ()
    assert read(said, cuts) == HttpAnswer(status=status, retry_after=retry_after, body=body)


@pytest.mark.parametrize(
    "said",
    [
        b"220 relay.example.com ESMTP\r\n",
        b"<html>",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 300,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * (HEAD_LIMIT + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_LIMIT + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_a_fault_and_ends_the_connection(said: bytes) -> None:
    async with raw_server(saying(said)) as server, a_client() as client:
        got = [await post(client, server.url) for _ in range(2)]
    assert [str(each).partition(": ")[0] for each in got] == ["no readable answer"] * 2
    assert server.connections == 2


def test_framing_without_end_is_cut() -> None:
    """Chunks that hold next to nothing, and trailers without end, must not be read for ever."""
    endless = CHUNKED + b"1;" + b"x" * 1_000_000
    assert read(endless, tuple(range(0, len(endless), 4096))) == HttpAnswer(status=200, retry_after=None, body=b"")


ANSWERS = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [OK, CHUNKED, b"HTTP/1.1 ", b"200 OK\r\n", b"503 \r\n", b"\r\n", b"Content-Length: 3\r\n", b"0\r\n\r\n",
             b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"3\r\nabc\r\n", b"HTTP/1.1 100 C\r\n\r\n"]
        ),
    ),
    max_size=8,
).map(b"".join)  # fmt: skip


@given(ANSWERS, st.data())
def test_however_the_bytes_are_cut_they_say_the_same(said: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(said)), max_size=6))
    whole, cut = read(said), read(said, tuple(cuts))
    if isinstance(whole, str) and isinstance(cut, str):
        return  # both are no answer; which fault is named first may differ
    assert whole == cut


@given(st.lists(ANSWERS, min_size=1, max_size=5), st.data())
def test_what_was_read_before_changes_nothing(said: list[bytes], data: st.DataObject) -> None:
    """Answers that came before, to this connection and to others, are known again; they must not be mixed up."""
    familiar: Familiar = {}
    connection = AnswerReader(familiar)
    for each in data.draw(st.lists(st.sampled_from(said), max_size=12)):
        connection.begin()
        alone = AnswerReader()
        pieces = data.draw(st.sampled_from([[each], [each[:9], each[9:]]]))
        assert [_told(connection, piece) for piece in pieces] == [_told(alone, piece) for piece in pieces]
        if not (connection.done and connection.reusable):
            connection = AnswerReader(familiar)


def _told(reader: AnswerReader, piece: bytes) -> tuple[object, ...]:
    """What a reader says once these bytes have come, and nothing once it has said all."""
    try:
        done = reader.done or (bool(piece) and reader.feed(piece))
    except HttpFault as fault:
        return (str(fault),)
    return done, reader.reusable, reader.is_untouched, reader.answer() if reader.has_status else None


def test_few_and_short_answers_are_known_again() -> None:
    familiar: Familiar = {}
    reader = AnswerReader(familiar)
    for number in range(1_000):
        reader.begin()
        assert reader.feed(b"HTTP/1.1 200 OK\r\nX: %d\r\nContent-Length: 0\r\n\r\n" % number)
        assert 1 <= len(familiar) <= 256
    for said in (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"y" * 2_000, OK + b"stray"):
        AnswerReader(familiar).feed(said)
        assert said not in familiar


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@settings(deadline=None, max_examples=at_length(12, 40))  # a server that says too little is waited for
@given(said=st.lists(ANSWERS, min_size=1, max_size=3), then_close=st.booleans())
def test_whatever_a_server_says_ends_in_an_answer_or_a_fault(
    run: Callable[[Coroutine[Any, Any, None]], None], said: list[bytes], *, then_close: bool
) -> None:
    async def main() -> None:
        async with raw_server(saying(*said, then_close=then_close)) as server, a_client(timeout=0.03) as client:
            got = [await post(client, server.url) for _ in range(3)]
            assert all(isinstance(each, HttpAnswer | str) for each in got)
            unused = sum(len(place.unused) for place in client._pool._places.values())
            taken = sum(place.open for place in client._pool._places.values())
            assert taken == unused == len(client._pool._connections) <= 1
        assert client._pool._places == {}

    run(main())


async def test_answers_that_follow_each_other_are_told_apart() -> None:
    replies = (OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nok", OK)
    async with raw_server(saying(*replies)) as server, a_client() as client:
        got = [await post(client, server.url) for _ in range(4)]
    assert got == answers(200, 200, 404, 200)
    assert server.connections == 1
