"""A real SMTP server for tests: aiosmtpd on a port of the system's choosing, in the test's own loop.

Every verb can be told what to answer next: a line such as ``450 4.2.0 later``, DROP, HANG, or the usual after a while.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Fault(Enum):
    """What a server may do instead of answering."""

    DROP = "reset the connection"
    HANG = "never answer"


@dataclass(frozen=True, slots=True)
class Slow:
    """The usual answer, after so many seconds."""

    seconds: float


DROP = Fault.DROP
HANG = Fault.HANG
Answer = str | Fault | Slow
Verb = Callable[[str], Awaitable[None]]

_SCRIPTED = ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT")


@dataclass(frozen=True, slots=True)
class ReceivedEmail:
    """A message that reached the end of DATA, whatever it was answered."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    at: float = field(default_factory=time.time, compare=False)
    """When it was there whole, epoch seconds."""

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass(slots=True)
class SmtpSink:
    """What a test sees of its server."""

    host: str = "127.0.0.1"
    port: int = 0
    messages: list[ReceivedEmail] = field(default_factory=list)
    """Messages answered 250, and those whose answer was lost on purpose."""
    verbs: list[str] = field(default_factory=list)
    """Every command received, in order; ``MESSAGE`` is the end of DATA."""
    connections: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, deque[Answer]] = field(default_factory=dict)
    on_message: Callable[[ReceivedEmail, Answer | None], None] = lambda _message, _answer: None
    """Told of every message at the end of DATA, and of what it is to be answered."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    deserted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the last connection has ended."""
    sessions: "set[_ScriptedSmtp]" = field(default_factory=set)

    def script(self, verb: str, *answers: Answer) -> None:
        """Give ``verb`` its next answers, one each; after them it answers as usual.

        Verbs: GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, MESSAGE (the end of DATA), RSET, QUIT.
        """
        self.answers.setdefault(verb, deque()).extend(answers)

    def drop_all(self) -> None:
        """Reset every connection, as a relay does that restarts."""
        for session in tuple(self.sessions):
            session.drop()

    def next_answer(self, verb: str) -> Answer | None:
        waiting = self.answers.get(verb)
        return waiting.popleft() if waiting else None


class _Keeper:
    """aiosmtpd's handler: keeps what arrives."""

    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink

    async def handle_DATA(self, server: "_ScriptedSmtp", session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        self._sink.verbs.append("MESSAGE")
        answer = self._sink.next_answer("MESSAGE")
        assert isinstance(envelope.content, bytes)
        received = ReceivedEmail(str(envelope.mail_from), tuple(map(str, envelope.rcpt_tos)), envelope.content)
        self._sink.on_message(received, answer)
        if not isinstance(answer, str) or answer.startswith("2"):
            self._sink.messages.append(received)
        if isinstance(answer, Slow):
            await asyncio.sleep(answer.seconds)
        elif isinstance(answer, Fault):
            await server.misbehave(answer)
        return answer if isinstance(answer, str) else "250 2.0.0 taken"


class _PipeliningKeeper(_Keeper):
    """The same for a relay that takes several commands at once; aiosmtpd does, it only does not say so."""

    async def handle_EHLO(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]


class _ScriptedSmtp(SMTP):
    """aiosmtpd's protocol, asking the script before it answers."""

    def __init__(self, sink: SmtpSink, *, pipelining: bool, **options: Any) -> None:
        self.sink = sink
        keeper = _PipeliningKeeper(sink) if pipelining else _Keeper(sink)
        super().__init__(keeper, hostname="relay.example.com", **options)
        for verb in _SCRIPTED:
            self._smtp_methods[verb] = partial(self._obey, verb, self._smtp_methods[verb])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self not in self.sink.sessions:
            self.sink.sessions.add(self)
            self.sink.deserted.clear()
            self.sink.connections += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.sink.sessions.discard(self)
        if not self.sink.sessions:
            self.sink.deserted.set()
        super().connection_lost(error)

    def drop(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def end(self) -> None:
        """End for certain; aiosmtpd forgets a connection whose TLS handshake failed."""
        self.drop()
        if isinstance(self._original_transport, asyncio.Transport):
            self._original_transport.abort()
        if self._timeout_handle:
            self._timeout_handle.cancel()
        if self._handler_coroutine:
            self._handler_coroutine.cancel()
            await asyncio.wait([self._handler_coroutine], timeout=5)

    async def misbehave(self, fault: Fault) -> None:
        if fault is Fault.DROP:
            self.drop()
        await self.sink.stopping.wait()

    async def _obey(self, verb: str, usual: Verb, argument: str) -> None:
        if not await self._scripted(verb):
            await usual(argument)

    async def _handle_client(self) -> None:
        if not await self._scripted("GREETING"):
            await super()._handle_client()

    async def _scripted(self, verb: str) -> bool:
        self.sink.verbs.append(verb)
        answer = self.sink.next_answer(verb)
        if isinstance(answer, str):
            await self.push(answer)
            if answer.startswith("421"):
                self.drop_after_writing()
        elif isinstance(answer, Slow):
            await asyncio.sleep(answer.seconds)
        elif answer is not None:
            await self.misbehave(answer)
        return answer is not None and not isinstance(answer, Slow)

    def drop_after_writing(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.close()


@asynccontextmanager
async def smtp_sink(
    *,
    tls: ssl.SSLContext | None = None,
    implicit_tls: bool = False,
    login: tuple[str, str] | None = None,
    pipelining: bool = False,
) -> AsyncIterator[SmtpSink]:
    """Run a server; ``tls`` offers STARTTLS, or is used from the first byte with ``implicit_tls``."""
    sink = SmtpSink()

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        pair = (given.login.decode(), given.password.decode())
        sink.logins.append(pair)
        return AuthResult(success=pair == login, handled=pair == login)

    def session() -> _ScriptedSmtp:
        return _ScriptedSmtp(
            sink,
            pipelining=pipelining,
            tls_context=None if implicit_tls else tls,
            auth_require_tls=not implicit_tls and tls is not None,
            authenticator=check,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(session, sink.host, 0, ssl=tls if implicit_tls else None)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        sink.stopping.set()
        await asyncio.gather(*(session.end() for session in tuple(sink.sessions)))
        await server.wait_closed()
