"""The store that each test of the contract suite runs on, one after the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store_kit import STORES
from tidings.store import Store


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each implementation."""
    async with STORES[request.param](tmp_path) as opened:
        yield opened
