"""Which causes settle a delivery, and which are somebody's hand: read from MOVES, the same for every store."""

from collections.abc import Mapping
from typing import Final

from tidings.model import ENDED, MOVES, Cause, State
from tidings.store.values import (
    DeliveryChange,
    Intervention,
    Settlement,
)

UNFINISHED: Final = frozenset(State) - ENDED
FAILED: Final = ENDED - {State.DELIVERED}

SETTLING: Final[Mapping[Cause, State]] = {
    cause: to for (state, cause), to in MOVES.items() if state is State.SENDING and cause is not Cause.LEASED
}
"""By cause, where a settlement leads."""
ENDING: Final = frozenset(cause for cause, to in SETTLING.items() if to in ENDED)

BY_HAND: Final[Mapping[Cause, frozenset[State]]] = {
    by: frozenset(state for state, cause in MOVES if cause is by) for by in (Cause.REQUEUED, Cause.CANCELLED)
}
"""By cause, the states that an intervention moves a delivery from."""


def check_settlement(settlement: Settlement) -> None:
    """Raise ValueError for a settlement that no state of the delivery would allow."""
    to = SETTLING.get(settlement.cause)
    if to is None:
        raise ValueError(f"{settlement.delivery_id}: {settlement.cause} is no move from {State.SENDING}; see MOVES")
    if to not in ENDED and settlement.due_at is None:
        raise ValueError(f"{settlement.delivery_id}: {settlement.cause} leads to {to} and needs a due_at")


def check_intervention(intervention: Intervention) -> None:
    """Raise ValueError for a cause that is not somebody's hand."""
    if intervention.cause not in BY_HAND:
        raise ValueError(f"{intervention.cause} is no intervention; it must be one of {', '.join(sorted(BY_HAND))}")


def check_weights(weights: Mapping[int, int]) -> None:
    """Raise ValueError for a weight that would starve an organisation."""
    if bad := {org_id: weight for org_id, weight in weights.items() if weight < 1}:
        raise ValueError(f"weights of organisations must be at least 1, got {bad}")


def settled_change(settlement: Settlement, org_id: int) -> DeliveryChange:
    """Describe what a settlement did to a delivery of an organisation."""
    return DeliveryChange(
        delivery_id=settlement.delivery_id,
        org_id=org_id,
        state=SETTLING[settlement.cause],
        reason=settlement.reason,
        at=settlement.settled_at,
    )
