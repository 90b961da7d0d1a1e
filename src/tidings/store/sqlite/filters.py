"""A delivery filter as the values of the statements that list and pick."""

from typing import Final

import orjson

from tidings.store.sqlite.driver import Value
from tidings.store.values import (
    DeliveryFilter,
)

_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1


def filter_values(wanted: DeliveryFilter) -> dict[str, Value]:
    """Return the values of a filter; ``created_at`` and ``id`` stand before the first delivery that it lets pass."""
    return {
        "org_id": wanted.org_id,
        "first_org_id": _SMALLEST if wanted.org_id is None else wanted.org_id,
        "last_org_id": _LARGEST if wanted.org_id is None else wanted.org_id,
        "event_id": wanted.event_id,
        "rule_id": wanted.rule_id,
        "channel": None if wanted.channel is None else wanted.channel.value,
        "recipient": None if wanted.recipient is None else str(wanted.recipient),
        "states": orjson.dumps(sorted(wanted.states)).decode() if wanted.states else None,
        "created_from": _SMALLEST if wanted.created_from is None else wanted.created_from,
        "created_at": _LARGEST if wanted.created_before is None else wanted.created_before,
        "id": "",
    }
