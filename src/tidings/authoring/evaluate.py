"""Asking a rulebook what it says of an event, and why. Nothing is stored or sent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidings.authoring.given import GivenRulebooks
from tidings.errors import InvalidEvent, NotFound
from tidings.events import derive_event_id, validate
from tidings.events.v1.event_pb2 import Event
from tidings.model import Source
from tidings.rulebook import Rulebook, Rulebooks
from tidings.rules import RuleExplanation, explain
from tidings.store import Store, StoredEvent

Clock = Callable[[], int]
"""Returns the time, epoch milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a rulebook says of an event."""

    revision: str
    decided_at: int
    rules: tuple[RuleExplanation, ...]
    """Every rule that names the event, in rulebook order, or the one that was asked for."""
    other_rules: int = 0
    """How many rules are for other events."""


def evaluate(rulebook: Rulebook, event: Event, *, now: int, rule_id: str | None = None) -> Evaluation:
    """Say what a rulebook says of an event at a time.

    The event is taken as it is; ``validate`` says whether the gateway would accept it.

    Raises:
        NotFound: the rulebook has no rule of that id.
    """
    event_id = event.event_id or derive_event_id(event)
    rules = explain(rulebook.rules, event, now=now, event_id=event_id, rule_id=rule_id)
    other = len(rulebook.rules.rules) - len(rules) if rule_id is None else 0
    return Evaluation(revision=rulebook.revision, decided_at=now, rules=rules, other_rules=other)


class Evaluate:
    """Asks the live rulebook, or one that is given."""

    def __init__(self, *, rulebooks: Rulebooks, given: GivenRulebooks, clock: Clock) -> None:
        self._rulebooks = rulebooks
        self._given = given
        self._clock = clock

    async def __call__(
        self, event: Event, *, files: Sequence[Source] = (), rule_id: str | None = None, now: int | None = None
    ) -> Evaluation:
        """Say what each rule says of an event.

        Args:
            event: the event; an id is derived when it has none.
            files: the rulebook to ask; none means the live one.
            rule_id: the only rule to ask; None means all that name the event.
            now: when to decide, epoch milliseconds; None means now.

        Raises:
            InvalidEvent: with the path of every fault.
            InvalidRequest: the given rulebook has errors.
            NotFound: the rulebook has no rule of that id.
            Overloaded: too many rulebooks are waiting to be compiled.
        """
        if violations := validate(event):
            raise InvalidEvent(violations)
        rulebook = await self._given.load(files) if files else self._rulebooks.current
        moment = self._clock() if now is None else now
        return await asyncio.to_thread(evaluate, rulebook, event, now=moment, rule_id=rule_id)


class ExplainEvent:
    """Decides a stored event once more, as it was decided."""

    def __init__(self, *, store: Store, rulebooks: Rulebooks) -> None:
        self._store = store
        self._rulebooks = rulebooks

    async def __call__(
        self, org_id: int, event_id: str, *, rule_id: str | None = None
    ) -> tuple[StoredEvent, Evaluation]:
        """Say what each rule said of a stored event, by the revision and at the time that it was decided.

        Raises:
            NotFound: there is no such event, no such rule, or the revision is not kept any more.
            tidings.rulebook.InvalidRulebook: this release no longer accepts the revision's sources.
        """
        stored = await self._store.get_event(org_id, event_id)
        if stored is None:
            raise NotFound("event", f"{org_id}/{event_id}")
        rulebook = await self._rulebooks.get(stored.revision)
        event = Event.FromString(stored.content)
        return stored, await asyncio.to_thread(evaluate, rulebook, event, now=stored.received_at, rule_id=rule_id)
