"""The store that each test of the contract suite runs on, one after the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store_kit import STORES
from tidings.store import Store

EVERY_DAY = {"test_store_contract_recording"}
"""What of the contract is tried every day on PostgreSQL, and with a process of its own that writes to SQLite; all of it
is where every test runs."""


NEVER_EVERY_DAY = {"test_postgres_faults", "test_postgres_together"}
"""What PostgreSQL does besides: when it is away, and when several talk to it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the contract to ``make check`` where a store is much like another, or slow."""
    for item in items:
        called = getattr(item, "callspec", None)
        name = None if called is None else called.params.get("store")
        if (
            item.path.stem in NEVER_EVERY_DAY
            or name == "sqlite-memory"
            or (name in {"postgres", "sqlite-apart"} and item.path.stem not in EVERY_DAY)
        ):
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each implementation."""
    async with STORES[request.param](tmp_path) as opened:
        yield opened
