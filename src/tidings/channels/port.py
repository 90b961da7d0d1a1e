"""The channel ports: each carries one message to one recipient and says what came of it.

A far side's answer is a value (Accepted, Deferred, Refused), never an exception: a driver's errors stop
at the driver's edge. Cancelling a send may leave the far side with the message.
"""

from typing import Protocol

from tidings.model import Email, Outcome, WebhookCall


class EmailChannel(Protocol):
    """Hands e-mails to a relay or a mailbox."""

    async def send(self, email: Email) -> Outcome:
        """Hand over one e-mail and return the answer."""


class WebhookChannel(Protocol):
    """Posts signed webhooks."""

    async def send(self, call: WebhookCall, *, now: int) -> Outcome:
        """Sign for ``now`` (epoch milliseconds) and post one webhook; return the answer."""
