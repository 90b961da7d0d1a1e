"""Vendors' webhook bodies: publish them, and keep for inspection what could not be used."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tidings.events import ConversionError
from tidings.intake.json_bodies import JsonAnswer, PublishJson
from tidings.store import RejectedBody, Store

_LONGEST_REASON = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingPolicy:
    """How much of what was rejected is kept."""

    bodies: int
    """How many bodies at the most; the oldest give way."""
    length: int
    """How much of each, bytes."""
    milliseconds: int
    """How long."""


class TakeVendorBody:
    """Publishes a body, and keeps it when some of it had to be refused."""

    def __init__(
        self, publish_json: PublishJson, *, store: Store, keeping: KeepingPolicy, clock: Callable[[], int]
    ) -> None:
        self._publish_json = publish_json
        self._store = store
        self._keeping = keeping
        self._clock = clock

    async def __call__(self, body: bytes, *, intake: str, org_id: int | None = None) -> JsonAnswer:
        """Publish a body that came in at ``intake``.

        Raises:
            ConversionError: the body as a whole cannot be read; it was kept.
            StoreUnavailable, Overloaded: nothing was kept.
        """
        try:
            answer = await self._publish_json(body, org_id=org_id)
        except ConversionError as error:
            await self._keep(body, intake=intake, reason=str(error))
            raise
        if answer.refused:
            faults = [f"{each.path or 'event'}: {each.outcome}" for each in answer.refused]
            await self._keep(body, intake=intake, reason="; ".join(faults))
        return answer

    async def _keep(self, body: bytes, *, intake: str, reason: str) -> None:
        now = self._clock()
        rejected = RejectedBody(
            id=f"rej_{secrets.token_hex(12)}",
            received_at=now,
            intake=intake,
            reason=reason[:_LONGEST_REASON],
            body=body[: self._keeping.length],
        )
        await self._store.keep_rejected(
            rejected, keep=self._keeping.bodies, not_before=now - self._keeping.milliseconds
        )


def is_refused_whole(answer: JsonAnswer) -> bool:
    """Say whether nothing of a single event, or of a list, could be used."""
    return bool(answer.results) and len(answer.refused) == len(answer.results)
