"""Whether the gateway is ready: a few questions, each with its own answer, cheap enough to be asked every second."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidings.errors import StoreUnavailable, TidingsError
from tidings.store import Store

_PATIENCE_SECONDS: Final = 2.0
"""A store that takes longer to answer is not one to send events to."""
_LONGEST_TURN_SECONDS: Final = 60.0
"""Dispatch looks at the store every half a minute even when nothing is due."""


class Status(StrEnum):
    """How a thing stands, from best to worst."""

    OK = "ok"
    DEGRADED = "degraded"
    """Events are welcome, and somebody should look."""
    FAILED = "failed"
    """Events are not welcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer to one question; ``facts`` are numbers and identifiers, ready for JSON."""

    status: Status
    detail: str = ""
    facts: tuple[tuple[str, float | str], ...] = ()

    def to_json(self) -> dict[str, float | str]:
        """Return the answer as a JSON object."""
        return {"status": self.status.value, **({"detail": self.detail} if self.detail else {}), **dict(self.facts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RulebookStanding:
    """What is live, and whether the folder's newest could follow."""

    revision: str
    last_reload_at: int
    errors: int
    """How many errors kept the last reload from going live; 0 when it went live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchStanding:
    """How dispatch does."""

    ended: bool
    idle_seconds: float
    """How long ago it last looked for work."""


class Readiness:
    """Asks the store, the rulebook's keeper and dispatch."""

    def __init__(
        self,
        *,
        store: Store,
        refused: Callable[[], str | None],
        rulebook: Callable[[], RulebookStanding],
        dispatch: Callable[[], DispatchStanding | None],
        clock: Callable[[], int],
        longest_overdue: float,
    ) -> None:
        """Report a backlog due for more than ``longest_overdue`` seconds; dispatch is None where there is none.

        ``refused`` returns what the store said when it refused events of late.
        """
        self._store = store
        self._refused = refused
        self._rulebook = rulebook
        self._dispatch = dispatch
        self._clock = clock
        self._longest_overdue = longest_overdue

    async def checks(self) -> dict[str, Check]:
        """Return every answer by the name of its question."""
        store, overdue = await self._ask_store()
        dispatch = self._dispatch()
        return {
            "store": store,
            "rulebook": _rulebook(self._rulebook()),
            "backlog": self._backlog(overdue),
            **({} if dispatch is None else {"dispatch": _dispatch(dispatch)}),
        }

    async def overdue_seconds(self) -> float:
        """Return for how long the longest-due delivery has been due; raise StoreUnavailable."""
        due = await self._store.next_due()
        return 0.0 if due is None else max(0, self._clock() - due) / 1000

    async def _ask_store(self) -> tuple[Check, float | None]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._store.check()
                return self._store_that_answers(), await self.overdue_seconds()
        except TimeoutError:
            error: TidingsError = StoreUnavailable(f"the store did not answer within {_PATIENCE_SECONDS:g} seconds")
        except TidingsError as known:
            error = known
        return Check(status=Status.FAILED, detail=str(error)), None

    def _store_that_answers(self) -> Check:
        """Answer for a store that takes a small row; that is not to say that it takes events."""
        said = self._refused()
        if said is not None:
            return Check(status=Status.DEGRADED, detail=f"events were refused within the last seconds: {said}")
        return Check(status=Status.OK)

    def _backlog(self, overdue: float | None) -> Check:
        if overdue is None:
            return Check(status=Status.DEGRADED, detail="unknown while the store does not answer")
        facts = (("oldest_due_seconds", round(overdue, 3)), ("limit_seconds", self._longest_overdue))
        if overdue > self._longest_overdue:
            return Check(status=Status.DEGRADED, detail="deliveries wait longer than they should", facts=facts)
        return Check(status=Status.OK, facts=facts)


def worst(checks: dict[str, Check]) -> Status:
    """Return how things stand as a whole: as their worst part does."""
    order = list(Status)
    return max((each.status for each in checks.values()), key=order.index)


def _rulebook(standing: RulebookStanding) -> Check:
    facts = (("revision", standing.revision), ("last_reload_at", standing.last_reload_at))
    if standing.errors:
        detail = f"the last reload was refused with {standing.errors} errors; an older rulebook stays live"
        return Check(status=Status.DEGRADED, detail=detail, facts=facts)
    return Check(status=Status.OK, facts=facts)


def _dispatch(standing: DispatchStanding) -> Check:
    facts = (("idle_seconds", round(standing.idle_seconds, 3)),)
    if standing.ended:
        return Check(status=Status.FAILED, detail="dispatch has ended; nothing would be sent", facts=facts)
    if standing.idle_seconds > _LONGEST_TURN_SECONDS:
        return Check(status=Status.DEGRADED, detail="dispatch has not looked for work for long", facts=facts)
    return Check(status=Status.OK, facts=facts)
