"""Hands one message to one relay over its pool, and keeps account of how the relay fares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tidings.channels.answers import smtp_outcome
from tidings.channels.compose import Composed
from tidings.channels.relay_health import DEFAULT_POLICY, HEALTHY, HealthPolicy, after_failure, while_tried
from tidings.channels.settings import EmailSettings
from tidings.channels.smtp_connection import GO_AHEAD, RelayUnavailable, SmtpConnection
from tidings.channels.smtp_pool import Connect, SmtpPool, Turn
from tidings.channels.smtp_wire import ConnectionLost, Reply
from tidings.model import Outcome
from tidings.telemetry import events, get_logger
from tidings.telemetry.metrics import Metrics

log = get_logger()

Clock = Callable[[], float]

_VERBS: Final = ("MAIL", "RCPT", "DATA")
_WANTS_LOGIN: Final = frozenset({530, 534, 535, 538})


@dataclass(slots=True)
class Progress:
    """How far a message has come, for the case that its connection breaks."""

    verb: str = "waiting for a connection"
    reused: bool = False

    @property
    def has_begun(self) -> bool:
        """Whether the relay was told of the message."""
        return self.verb != "waiting for a connection"

    @property
    def is_in_doubt(self) -> bool:
        """Whether the relay may have the message without our knowing."""
        return self.verb == "DATA"


class SmtpRelay:
    """One relay: its pool, and whether it is set aside.

    ``name`` is what logs and metrics call it; ``clock`` gives seconds and never goes back.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        settings: EmailSettings,
        *,
        clock: Clock,
        metrics: Metrics,
        policy: HealthPolicy = DEFAULT_POLICY,
    ) -> None:
        self._name = name
        self._connect = connect
        self._clock = clock
        self._metrics = metrics
        metrics.relay_aside.labels(name).set(0)
        self._policy = policy
        self._health = HEALTHY
        self._pool = SmtpPool(self._connect_unless_aside, settings)

    @property
    def seconds_aside(self) -> float:
        """For how long the relay is still set aside; 0: it may be used."""
        return max(self._health.aside_until - self._clock(), 0.0)

    def note_try(self) -> None:
        """Note that a message is about to go to the relay, which is not set aside."""
        self._health = while_tried(self._health, self._policy, now=self._clock())

    def note_failure(self) -> None:
        """Note that the relay could not be reached, did not let us in or hung up."""
        before = self._health
        self._health = after_failure(before, self._policy, now=self._clock())
        if self._health is not before and self._health.is_given_up(self._policy):
            self._metrics.relay_aside.labels(self._name).set(1)
            self._metrics.relay_set_aside.labels(self._name).inc()
            log.warning(
                events.RELAY_SET_ASIDE,
                relay=self._name,
                failures=self._health.failures,
                seconds=round(self.seconds_aside, 1),
            )

    def _note_answer(self) -> None:
        """Note that the relay answered to a message, which is all that is asked of its health."""
        if self._health.is_given_up(self._policy):
            self._metrics.relay_aside.labels(self._name).set(0)
            log.info(events.RELAY_BACK, relay=self._name, failures=self._health.failures)
        self._health = HEALTHY

    async def close(self) -> None:
        """Take leave of the relay."""
        await self._pool.close()

    async def _connect_unless_aside(self) -> SmtpConnection:
        """Connect; a message that waited its turn while others failed fails with them, without a try of its own."""
        if self.seconds_aside and not self._health.is_tried:
            raise RelayUnavailable(
                f"relay: set aside for {self.seconds_aside:.0f} s after {self._health.failures} failures"
            )
        return await self._connect()

    async def deliver(self, message: Composed, progress: Progress, *, most_to_domain: int | None) -> Outcome:
        """Offer the message; raise ConnectionLost or RelayUnavailable when the relay does not answer to it.

        A message that met a pooled connection gone stale goes out at once over a fresh one.
        """
        progress.verb, progress.reused = "waiting for a connection", False
        try:
            return await self._offer(message, progress, most_to_domain, fresh=False)
        except ConnectionLost:
            if not progress.reused or progress.is_in_doubt:
                raise
        return await self._offer(message, progress, most_to_domain, fresh=True)

    async def _offer(
        self, message: Composed, progress: Progress, most_to_domain: int | None, *, fresh: bool
    ) -> Outcome:
        turn = Turn(message, fresh=fresh)
        connection = await self._pool.take(turn)
        try:
            if most_to_domain is not None:
                connection.carried_to[message.domain] += 1
                connection.is_worn = connection.carried_to[message.domain] >= most_to_domain
            outcome = await self._begin(connection, message, progress, is_begun=turn.is_begun)
            if outcome is None:
                outcome = await self._hand_over(connection, message)
        except BaseException:
            connection.close()  # what ends in an error is not kept
            raise
        finally:
            self._pool.give_back(connection)
        self._note_answer()
        return outcome

    async def _begin(
        self, connection: SmtpConnection, message: Composed, progress: Progress, *, is_begun: bool
    ) -> Outcome | None:
        """Say the commands before the content; the outcome is an answer other than yes, which ends it.

        Where the relay takes several commands at once, they go in one write, and are judged one by one all the same.
        """
        after_refusal = is_begun and connection.in_transaction
        progress.reused = connection.carried > 0
        connection.carried += 1
        connection.in_transaction = True
        commands = () if is_begun else _commands(connection, message)
        if connection.takes_pipelining and not is_begun:
            connection.send(*commands)
        for number, verb in enumerate(_VERBS):
            progress.verb = verb
            if not connection.takes_pipelining:
                connection.send(commands[number])
            reply = connection.received() or await connection.reply()
            if reply.code == GO_AHEAD if verb == "DATA" else reply.is_positive:
                continue
            if after_refusal and verb == "MAIL":
                raise ConnectionLost(reply)  # this relay wants RSET after what it refused: nothing is said of this one
            return _not_taken(reply, verb)
        return None

    async def _hand_over(self, connection: SmtpConnection, message: Composed) -> Outcome:
        """Send the content, and with it the commands of the message that goes over this connection next."""
        turn = self._pool.promise(connection)
        following: Sequence[bytes] = ()
        if turn is not None and turn.message is not None:
            following = _commands(connection, turn.message)
        began = self._clock()
        connection.send_content(message.content, *following)
        reply = await connection.reply()
        connection.answer_seconds = self._clock() - began
        connection.in_transaction = not reply.is_positive
        return smtp_outcome(*reply, verb="DATA")


def _commands(connection: SmtpConnection, message: Composed) -> tuple[bytes, bytes, bytes]:
    """Return the commands before the content, in the order of their verbs."""
    size = b" SIZE=%d" % len(message.content) if connection.takes_size else b""
    return (
        b"MAIL FROM:<%b>%b" % (message.sender.encode("ascii"), size),
        b"RCPT TO:<%b>" % message.recipient.encode("ascii"),
        b"DATA",
    )


def _not_taken(reply: Reply, verb: str) -> Outcome:
    if verb == "DATA" and reply.is_positive:
        raise ConnectionLost(reply)  # "done" before there was a message: whatever this is, it is not SMTP
    outcome = smtp_outcome(*reply, verb=verb)
    if reply.code in _WANTS_LOGIN and verb != "DATA":
        # what the relay says of our login it says to every message
        raise RelayUnavailable(outcome.detail, code=reply.code)
    return outcome
