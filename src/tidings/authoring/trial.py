"""Test messages: what a rule writes, to one address or endpoint that is named, and to nobody else.

Whoever may send a test must not thereby send in another's name or read a secret: the sender of the e-mails, and the
endpoint with its secrets, are the live rulebook's, even where the rulebook that writes them was given.
"""

import json
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from tidings.authoring.evaluate import Clock
from tidings.authoring.preview import Occasion, Preview, Previewed, PreviewedMessage
from tidings.channels import EmailChannel, WebhookChannel
from tidings.errors import FieldViolation, InvalidRequest, NotFound, Overloaded, WrongState
from tidings.events import event_name
from tidings.events.v1.event_pb2 import Event
from tidings.model import Brand, Channel, Email, Endpoint, Outcome, Refused, WebhookCall, is_address
from tidings.render import announce
from tidings.rulebook import Rulebooks
from tidings.rules.payload import timestamp, to_json
from tidings.telemetry import events, get_logger

log = get_logger()

TESTS_A_MINUTE: Final = 10
"""How many test messages an organisation may send in a minute."""
TEST_TYPE: Final = "tidings.test"
"""The type of a test webhook. It is signed, as a header would not be, and receivers that go by the type ignore it."""
TEST_HEADER: Final = "X-Tidings-Test"

_MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where test messages go; at least one of the two is given."""

    address: str | None = None
    """The one address of all e-mails; None: no e-mails."""
    endpoint: str | None = None
    """The one endpoint of all webhooks; None: no webhooks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTest:
    """What became of one test message."""

    rule_id: str
    recipient: str
    """``address:ADDRESS`` or ``endpoint:NAME``."""
    subject: str
    """Of an e-mail, with its mark; empty for a webhook."""
    outcome: Outcome


class SendTest:
    """Sends test messages: marked, once, without a record among the deliveries."""

    def __init__(
        self, *, preview: Preview, rulebooks: Rulebooks, email: EmailChannel, webhook: WebhookChannel, clock: Clock
    ) -> None:
        self._preview = preview
        self._rulebooks = rulebooks
        self._email = email
        self._webhook = webhook
        self._clock = clock
        self._allowance = Allowance(TESTS_A_MINUTE, period=_MINUTE)

    async def __call__(self, occasion: Occasion, target: Target) -> tuple[SentTest, ...]:
        """Send what the rules write for an event to the target, one message for each action.

        Raises:
            InvalidEvent, InvalidRequest: with the path of every fault.
            NotFound: there is no such rule, customer or endpoint.
            WrongState: no brand may send it, or no rule writes anything of the kind for the event.
            Overloaded: more than TESTS_A_MINUTE; none was sent.
        """
        brand, endpoint = self._check(occasion.event, target)
        previewed = await self._preview(occasion)
        chosen = list(_one_of_each_action(previewed.messages, target))
        if not chosen:
            raise WrongState(_why_nothing(previewed, target))
        self._allowance.take(brand.org_id, len(chosen), now=self._clock())
        return tuple([await self._send(each, brand, endpoint, target, occasion.event) for each in chosen])

    def _check(self, event: Event, target: Target) -> tuple[Brand, Endpoint | None]:
        if target.address is None and target.endpoint is None:
            raise _refused("give the address, or the endpoint, that the messages go to")
        if target.address is not None and not is_address(target.address):
            raise _refused("is not an e-mail address such as member@example.com")
        brand = self._rulebooks.current.rules.brands.get(event.org_id)
        if brand is None:
            raise WrongState(f"organisation {event.org_id} has no brand in the live rulebook, so nobody can send")
        endpoint = brand.endpoint(target.endpoint) if target.endpoint is not None else None
        if target.endpoint is not None and endpoint is None:
            raise NotFound("endpoint", target.endpoint)
        return brand, endpoint

    async def _send(
        self, shown: PreviewedMessage, brand: Brand, endpoint: Endpoint | None, target: Target, event: Event
    ) -> SentTest:
        message, rule_id = shown.message, shown.delivery.rule_id
        now = self._clock()
        subject = ""
        outcome: Outcome = Refused(detail=shown.problem)
        if isinstance(message, Email) and target.address is not None:
            marked = mark_email(message, brand, rule_id=rule_id, event=event, to=target.address, now=now)
            subject = marked.subject
            outcome = await self._email.send(marked)
        elif isinstance(message, WebhookCall) and endpoint is not None:
            call = WebhookCall(
                delivery_id=_test_id(), endpoint=endpoint, body=mark_body(message.body, rule_id, now=now)
            )
            outcome = await self._webhook.send(call, now=now)
        log.info(events.TEST_SENT, org=brand.org_id, rule=rule_id, outcome=type(outcome).__name__.lower())
        is_email = shown.delivery.channel is Channel.EMAIL
        recipient = f"address:{target.address}" if is_email else f"endpoint:{target.endpoint}"
        return SentTest(rule_id=rule_id, recipient=recipient, subject=subject, outcome=outcome)


class Allowance:
    """How many each organisation may still do: at most ``most`` in any stretch of ``period`` milliseconds."""

    def __init__(self, most: int, *, period: int) -> None:
        self._most = most
        self._period = period
        self._taken: dict[int, deque[int]] = {}

    def take(self, org_id: int, count: int, *, now: int) -> None:
        """Count ``count`` more, or raise Overloaded and count none."""
        taken = self._taken.setdefault(org_id, deque())
        # What lies ahead is of a clock that was put back since.
        while taken and not now - self._period < taken[0] <= now:
            taken.popleft()
        if len(taken) + count > self._most:
            last = taken[min(len(taken), len(taken) + count - self._most) - 1] if taken else now
            message = f"organisation {org_id} may send {self._most} test messages a minute; this would be more"
            raise Overloaded(message, retry_after=(last + self._period - now) / 1000)
        taken.extend([now] * count)


def mark_email(email: Email, brand: Brand, *, rule_id: str, event: Event, to: str, now: int) -> Email:
    """Return an e-mail as a test of it: to one address, from the brand, marked in subject, header and both parts.

    Other headers are left out: the links of one that unsubscribes would be the customer's.
    """
    notice = f"This is a test of the rule {rule_id} for {event_name(event)}. It was sent to this address only."
    return replace(
        email,
        delivery_id=_test_id(),
        sender=brand.sender,
        recipient=to,
        subject=f"[test] {email.subject}",
        text=f"{notice}\n\n{email.text}",
        html=None if email.html is None else announce(email.html, notice),
        headers={TEST_HEADER: "true"},
        date=now,
    )


def mark_body(body: bytes, rule_id: str, *, now: int) -> bytes:
    """Return the body of a test webhook: of a type of its own, round what would have been posted."""
    data = {"rule": rule_id, "message": json.loads(body)}
    return to_json({"type": TEST_TYPE, "timestamp": timestamp(now), "data": data})


def _test_id() -> str:
    return f"test_{secrets.token_hex(16)}"


def _one_of_each_action(messages: Iterable[PreviewedMessage], target: Target) -> Iterator[PreviewedMessage]:
    wanted = {Channel.EMAIL} if target.address is not None else set[Channel]()
    wanted |= {Channel.WEBHOOK} if target.endpoint is not None else set()
    seen = set()
    for each in messages:
        place = (each.delivery.rule_id, each.delivery.action)
        if each.delivery.channel in wanted and place not in seen:
            seen.add(place)
            yield each


def _why_nothing(previewed: Previewed, target: Target) -> str:
    what = "e-mail" if target.endpoint is None else "webhook" if target.address is None else "message"
    said = [f"{each.rule.id}: {each.reason}" for each in previewed.evaluation.rules[:5]]
    return f"no rule writes a {what} for this event: " + ("; ".join(said) or "none is for events of this name")


def _refused(description: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation(field="address", description=description)])
