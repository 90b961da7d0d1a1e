"""Sends e-mails to relays: one envelope per recipient, so that no bad address harms another's mail.

**DATA sent, answer lost.** When the connection breaks, or time runs out, after DATA was sent, nobody can know
whether the relay has the message. Then the outcome is Deferred: the message goes out again, the same bytes under
the same Message-ID, so that a recipient's side can tell the copies for one. Sending is at least once; losing a
message is not an option that is taken. Before DATA nothing was transmitted, and a message that met a pooled
connection gone stale goes out at once over a fresh one.

**Several relays.** The first that is not set aside gets the message. When it cannot be reached, does not let us
in, or hangs up before DATA, the next one gets it within the same attempt. What a relay answers to a message is
the message's own fate and is asked of no other relay, be it 4xx or 5xx.

**Shaping.** A message that its recipient's domain has no room for is Postponed to the slot it was given, untried.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tidings.channels.answers import shorten
from tidings.channels.compose import Composed, Unsendable, compose
from tidings.channels.dkim import DkimSigner
from tidings.channels.patience import Patience
from tidings.channels.settings import EmailSettings
from tidings.channels.shaping import Seat, Shaper, the_only_one
from tidings.channels.smtp_connection import RelayUnavailable
from tidings.channels.smtp_relay import Clock, Progress, SmtpRelay
from tidings.channels.smtp_wire import ConnectionLost
from tidings.model import Deferred, Email, Outcome, Postponed, Refused


@dataclass(slots=True)
class _Attempt:
    """One message on its way through the relays."""

    message: Composed
    progress: Progress
    relay: SmtpRelay | None = None
    """The relay that has it now."""


class SmtpSender:
    """An e-mail channel over relays, the preferred one first."""

    def __init__(
        self,
        relays: Sequence[SmtpRelay],
        settings: EmailSettings,
        *,
        signer: DkimSigner,
        clock: Clock,
        seat: Seat = the_only_one,
    ) -> None:
        self._relays = relays
        self._settings = settings
        self._signer = signer
        self._clock = clock
        self._patience = Patience(settings.timeout)
        self._shaper = Shaper(settings.domains, seat=seat)

    async def send(self, email: Email) -> Outcome:
        """Hand one e-mail to a relay and return what it said."""
        try:
            message = compose(email)
        except Unsendable as error:
            return Refused(detail=shorten(str(error)))
        began, domain = self._clock(), message.domain
        held = self._shaper.enter(domain, now=began)
        if held:
            return Postponed(detail=shorten(f"shaped: {held.why}"), wait_ms=_milliseconds(held.wait))
        try:
            if self._signer.has_keys:
                message = await self._signer.sign(message, date=email.date)
            return await self._attempt(_Attempt(message, Progress()))
        finally:
            self._shaper.leave(domain, took=self._clock() - began)

    async def _attempt(self, attempt: _Attempt) -> Outcome:
        try:
            with self._patience.begin():
                return await self._deliver(attempt)
        except TimeoutError:
            if attempt.relay and attempt.progress.has_begun:
                attempt.relay.note_failure()
            return _lost(attempt.progress, f"no answer within {self._settings.timeout:g} s")

    async def _deliver(self, attempt: _Attempt) -> Outcome:
        """Try the relays in turn until one answers to the message."""
        failure: Deferred | None = None
        for relay in self._relays:
            if relay.seconds_aside:
                continue
            attempt.relay = relay
            relay.note_try()
            try:
                most = self._shaper.limits(attempt.message.domain).messages_per_connection
                return await relay.deliver(attempt.message, attempt.progress, most_to_domain=most)
            except ConnectionLost as lost:
                failure = _lost(attempt.progress, str(lost), code=lost.reply.code if lost.reply else 0)
            except RelayUnavailable as error:
                failure = Deferred(status_code=error.code, detail=shorten(str(error)))
            relay.note_failure()
            if attempt.progress.is_in_doubt:
                break
        return failure or self._all_aside()

    def _all_aside(self) -> Postponed:
        wait = min(relay.seconds_aside for relay in self._relays)
        return Postponed(detail="relay: every relay is set aside after failures in a row", wait_ms=_milliseconds(wait))


def _milliseconds(seconds: float) -> int:
    """Round up, but not for the dust that sums of floats leave."""
    return ceil(round(seconds * 1000, 3))


def _lost(progress: Progress, what: str, *, code: int = 0) -> Deferred:
    doubt = "; whether the relay has the message is unknown, it goes again with its Message-ID"
    detail = f"relay: {progress.verb}: {what}{doubt if progress.is_in_doubt and code <= 0 else ''}"
    return Deferred(status_code=max(code, 0), detail=shorten(detail))
