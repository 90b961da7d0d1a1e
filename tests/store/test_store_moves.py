"""Whatever workers and people do, in whatever order, no store moves a delivery but by MOVES."""

import asyncio
import itertools
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from long_kit import at_length
from store_kit import STORES, T0, by_hand, make_event, make_publication, settlement
from tidings.model import ENDED, MOVES, Cause, State
from tidings.store import DeliveryFilter, Leased, Retention

CAUSES = [cause for state, cause in MOVES if state is State.SENDING and cause is not Cause.LEASED]


@dataclass(slots=True)
class Known:
    """What the model knows of a delivery."""

    state: State = State.WAITING
    wake_at: int | None = T0
    fence: int = 0
    attempts: int = 0
    lane: str | None = None
    event: int = 0
    settled_at: int | None = None


class Workers(RuleBasedStateMachine):
    """Workers that lease, dawdle, settle late or twice, and people who meddle, against a model of a dictionary."""

    kind = ""
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.now = T0
        self.events = 0
        self.kept_events: set[int] = set()
        self.runner = asyncio.Runner()
        self.closing = AsyncExitStack()
        folder = self.closing.enter_context(tempfile.TemporaryDirectory())
        self.store = self.runner.run(self.closing.enter_async_context(STORES[self.kind](Path(folder))))

    def teardown(self) -> None:
        self.runner.run(self.closing.aclose())
        self.runner.close()

    @initialize(deliveries=st.integers(1, 4))
    def begin(self, deliveries: int) -> None:
        self.record(deliveries, None)

    def wake_of(self, known: Known) -> int | None:
        """Say when a delivery may be handed out: not while an earlier one of its lane has not ended."""
        if known.lane is not None and known.state is not State.SENDING:
            earlier = itertools.takewhile(lambda each: each is not known, self.known.values())
            if any(each.lane == known.lane and each.state not in ENDED for each in earlier):
                return None
        return known.wake_at

    @rule(deliveries=st.integers(0, 3), lane=st.sampled_from([None, "a", "b"]))
    def record(self, deliveries: int, lane: str | None) -> None:
        publication = make_publication(make_event(f"e-{self.events}"), deliveries=deliveries, lane=lane)
        self.runner.run(self.store.record([publication]))
        for each in publication.deliveries:
            self.known[each.id] = Known(lane=lane, event=self.events)
        self.kept_events.add(self.events)
        self.events += 1

    @rule(target=leases, limit=st.integers(1, 3), held=st.integers(0, 50))
    def lease(self, limit: int, held: int) -> object:
        leased = self.runner.run(self.store.lease(now=self.now, until=self.now + held, limit=limit))
        wakes = [self.wake_of(each) for each in self.known.values()]
        due = sorted(each for each in wakes if each is not None and each <= self.now)
        assert len(leased) == min(limit, len(due))
        for number, each in enumerate(leased):
            known = self.known[each.delivery.id]
            assert known.wake_at == due[number]
            known.state = MOVES[known.state, Cause.LEASED]
            known.fence += 1
            known.wake_at = self.now + held + 1
            assert each.fence == known.fence
        return multiple(*leased)

    @rule(leased=leases, cause=st.sampled_from(CAUSES), later=st.integers(0, 50), tried=st.booleans())
    def settle(self, leased: Leased, cause: Cause, later: int, tried: bool) -> None:  # noqa: FBT001 (drawn by name)
        known = self.known.get(leased.delivery.id, Known())
        valid = known.state is State.SENDING and known.fence == leased.fence
        due_at = self.now + later
        told = settlement(leased, cause, due_at=due_at, tried=tried)
        assert self.runner.run(self.store.settle([told])) == [valid]
        if valid:
            known.state = MOVES[State.SENDING, cause]
            known.wake_at = None if known.state in ENDED else due_at
            known.settled_at = told.settled_at if known.state in ENDED else None
            known.attempts += tried

    @rule(leased=leases, longer=st.integers(0, 50))
    def renew(self, leased: Leased, longer: int) -> None:
        known = self.known.get(leased.delivery.id, Known())
        valid = known.state is State.SENDING and known.fence == leased.fence
        lease = (leased.delivery.id, leased.fence)
        assert self.runner.run(self.store.renew([lease], until=self.now + longer)) == [valid]
        if valid:
            known.wake_at = self.now + longer + 1

    def meddle(self, known: Known, cause: Cause) -> bool:
        """Move a delivery of the model by hand; say whether it moved."""
        to = MOVES.get((known.state, cause))
        if to is None or (cause is Cause.REQUEUED and known.event not in self.kept_events):
            return False
        known.state = to
        known.wake_at = self.now if cause is Cause.REQUEUED else None
        known.settled_at = self.now if cause is Cause.CANCELLED else None
        known.attempts = 0 if cause is Cause.REQUEUED else known.attempts
        return True

    @rule(cause=st.sampled_from([Cause.REQUEUED, Cause.CANCELLED]), chosen=st.sets(st.integers(0, 15)))
    def intervene(self, cause: Cause, chosen: set[int]) -> None:
        names = [name for number, name in enumerate(self.known) if number in chosen]
        for name in names:
            self.meddle(self.known[name], cause)
        states = self.runner.run(self.store.intervene(names, by_hand(cause, now=self.now)))
        assert states == [self.known[name].state for name in names]

    @rule(cause=st.sampled_from([Cause.REQUEUED, Cause.CANCELLED]), states=st.frozensets(st.sampled_from(State)))
    def intervene_all(self, cause: Cause, states: frozenset[State]) -> None:
        meant = [each for each in self.known.values() if not states or each.state in states]
        moved = sum(self.meddle(each, cause) for each in meant)
        wanted = DeliveryFilter(states=states)
        assert self.runner.run(self.store.intervene_all(wanted, by_hand(cause, now=self.now), limit=1_000)) == moved

    @rule(before=st.integers(T0, T0 + 2_000), events=st.booleans())
    def purge(self, before: int, events: bool) -> None:  # noqa: FBT001 (drawn by name)
        gone = [name for name, each in self.known.items() if each.settled_at is not None and each.settled_at < before]
        for name in gone:
            del self.known[name]
        needed = {each.event for each in self.known.values() if each.state not in ENDED}
        dropped = self.kept_events - needed if events else set()
        self.kept_events -= dropped
        retention = Retention(events_before=T0 + events, deliveries_before=before)
        assert self.runner.run(self.store.purge(retention, limit=1_000)) == len(gone) + len(dropped)

    @rule(pause=st.integers(1, 60))
    def time_passes(self, pause: int) -> None:
        self.now += pause

    @invariant()
    def the_store_agrees(self) -> None:
        page = self.runner.run(self.store.list_deliveries(DeliveryFilter(), page_size=1_000, page_token=""))
        stands = {each.id: (each.state, each.attempts) for each in page.deliveries}
        assert stands == {name: (each.state, each.attempts) for name, each in self.known.items()}
        wakes = [self.wake_of(each) for each in self.known.values()]
        assert self.runner.run(self.store.next_due()) == min((each for each in wakes if each is not None), default=None)
        counts = Counter(each.state for each in self.known.values() if each.state not in ENDED)
        assert Counter(self.runner.run(self.store.backlog()).counts) == counts


@pytest.mark.parametrize("kind", sorted(STORES))
def test_a_store_moves_deliveries_by_the_table(kind: str) -> None:
    machine = type(f"Workers on {kind}", (Workers,), {"kind": kind})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=at_length(6, 25),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
