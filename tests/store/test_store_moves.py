"""Whatever workers do, in whatever order, no store moves a delivery but by MOVES."""

import asyncio
import tempfile
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

from store_kit import STORES, T0, make_event, make_publication, settlement
from tidings.model import ENDED, MOVES, Cause, State
from tidings.store import DeliveryFilter, Leased

CAUSES = [cause for state, cause in MOVES if state is State.SENDING and cause is not Cause.LEASED]


@dataclass(slots=True)
class Known:
    """What the model knows of a delivery."""

    state: State = State.WAITING
    wake_at: int | None = T0
    fence: int = 0
    attempts: int = 0


class Workers(RuleBasedStateMachine):
    """Workers that lease, dawdle, settle late or twice, against a model of a dictionary."""

    kind = ""
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.now = T0
        self.events = 0
        self.runner = asyncio.Runner()
        self.closing = AsyncExitStack()
        folder = self.closing.enter_context(tempfile.TemporaryDirectory())
        self.store = self.runner.run(self.closing.enter_async_context(STORES[self.kind](Path(folder))))

    def teardown(self) -> None:
        self.runner.run(self.closing.aclose())
        self.runner.close()

    @initialize(deliveries=st.integers(1, 4))
    def begin(self, deliveries: int) -> None:
        self.record(deliveries)

    @rule(deliveries=st.integers(0, 3))
    def record(self, deliveries: int) -> None:
        publication = make_publication(make_event(f"e-{self.events}"), deliveries=deliveries)
        self.runner.run(self.store.record([publication]))
        self.events += 1
        for each in publication.deliveries:
            self.known.setdefault(each.id, Known())

    @rule(target=leases, limit=st.integers(1, 3), held=st.integers(0, 50))
    def lease(self, limit: int, held: int) -> object:
        leased = self.runner.run(self.store.lease(now=self.now, until=self.now + held, limit=limit))
        due = sorted(
            each.wake_at for each in self.known.values() if each.wake_at is not None and each.wake_at <= self.now
        )
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
        known = self.known[leased.delivery.id]
        valid = known.state is State.SENDING and known.fence == leased.fence
        due_at = self.now + later
        told = settlement(leased, cause, due_at=due_at, tried=tried)
        assert self.runner.run(self.store.settle([told])) == [valid]
        if valid:
            known.state = MOVES[State.SENDING, cause]
            known.wake_at = None if known.state in ENDED else due_at
            known.attempts += tried

    @rule(leased=leases, longer=st.integers(0, 50))
    def renew(self, leased: Leased, longer: int) -> None:
        known = self.known[leased.delivery.id]
        valid = known.state is State.SENDING and known.fence == leased.fence
        lease = (leased.delivery.id, leased.fence)
        assert self.runner.run(self.store.renew([lease], until=self.now + longer)) == [valid]
        if valid:
            known.wake_at = self.now + longer + 1

    @rule(pause=st.integers(1, 60))
    def time_passes(self, pause: int) -> None:
        self.now += pause

    @invariant()
    def the_store_agrees(self) -> None:
        page = self.runner.run(self.store.list_deliveries(DeliveryFilter(), page_size=1_000, page_token=""))
        stands = {each.id: (each.state, each.attempts) for each in page.deliveries}
        assert stands == {name: (each.state, each.attempts) for name, each in self.known.items()}
        wakes = [each.wake_at for each in self.known.values() if each.wake_at is not None]
        assert self.runner.run(self.store.next_due()) == min(wakes, default=None)


@pytest.mark.parametrize("kind", sorted(STORES))
def test_a_store_moves_deliveries_by_the_table(kind: str) -> None:
    machine = type(f"Workers on {kind}", (Workers,), {"kind": kind})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
