"""Sends e-mails to a relay: one envelope per recipient, so that no bad address harms another's mail.

**DATA sent, answer lost.** When the connection breaks, or time runs out, after DATA was sent, nobody can know
whether the relay has the message. Then the outcome is Deferred: the message goes out again, the same bytes under
the same Message-ID, so that a recipient's side can tell the copies for one. Sending is at least once; losing a
message is not an option that is taken. Before DATA nothing was transmitted, and a message that met a pooled
connection gone stale goes out at once over a fresh one.
"""

import asyncio
from dataclasses import dataclass

from tidings.channels.answers import shorten, smtp_outcome
from tidings.channels.compose import Composed, Unsendable, compose
from tidings.channels.settings import EmailSettings
from tidings.channels.smtp_connection import ConnectionLost, RelayUnavailable, SmtpConnection
from tidings.channels.smtp_pool import SmtpPool
from tidings.model import Deferred, Email, Outcome, Refused


@dataclass(slots=True)
class _Progress:
    """How far a message has come, for the case that its connection breaks."""

    verb: str = "waiting for a connection"
    reused: bool = False

    @property
    def is_in_doubt(self) -> bool:
        return self.verb == "DATA"


class SmtpSender:
    """An e-mail channel over a pool of connections to one relay."""

    def __init__(self, pool: SmtpPool, settings: EmailSettings) -> None:
        self._pool = pool
        self._settings = settings

    async def send(self, email: Email) -> Outcome:
        """Hand one e-mail to the relay and return what it said."""
        try:
            message = compose(email)
        except Unsendable as error:
            return Refused(detail=shorten(str(error)))
        progress = _Progress()
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._deliver(message, progress)
        except TimeoutError:
            return _lost(progress, f"no answer within {self._settings.timeout:g} s")
        except ConnectionLost as lost:
            return _lost(progress, str(lost), code=lost.reply.code if lost.reply else 0)
        except RelayUnavailable as error:
            return Deferred(status_code=error.code, detail=shorten(str(error)))

    async def _deliver(self, message: Composed, progress: _Progress) -> Outcome:
        try:
            async with self._pool.connection() as connection:
                return await _converse(connection, message, progress)
        except ConnectionLost:
            if not progress.reused or progress.is_in_doubt:
                raise
        async with self._pool.connection(fresh=True) as connection:
            return await _converse(connection, message, progress)


async def _converse(connection: SmtpConnection, message: Composed, progress: _Progress) -> Outcome:
    """Offer the message on this connection; an answer other than yes ends it there and then."""
    progress.reused = connection.carried > 0
    connection.carried += 1
    connection.in_transaction = True
    size = (b"SIZE=%d" % len(message.content),) if connection.takes_size else ()
    sender, recipient = message.sender.encode("ascii"), message.recipient.encode("ascii")
    for verb, words in (
        ("MAIL", (b"MAIL", b"FROM:<" + sender + b">", *size)),
        ("RCPT", (b"RCPT", b"TO:<" + recipient + b">")),
    ):
        progress.verb = verb
        reply = await connection.command(*words)
        if not reply.is_positive:
            return smtp_outcome(*reply, verb=verb)
    progress.verb = "DATA"
    reply = await connection.data(message.content)
    connection.in_transaction = not reply.is_positive
    return smtp_outcome(*reply, verb="DATA")


def _lost(progress: _Progress, what: str, *, code: int = 0) -> Deferred:
    doubt = "; whether the relay has the message is unknown, it goes again with its Message-ID"
    detail = f"relay: {progress.verb}: {what}{doubt if progress.is_in_doubt and code <= 0 else ''}"
    return Deferred(status_code=max(code, 0), detail=shorten(detail))
