"""What the process that writes to SQLite loads before it writes: every gateway waits for it, and keeps it."""

import subprocess
import sys
from typing import Final

_SPARED: Final = {
    "aiohttp",
    "asyncio",
    "asyncpg",
    "google",
    "grpc",
    "importlib.resources",
    "jinja2",
    "jmespath",
    "prometheus_client",
    "pydantic",
    "rich",
    "structlog",
    "tidings.events",
    "tidings.store.postgres",
    "tidings.store.sqlite.store",
    "yaml",
}
"""Each takes from 5 to 200 ms of a core to load."""

_LOADED: Final = "import sys, tidings.store.sqlite.writer; print(*sys.modules)"


def test_it_loads_nothing_that_it_does_not_need() -> None:
    told = subprocess.run([sys.executable, "-P", "-c", _LOADED], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(told.stdout.split())

    assert "sqlite3" in loaded
    assert loaded & _SPARED == set()
