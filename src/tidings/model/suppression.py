"""Addresses that must not be used, why, and for how long. Pure."""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidings.model.contact import SERVICE

_DAY_MS: Final = 86_400_000


class SuppressionReason(StrEnum):
    """Why an address must not be used."""

    HARD_BOUNCE = "hard_bounce"
    """Its server says that there is no such mailbox."""
    COMPLAINT = "complaint"
    """Its owner called a message unwanted."""
    MANUAL = "manual"
    """Somebody put it on the list."""
    UNSUBSCRIBED = "unsubscribed"
    """Its owner wants no more messages but those of service."""


LIFETIME_MS: Final[Mapping[SuppressionReason, int | None]] = {
    SuppressionReason.HARD_BOUNCE: 90 * _DAY_MS,
    SuppressionReason.COMPLAINT: None,
    SuppressionReason.MANUAL: None,
    SuppressionReason.UNSUBSCRIBED: None,
}
"""How long each lasts unless told otherwise, milliseconds; None: until it is taken off.

A mailbox may be made again, so one that bounced gets another try after a season; what its owner said stands.
"""

OWNERS_WORD: Final = frozenset({SuppressionReason.COMPLAINT, SuppressionReason.UNSUBSCRIBED})
"""What the owner of an address said themselves: it spares messages of service, and they may take it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One reason not to use one address for one organisation. All times are epoch milliseconds."""

    org_id: int
    address: str | None
    """As ``normalise_address`` writes it; None once its owner was erased: then only its key is known."""
    reason: SuppressionReason
    detail: str = ""
    """What is known beside the reason, such as the server's answer."""
    created_at: int
    expires_at: int | None
    """From when on it says nothing any more; None: never."""

    def stops(self, category: str) -> bool:
        """Say whether it keeps messages of a category from the address.

        A mailbox that is not there, or that somebody has barred, gets nothing. Whoever complained or unsubscribed
        still gets what they need to know.
        """
        return category != SERVICE or self.reason not in OWNERS_WORD


def new_suppression(
    org_id: int, address: str, reason: SuppressionReason, *, now: int, detail: str = "", lasting_ms: int | None = None
) -> Suppression:
    """Build a suppression from ``now`` on, that lasts as long as its reason does or as it is told to."""
    lasting = LIFETIME_MS[reason] if lasting_ms is None else lasting_ms
    return Suppression(
        org_id=org_id,
        address=normalise_address(address),
        reason=reason,
        detail=detail,
        created_at=now,
        expires_at=None if lasting is None else now + lasting,
    )


def normalise_address(address: str) -> str:
    """Write an address without blanks around it and with its domain in lower case, in the letters DNS knows."""
    local, at, domain = address.strip().rpartition("@")
    domain = domain.lower()
    if not domain.isascii():
        with contextlib.suppress(UnicodeError):  # no name that DNS could know is compared as it is
            domain = domain.encode("idna").decode()
    return f"{local}{at}{domain}"


def address_key(org_id: int, address: str) -> bytes:
    """Return what an address is found by: the same for all ways to write it, and no way back to it."""
    return hashlib.sha256(f"{org_id}:{normalise_address(address).casefold()}".encode()).digest()
