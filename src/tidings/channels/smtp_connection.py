"""One conversation with a relay. The only module that knows aiosmtplib; its errors end here.

Commands carry no time limits of their own: whoever calls sets one limit round all it does.
"""

import asyncio
import base64
import contextlib
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import aiosmtplib

from tidings.channels.redaction import Redactor
from tidings.channels.transport import Relay, Tls

_LEAVING: Final = 421
_FAREWELL_SECONDS: Final = 2.0


class Reply(NamedTuple):
    """A relay's answer: the code and the text after it, its lines joined."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out."""
        return self.code // 100 == 2  # noqa: PLR2004  2yz is RFC 5321's class of success


class ConnectionLost(Exception):
    """The relay hung up, or announced that it will (421)."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply
        super().__init__(f"{reply.code} {reply.text}" if reply else "the relay closed the connection")


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

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client
        self.carried = 0
        """How many messages it was given."""
        self.carried_to: Counter[str] = Counter()
        """The same by recipient domain, for those domains that limit it."""
        self.is_worn = False
        """Whether it is to be replaced once the message that it carries is done with."""
        self.in_transaction = False
        """Whether a message was begun and not ended, so that RSET is due before the next."""
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
        return cls(client)

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return self._client.is_connected

    @property
    def takes_size(self) -> bool:
        """Whether the relay wants to know a message's size beforehand."""
        return self._client.supports_extension("size")

    async def command(self, *words: bytes) -> Reply:
        """Send one command and return its answer; raise ConnectionLost when there is none, or on 421."""
        with _conversing():
            reply = Reply(*await self._client.execute_command(*words))
        if reply.code == _LEAVING:
            raise ConnectionLost(reply)
        return reply

    async def data(self, content: bytes) -> Reply:
        """Send DATA and the message. When ConnectionLost rises here, the relay may have the message or not."""
        with _conversing():
            try:
                reply = Reply(*await self._client.data(content))
            except aiosmtplib.SMTPDataError as error:
                reply = Reply(error.code, error.message)
        if reply.code == _LEAVING:
            self.close()
            raise ConnectionLost(reply)
        return reply

    async def quit(self) -> None:
        """Take leave, briefly, and close."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._client.quit()
        self.close()

    def close(self) -> None:
        """Drop the connection at once."""
        self._client.close()


@contextlib.contextmanager
def _conversing() -> Iterator[None]:
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        # an answer that is not SMTP: what follows on this connection cannot be trusted either
        raise ConnectionLost(Reply(error.code, error.message)) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise ConnectionLost from error


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
