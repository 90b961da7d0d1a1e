"""Whether an e-mail may go to its reader now: what they agreed to, and whether their address may be used.

Asked at each attempt, so that an objection and a suppression count at once, also for what has waited for long.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tidings.errors import TidingsError
from tidings.model import (
    SERVICE,
    Brand,
    Contact,
    Delivery,
    Email,
    Outcome,
    Refused,
    Suppression,
    SuppressionReason,
    new_suppression,
)
from tidings.rulebook import Rulebook, Rulebooks, Unreachable
from tidings.rules import EmailAction
from tidings.store import Known, Store
from tidings.telemetry import events, get_logger

log = get_logger()


def clearly_allowed(asks: bool, category: str, brand: Brand, known: Known, address: str) -> bool:  # noqa: FBT001 (each e-mail)
    """Say whether what is known of a customer lets an e-mail go; where it does not, `Permission.stop` is to be asked.

    Args:
        asks: whether the e-mail needs its reader's consent.
        category: of the message.
        brand: as it is now.
        known: of the customer the event concerns, read for this attempt.
        address: where it would go.
    """
    contact = known.contact
    if contact is None or known.suppressions or contact.email != address:
        return False
    return not asks or brand.consent.allows(category, contact.consents)


class Permission:
    """Stops e-mails that must not be sent, and learns from what relays answer."""

    def __init__(self, *, store: Store, rulebooks: Rulebooks, clock: Callable[[], int]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    async def stop(self, delivery: Delivery, rulebook: Rulebook, known: Known, address: str) -> Unreachable | None:
        """Say why an e-mail must not be sent, or None when it may.

        Args:
            delivery: what was decided.
            rulebook: of the delivery's own revision: what the message is stays as it was decided.
            known: of the customer the event concerns, read for this attempt.
            address: where it would go.
        """
        rule = rulebook.rules.rule(delivery.rule_id)
        category = SERVICE if rule is None else rule.category
        action = None if rule is None or delivery.action >= len(rule.actions) else rule.actions[delivery.action]
        asks = isinstance(action, EmailAction) and action.asks_consent
        objection = self._objection(delivery, rulebook, known.contact, category) if asks else None
        if objection is not None:
            return Unreachable(reason=objection)
        if known.contact is not None and known.contact.email == address:
            found = known.suppressions
        else:  # the address is the rule's own, or the event's
            found = await self._store.suppressions_of(delivery.org_id, address, now=self._clock())
        return _suppressed(found, category)

    async def learn(self, delivery: Delivery, email: Email, outcome: Outcome) -> None:
        """Put an address on the list of which its server says that it does not exist."""
        if not isinstance(outcome, Refused) or not outcome.bad_address:
            return
        bounce = new_suppression(
            delivery.org_id,
            email.recipient,
            SuppressionReason.HARD_BOUNCE,
            now=self._clock(),
            detail=outcome.detail,
        )
        try:
            await self._store.suppress([bounce])
        except TidingsError as error:
            # The message has its answer; the address will give it again to the next one.
            log.warning(events.STORE_UNAVAILABLE, error=str(error))
        else:
            log.info(events.ADDRESS_SUPPRESSED, org=delivery.org_id, delivery=delivery.id, reason=bounce.reason.value)

    def _objection(self, delivery: Delivery, rulebook: Rulebook, contact: Contact | None, category: str) -> str | None:
        """Say what consent is missing, by the policy that the brand has now."""
        brands = (each.rules.brands.get(delivery.org_id) for each in (self._rulebooks.current, rulebook))
        brand = next((each for each in brands if each is not None), None)
        consents = {} if contact is None else contact.consents
        if brand is None or brand.consent.allows(category, consents):
            return None
        if not delivery.customer_id:
            return f"the event names no customer who could have agreed to messages of category {category}"
        said = "objects" if category in consents else "has not agreed"
        return f"customer {delivery.customer_id} {said} to messages of category {category}"


def _suppressed(found: Sequence[Suppression], category: str) -> Unreachable | None:
    stopping = next((each for each in found if each.stops(category)), None)
    if stopping is None:
        return None
    since = datetime.fromtimestamp(stopping.created_at / 1000, UTC).date()
    return Unreachable(reason=f"its address is suppressed since {since}: {stopping.reason.value}")
