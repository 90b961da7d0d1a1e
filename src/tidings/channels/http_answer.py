"""Reads HTTP/1.1 answers as they arrive. The only module that knows httptools; its errors end here.

Pure: bytes in, an HttpAnswer out. What a far side may make us keep is bounded: the head, the number of its
headers, the body, and the bytes of framing around it. Parsing is strict (llhttp without leniencies): what two
parsers could read in two ways is not read at all.
"""

from dataclasses import dataclass
from typing import Final

from httptools import HttpParserError, HttpResponseParser

BODY_LIMIT: Final = 20_000
"""Bytes of an answer's body that are read; a longer answer's connection is dropped."""

HEAD_LIMIT: Final = 65_536
"""Bytes of an answer's head, interim answers included."""

MOST_HEADERS: Final = 200
"""Headers of an answer, interim ones and trailers included."""

_FRAMED_LIMIT: Final = 8 * BODY_LIMIT + HEAD_LIMIT
"""Bytes of a whole answer as it stands on the wire; room for a body in chunks of one byte."""
_FIRST_FINAL: Final = 200
_INTERIM: Final = 100
_SWITCHING: Final = 101
_RETRY: Final = b"retry-after"
_WISH: Final = b"webhook-delivery"
_KEPT: Final = frozenset({_RETRY, _WISH})
_LENGTHS: Final = frozenset(map(len, _KEPT))
_MOST_FAMILIAR: Final = 256
_LONGEST_FAMILIAR: Final = 1_024
_VERSIONS: Final = frozenset({"1.0", "1.1"})


class HttpFault(Exception):
    """No answer came; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the far side said. A body that breaks off counts as far as it came: the status was said before it."""

    status: int
    retry_after: str | None
    body: bytes
    wish: str | None = None
    """What its header webhook-delivery says."""


Familiar = dict[bytes, HttpAnswer]
"""What short answers say that came whole, in one piece, and left the connection in order.

The same bytes say the same on any connection that is between two answers, and a far side mostly says the same. It is
bounded by what ``AnswerReader`` puts in.
"""


class AnswerReader:
    """Reads one connection's answers, one after the other; ``begin`` opens each."""

    __slots__ = (
        "_answer", "_familiar", "_head_size", "_headers", "_length", "_parser", "_pieces", "_problem", "_said", "_size",
        "_status", "done", "reusable",
    )  # fmt: skip

    def __init__(self, familiar: Familiar | None = None) -> None:
        """Read with the help of what others have read."""
        self._familiar: Familiar = {} if familiar is None else familiar
        self._size = 1
        self.begin()
        self._parser = HttpResponseParser(self)

    def begin(self) -> None:
        """Expect the next answer."""
        self._answer: HttpAnswer | None = None
        """What it says, if it is a familiar one."""
        self.done = False
        """Whether the answer is as complete as it will be."""
        self.reusable = False
        """Whether the connection can carry another request once the answer is done."""
        if not self._size:  # nothing below was touched by the answer before
            return
        self._status = self._size = self._head_size = self._headers = self._length = 0
        self._said: dict[bytes, str] = {}
        """What the headers that matter say."""
        self._pieces: list[bytes] = []
        self._problem = ""

    @property
    def is_untouched(self) -> bool:
        """Whether not one byte of the answer has come."""
        return self._size == 0 and self._answer is None

    @property
    def has_status(self) -> bool:
        """Whether the final status has been said."""
        return self._status != 0 or self._answer is not None

    def feed(self, data: bytes) -> bool:
        """Take bytes off the wire and return ``done``; raise HttpFault when they are no answer."""
        if not self._size:
            self._answer = self._familiar.get(data)
            if self._answer is not None:
                self.done = self.reusable = True
                return True
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._stop(self._problem or str(error))
        if not self.done and self._size > (_FRAMED_LIMIT if self._status else HEAD_LIMIT):
            self._stop(f"its head is longer than {HEAD_LIMIT} bytes")
        if self.done and self.reusable and self._size == len(data) <= _LONGEST_FAMILIAR:
            self._remember(data)
        return self.done

    def answer(self) -> HttpAnswer:
        """Return what was said so far; there must be a status."""
        if self._answer is not None:
            return self._answer
        body = b"".join(self._pieces)[:BODY_LIMIT] if self._pieces else b""
        said = self._said
        return HttpAnswer(status=self._status, retry_after=said.get(_RETRY), body=body, wish=said.get(_WISH))

    def _remember(self, data: bytes) -> None:
        if len(self._familiar) >= _MOST_FAMILIAR:
            self._familiar.clear()
        self._answer = self._familiar[data] = self.answer()

    def _stop(self, problem: str) -> None:
        """Read no further: what was said stands, and if that was nothing it is a fault."""
        self.reusable = False
        if not self._status:
            raise HttpFault(f"no readable answer: {problem}")
        self.done = True

    # What the parser calls; an exception stops it and comes out of feed_data as an HttpParserError.

    def on_message_begin(self) -> None:
        """Stop at a second answer: only one was asked for."""
        if self.done:
            raise HttpFault

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the first of each header that matters; count the rest."""
        self._headers += 1
        self._head_size += len(name) + len(value)
        if self._headers > MOST_HEADERS or self._head_size > HEAD_LIMIT:
            self._problem = f"its head holds more than {MOST_HEADERS} headers or {HEAD_LIMIT} bytes"
            raise HttpFault
        if not self._status and len(name) in _LENGTHS and (known := name.lower()) in _KEPT:
            self._said.setdefault(known, value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Take the status, unless this is an interim answer and the real one is still to come."""
        status = self._parser.get_status_code()
        if self._parser.get_http_version() not in _VERSIONS:
            self._problem = "it is not HTTP/1.1"
            raise HttpFault
        if _INTERIM <= status < _FIRST_FINAL:
            self._said = {}
            if status == _SWITCHING:
                self._problem = "it changes the protocol, which nobody asked for"
                raise HttpFault
            return
        self._status = status
        self.reusable = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Keep the body up to its limit."""
        self._pieces.append(data)
        self._length += len(data)
        if self._length > BODY_LIMIT:
            raise HttpFault

    def on_message_complete(self) -> None:
        """Note the end of the answer, unless it was an interim one."""
        self.done = self._status != 0
