"""One conversation with a relay. The only module that knows aiosmtplib; its errors end here.

aiosmtplib connects, protects and logs in; what follows goes over the wire by ``smtp_wire``. Commands carry no time
limits of their own: whoever calls sets one limit round all it does.
"""

import asyncio
import base64
import contextlib
import math
import re
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, cast

import aiosmtplib

from tidings.channels.redaction import Redactor
from tidings.channels.smtp_wire import ConnectionLost, Reply, SmtpWire
from tidings.channels.transport import Relay, Tls

GO_AHEAD: Final = 354
"""The answer to DATA that asks for the message."""
_LEAVING: Final = 421
_FAREWELL_SECONDS: Final = 2.0
_OPENS_WITH_A_DOT: Final = re.compile(rb"\n\.")


class RelayUnavailable(Exception):
    """No connection that can carry mail could be made; the message says at which step."""

    def __init__(self, message: str, *, code: int = 0) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What it takes to be let in by a relay."""

    relay: Relay
    context: ssl.SSLContext
    hello: str
    password: str | None = None


class SmtpConnection:
    """An open connection, greeted, protected and logged in as its relay asks."""

    def __init__(self, wire: SmtpWire, *, takes_size: bool, takes_pipelining: bool) -> None:
        self._wire = wire
        self.takes_size = takes_size
        """Whether the relay wants to know a message's size beforehand."""
        self.takes_pipelining = takes_pipelining
        """Whether it takes several commands at once."""
        self.carried = 0
        """How many messages it was given."""
        self.carried_to: Counter[str] = Counter()
        """The same by recipient domain, for those domains that limit it."""
        self.is_worn = False
        """Whether it is to be replaced once the message that it carries is done with."""
        self.in_transaction = False
        """Whether a message was begun and not ended, so that RSET is due before the next."""
        self.answer_seconds = math.inf
        """How long the relay took to answer its last message."""
        self.idle_since = 0.0

    @classmethod
    async def open(cls, access: Access) -> "SmtpConnection":
        """Connect; raise RelayUnavailable when the relay cannot be reached or does not let us in."""
        relay = access.relay
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.tls is Tls.IMPLICIT,
            start_tls=relay.tls is Tls.STARTTLS,
            username=relay.user,
            password=access.password,
            tls_context=access.context if relay.tls is not Tls.NONE else None,
            local_hostname=access.hello,
            timeout=None,
        )
        with _connecting(f"{relay.host}:{relay.port}", _login(relay.user, access.password)):
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        return cls(
            SmtpWire(cast("asyncio.Transport", client.transport)),
            takes_size=client.supports_extension("size"),
            takes_pipelining=client.supports_extension("pipelining"),
        )

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return self._wire.is_open

    def send(self, *commands: bytes) -> None:
        """Send commands in one write, each to be followed by a ``reply``; raise ConnectionLost when nobody listens."""
        self._wire.send(_lines(commands), replies=len(commands))

    def send_content(self, content: bytes, *commands: bytes) -> None:
        """Send a message's lines, which end in CRLF, and the next one's commands in the same write.

        A ``reply`` to each follows. RFC 2920 (3.1) lets content open a group of commands, and DATA only close one.
        """
        self._wire.send(b"".join((*_stuffed(content), _lines(commands))), replies=1 + len(commands))

    def received(self) -> Reply | None:
        """Return the next answer if it is here, without the way through the loop; raise ConnectionLost on 421."""
        reply = self._wire.received()
        return reply if reply is None or reply.code != _LEAVING else self._left(reply)

    async def reply(self) -> Reply:
        """Return the next answer; raise ConnectionLost when there is none, or on 421."""
        reply = self._wire.received() or await self._wire.reply()
        return reply if reply.code != _LEAVING else self._left(reply)

    def _left(self, reply: Reply) -> NoReturn:
        self.close()
        raise ConnectionLost(reply)

    async def reset(self) -> bool:
        """Make ready for the next message; say whether the relay took part. May raise ConnectionLost.

        Commands sent together are all answered, also when the first was refused. A relay that then still wants a
        message's content is left: whatever it was given would be a message.
        """
        while self._wire.owed:
            if (await self.reply()).code == GO_AHEAD:
                return False
        self.send(b"RSET")
        return (await self.reply()).is_positive

    async def quit(self) -> None:
        """Take leave, briefly, and close."""
        with contextlib.suppress(ConnectionLost, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                self.send(b"QUIT")
                while self._wire.owed:
                    await self.reply()
        self.close()

    def close(self) -> None:
        """Drop the connection at once."""
        self._wire.close()


def _lines(commands: Sequence[bytes]) -> bytes:
    lines = b"\r\n".join((*commands, b"")) if commands else b""
    if lines.count(b"\n") != len(commands) or lines.count(b"\r") != len(commands):
        raise ValueError("a command holds a line break")
    return lines


def _stuffed(content: bytes) -> tuple[bytes, ...]:
    """Double the dots that open lines, and end with the line that is a dot; in pieces."""
    content = _OPENS_WITH_A_DOT.sub(b"\n..", content)  # half of the time of looking for one and replacing it
    opening = b"." if content.startswith(b".") else b""
    ending = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
    return opening, content, ending


def _login(user: str | None, password: str | None) -> Redactor:
    """Return what blots our login out of an answer, as it is and as AUTH sends it."""
    if not password:
        return Redactor()
    plain = f"\0{user or ''}\0{password}".encode()
    return Redactor([password, *(base64.b64encode(each).decode() for each in (plain, password.encode()))])


@contextlib.contextmanager
def _connecting(place: str, hide: Redactor) -> Iterator[None]:
    try:
        yield
    except aiosmtplib.SMTPAuthenticationError as error:
        raise RelayUnavailable(
            f"login: the relay {place} refused the login: {error.code} {hide(error.message)}", code=error.code
        ) from error
    except aiosmtplib.SMTPResponseException as error:
        raise RelayUnavailable(
            f"relay: the relay {place} turned us away: {error.code} {hide(error.message)}", code=max(error.code, 0)
        ) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        kind = "tls: no TLS with" if _is_tls(error) else "relay: no connection to"
        raise RelayUnavailable(f"{kind} the relay {place}: {hide(str(error))}") from error


def _is_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError) or "STARTTLS" in str(error)
