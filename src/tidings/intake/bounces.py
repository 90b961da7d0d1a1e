"""Taking what mail systems send back: whom it concerns, and whether their address may still be used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidings.channels import BounceKind, BounceReport, read_bounce
from tidings.events.v1.event_pb2 import Event
from tidings.model import Channel, Delivery, SuppressionReason, new_suppression, normalise_address
from tidings.rulebook import recipient_address
from tidings.store import Store
from tidings.telemetry import events, get_logger

log = get_logger()

_REASONS: Final[Mapping[BounceKind, SuppressionReason]] = {
    BounceKind.NO_SUCH_MAILBOX: SuppressionReason.HARD_BOUNCE,
    BounceKind.COMPLAINT: SuppressionReason.COMPLAINT,
}


class BounceVerdict(StrEnum):
    """What a message that came back came to."""

    SUPPRESSED = "suppressed"
    """The address is on the list now."""
    HARMLESS = "harmless"
    """It says nothing against the address that is in use."""
    STRANGER = "stranger"
    """It is about no delivery of ours."""
    NEITHER = "neither"
    """It is no delivery status notification and no abuse report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceAnswer:
    """The answer to a message that came back."""

    verdict: BounceVerdict
    explanation: str
    """In words, without an address."""
    delivery: Delivery | None = None


class TakeBounce:
    """Puts addresses on the list for which messages came back, or whose owners complained.

    Organisation and address are the delivery's own; a message that came back only says which delivery, and must name
    the address that is in use: one that changed since is not to blame.
    """

    def __init__(self, store: Store, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, content: bytes) -> BounceAnswer:
        """Take a message in wire form.

        Raises:
            StoreUnavailable, Overloaded: nothing was kept.
        """
        report = read_bounce(content)
        if report is None:
            return BounceAnswer(
                verdict=BounceVerdict.NEITHER, explanation="neither a delivery status notification nor an abuse report"
            )
        found = await self._store.get_delivery(report.delivery_id) if report.delivery_id else None
        if found is None or found[0].channel is not Channel.EMAIL:
            return BounceAnswer(
                verdict=BounceVerdict.STRANGER, explanation="what it returns is no message that this gateway knows of"
            )
        return await self._judge(report, found[0])

    async def _judge(self, report: BounceReport, delivery: Delivery) -> BounceAnswer:
        reason = _REASONS.get(report.kind)
        if reason is None:
            return _harmless(delivery, "it says nothing against the address")
        address = await self._address(delivery)
        if address is None or normalise_address(address).casefold() not in report.addresses:
            return _harmless(delivery, "it is not about the address that its recipient has now")
        suppression = new_suppression(delivery.org_id, address, reason, now=self._clock(), detail=report.detail)
        await self._store.suppress([suppression])
        log.info(events.ADDRESS_SUPPRESSED, org=delivery.org_id, delivery=delivery.id, reason=reason.value)
        return BounceAnswer(
            verdict=BounceVerdict.SUPPRESSED,
            explanation=f"its recipient's address is suppressed: {reason.value}",
            delivery=delivery,
        )

    async def _address(self, delivery: Delivery) -> str | None:
        """Return the address that the delivery would go to now."""
        event = await self._store.get_event(delivery.org_id, delivery.event_id)
        contact = await self._store.get_contact(delivery.org_id, delivery.customer_id) if delivery.customer_id else None
        found = recipient_address(delivery, Event() if event is None else Event.FromString(event.content), contact)
        return found if isinstance(found, str) else None


def _harmless(delivery: Delivery, explanation: str) -> BounceAnswer:
    return BounceAnswer(verdict=BounceVerdict.HARMLESS, explanation=explanation, delivery=delivery)
