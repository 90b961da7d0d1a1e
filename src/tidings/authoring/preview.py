"""What would go out for an event, rendered by the code that sends. Nothing is stored or sent.

Consent, suppression, quiet hours and limits belong to the moment of sending and are not asked.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tidings.authoring.evaluate import Clock, Evaluation, evaluate
from tidings.authoring.given import GivenRulebooks
from tidings.errors import FieldViolation, InvalidEvent, InvalidRequest, NotFound
from tidings.events import derive_event_id, event_name, validate
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import EvaluationError
from tidings.links import sample_links
from tidings.model import (
    Channel,
    Contact,
    Delivery,
    Email,
    PlannedDelivery,
    RecipientKind,
    Source,
    State,
    WebhookCall,
    contact_faults,
)
from tidings.render import RenderError
from tidings.rulebook import ComposeFailed, Rulebook, Rulebooks, Unreachable, compose
from tidings.rules import EmailAction, Rule, RuleExplanation, RuleSet, decide
from tidings.rules.explaining import iso
from tidings.store import Store

_STAND_IN: Final = "member@example.invalid"
"""What a template sees of a customer whose address is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """An event, the rulebook to ask, and the customer to suppose."""

    event: Event
    files: Sequence[Source] = ()
    """The rulebook; none means the live one."""
    rule_id: str | None = None
    """The only rule to ask; None means all that name the event."""
    now: int | None = None
    """When to decide, epoch milliseconds; None means now."""
    contact: Contact | None = None
    """What to suppose of the customer; its two identifiers are replaced by the event's."""
    customer_id: str | None = None
    """Or the customer of the event's organisation to look up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedMessage:
    """One message as it would go out."""

    delivery: PlannedDelivery
    message: Email | WebhookCall | None
    """None when it cannot be made. The recipient is empty where no address is known."""
    problem: str = ""
    """Why it would not go out; empty when it would."""
    gathers: str = ""
    """How its rule gathers events into a digest, as written; empty when it does not. It is then of this event alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What would go out, and what each rule says."""

    evaluation: Evaluation
    messages: tuple[PreviewedMessage, ...]
    """In the order of the rules and their actions."""


def preview(
    rulebook: Rulebook,
    event: Event,
    *,
    now: int,
    contact: Contact | None = None,
    rule_id: str | None = None,
    all_locales: bool = False,
) -> Previewed:
    """Compose every message that a rulebook would send for an event at a time.

    Args:
        rulebook: the rulebook to ask.
        event: the event, taken as it is.
        now: epoch milliseconds.
        contact: what to suppose of the customer; its two identifiers are replaced by the event's.
        rule_id: the only rule to ask.
        all_locales: every message to the customer in each locale of its template.

    Raises:
        NotFound: the rulebook has no rule of that id.
    """
    evaluation = evaluate(rulebook, event, now=now, rule_id=rule_id)
    composing = _Composing(rulebook, event, contact, now=now, all_locales=all_locales)
    messages = (each for said in evaluation.rules if said.matched for each in composing.messages(said))
    return Previewed(evaluation=evaluation, messages=tuple(messages))


class Preview:
    """Previews by the live rulebook, or by one that is given."""

    def __init__(self, *, rulebooks: Rulebooks, given: GivenRulebooks, store: Store, clock: Clock) -> None:
        self._rulebooks = rulebooks
        self._given = given
        self._store = store
        self._clock = clock

    async def __call__(self, occasion: Occasion, *, all_locales: bool = False) -> Previewed:
        """Compose every message that would go out.

        Raises:
            InvalidEvent: with the path of every fault.
            InvalidRequest: the given rulebook, or the contact, has errors.
            NotFound: there is no such rule, or no such customer.
            Overloaded: too many rulebooks are waiting to be compiled.
        """
        event = occasion.event
        if violations := validate(event):
            raise InvalidEvent(violations)
        contact = await self._reader(occasion)
        rulebook = await self._given.load(occasion.files) if occasion.files else self._rulebooks.current
        return await asyncio.to_thread(
            preview,
            rulebook,
            event,
            now=self._clock() if occasion.now is None else occasion.now,
            contact=contact,
            rule_id=occasion.rule_id,
            all_locales=all_locales,
        )

    async def _reader(self, occasion: Occasion) -> Contact | None:
        org_id, customer = occasion.event.org_id, occasion.customer_id
        if customer is not None:
            found = await self._store.get_contact(org_id, customer)
            if found is None:
                raise NotFound("contact", f"{org_id}/{customer}")
            return found
        if occasion.contact is None:
            return None
        supposed = replace(occasion.contact, org_id=org_id, customer_id="anybody")
        faults = [FieldViolation(field=f"contact.{name}", description=text) for name, text in contact_faults(supposed)]
        if faults:
            raise InvalidRequest(faults)
        return supposed


class _Composing:
    """The messages of one event."""

    def __init__(
        self, rulebook: Rulebook, event: Event, contact: Contact | None, *, now: int, all_locales: bool
    ) -> None:
        self._rulebook = rulebook
        self._event = event
        self._event_id = event.event_id or derive_event_id(event)
        self._contact = contact
        self._now = now
        self._all_locales = all_locales

    def messages(self, said: RuleExplanation) -> Iterator[PreviewedMessage]:
        """Yield what a rule sends; of one in shadow mode, what it would."""
        kept_back = []
        if said.rule.mode == "shadow":
            kept_back.append("the rule's mode is shadow: it sends nothing")
        if said.expires_at is not None and said.expires_at <= self._now:
            kept_back.append(f"it expired at {iso(said.expires_at)}")
        digest = said.rule.timing.digest
        gathers = "" if digest is None else digest.text
        planned = said.deliveries if said.rule.mode == "live" else self._if_live(said.rule)
        for each in planned:
            for contact in self._contacts(said.rule, each):
                yield replace(self._message(each, contact, kept_back), gathers=gathers)

    def _if_live(self, rule: Rule) -> tuple[PlannedDelivery, ...]:
        alone = RuleSet(rules=(replace(rule, mode="live"),), brands=self._rulebook.rules.brands)
        return decide(alone, self._event, now=self._now, event_id=self._event_id).deliveries

    def _contacts(self, rule: Rule, planned: PlannedDelivery) -> list[Contact | None]:
        """Return the readers to compose for; more than one where every locale is asked for."""
        action = rule.actions[planned.action]
        if planned.customer_id is None or not isinstance(action, EmailAction):
            return [None]
        known = self._contact and replace(self._contact, org_id=self._event.org_id, customer_id=planned.customer_id)
        if not self._all_locales or planned.recipient.kind is not RecipientKind.CUSTOMER:
            return [known]
        anybody = known or Contact(org_id=self._event.org_id, customer_id=planned.customer_id)
        return [replace(anybody, locale=locale) for locale in self._rulebook.templates.locales(action.template)]

    def _message(self, planned: PlannedDelivery, contact: Contact | None, kept_back: Sequence[str]) -> PreviewedMessage:
        problems = list(kept_back)
        message: Email | WebhookCall | None = None
        try:
            composed = self._compose(planned, contact)
            if isinstance(composed, Unreachable):
                problems.insert(0, composed.reason)
                composed = self._for_stand_in(planned, contact)
            message = None if isinstance(composed, Unreachable) else composed
        except (ComposeFailed, RenderError, EvaluationError) as error:
            problems.insert(0, f"it cannot be made: {error}")
        return PreviewedMessage(delivery=planned, message=message, problem="; ".join(problems))

    def _for_stand_in(self, planned: PlannedDelivery, contact: Contact | None) -> Email | WebhookCall | Unreachable:
        """Compose for somebody who has an address, so that there is something to see."""
        anybody = contact or Contact(org_id=self._event.org_id, customer_id=planned.customer_id or "")
        composed = self._compose(planned, replace(anybody, email=_STAND_IN))
        return replace(composed, recipient="") if isinstance(composed, Email) else composed

    def _compose(self, planned: PlannedDelivery, contact: Contact | None) -> Email | WebhookCall | Unreachable:
        delivery = Delivery(
            id=planned.id,
            org_id=self._event.org_id,
            event_id=self._event_id,
            event_name=event_name(self._event),
            rule_id=planned.rule_id,
            action=planned.action,
            revision=self._rulebook.revision,
            channel=planned.channel,
            recipient=planned.recipient,
            customer_id=planned.customer_id,
            state=State.SENDING,
            reason="",
            created_at=self._now,
            due_at=planned.due_at,
            expires_at=planned.expires_at,
            attempts=0,
        )
        known = contact if planned.channel is Channel.EMAIL else None
        return compose(self._rulebook, delivery, self._event, known, links=sample_links)
